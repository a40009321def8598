/**
 * The transport from a tab to the objects of its room's cluster: one WebSocket to each, kept open.
 *
 *     wanted ─► dial ─► greeting (socket-greeting.ts) ─► ready: up ─► silent, closed: down ─┐
 *                ▲                                                                          │
 *                └───────────── backoff with jitter, doubled by each failure ◄──────────────┘
 *
 * An object sleeps while nothing happens, and the platform responds to the pings in its place. So pings cost nothing, and
 * a connection that died is noticed all the same. No frame is sent before the object has proved that it knows the room's
 * key, and none is read. A cluster that was deleted is not dialed again.
 */
import { assert } from "../../base/assert.ts";
import { KEEP_ALIVE_PING } from "../../protocol/keep-alive.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { platformClock, type TransportClock } from "../clock.ts";
import { MAX_FRAME_BYTES, MAX_QUEUE_BYTES, type Transport, type TransportHandlers } from "../transport.ts";
import { CLOSE_BAD_GREETING, CLOSE_DELETED, CLOSE_DENIED, CLOSE_OTHER_CLUSTER, CLOSE_WRONG_KEY } from "./socket-hub.ts";
import { CHALLENGE, REFUSED, WELCOME, wrongVersion } from "./socket-message.ts";
import { type TabCredentials, TabGreeting } from "./tab-greeting.ts";

/** The part of a WebSocket that is used. */
export interface DialedSocket {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  send(message: Uint8Array<ArrayBuffer> | string): void;
  close(code: number, reason: string): void;
  addEventListener(type: "open" | "error", listener: () => void): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close", listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}

/**
 * `lost`: it is dialed again. `refused`: another attempt cannot succeed before something changes; it is made all the same,
 * rarely, but not if the cluster was deleted.
 */
export type DialState = "connecting" | "open" | "lost" | "refused";

export interface SocketDialerOptions {
  readonly id: MemberId;
  readonly cluster: bigint;
  readonly credentials: TabCredentials;
  /** Returns the socket to an object, or undefined if the id is none of an object. May throw. */
  readonly dial: (object: MemberId) => DialedSocket | undefined;
  /** The text tells the user why. */
  readonly onState?: (state: DialState, text: string) => void;
  /** Interval of the pings to a silent object. Without a response to two of them it is down. Default 5,000. */
  readonly pingMs?: number;
  /** From the dial to the welcome. Default 15,000. */
  readonly openWithinMs?: number;
  /** The first wait before the next dial. Doubles up to half a minute. Default 500. */
  readonly redialMs?: number;
  readonly clock?: TransportClock;
  /** Returns a number in [0, 1), for the jitter. */
  readonly random?: () => number;
  /** Default: random. */
  readonly session?: bigint;
}

interface Line {
  readonly object: MemberId;
  socket: DialedSocket | undefined;
  stage: "waiting" | "opening" | "greeting" | "proving" | "ready";
  greeting: TabGreeting | undefined;
  failures: number;
  unansweredPings: number;
  heard: boolean;
  cancelTimer: () => void;
}

const REDIAL_MAX_MS = 30_000;
/** Before the member forgets that it was denied. */
const DENIED_REDIAL_MS = 10_000;
const MAX_UNANSWERED_PINGS = 2;
/** WebSocket.OPEN, which a test's socket does not bring. */
const OPEN = 1;

export class SocketDialer implements Transport {
  readonly maxFrameBytes: number = MAX_FRAME_BYTES;
  readonly #options: SocketDialerOptions;
  readonly #clock: TransportClock;
  readonly #random: () => number;
  readonly #session: bigint;
  readonly #lines: Map<MemberId, Line> = new Map();
  #handlers: TransportHandlers | undefined;
  #closed = false;

  constructor(options: SocketDialerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? platformClock;
    this.#random = options.random ?? Math.random;
    this.#session = options.session ?? crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
  }

  start(handlers: TransportHandlers): void {
    assert(this.#handlers === undefined && !this.#closed, "a transport is started once");
    this.#handlers = handlers;
    for (const line of this.#lines.values()) this.#dial(line);
  }

  /** Drops the frame if the connection has too much to send already. */
  send(to: MemberId, frame: Uint8Array): void {
    const line = this.#lines.get(to);
    if (line?.stage !== "ready" || frame.length === 0 || frame.length > this.maxFrameBytes) return;
    const { socket } = line;
    if (socket === undefined || socket.bufferedAmount + frame.length > MAX_QUEUE_BYTES) return;
    this.#write(line, frame as Uint8Array<ArrayBuffer>);
  }

  setPeers(peers: readonly MemberId[]): void {
    if (this.#closed) return;
    const wanted = new Set(peers);
    wanted.delete(this.#options.id);
    for (const [object, line] of this.#lines) {
      if (wanted.has(object)) continue;
      this.#lines.delete(object);
      this.#hangUp(line);
    }
    for (const object of wanted) {
      if (this.#lines.has(object)) continue;
      const line = newLine(object);
      this.#lines.set(object, line);
      if (this.#handlers !== undefined) this.#dial(line);
    }
  }

  isAuthenticated(peer: MemberId): boolean {
    return this.#lines.get(peer)?.stage === "ready";
  }

  /** Call when the page was resumed or the network is back. */
  retryNow(): void {
    if (this.#closed || this.#handlers === undefined) return;
    for (const line of this.#lines.values()) {
      line.failures = 0;
      if (line.stage === "waiting") this.#dial(line);
      else if (line.stage === "ready") this.#ping(line);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers = undefined;
    for (const line of this.#lines.values()) this.#hangUp(line);
    this.#lines.clear();
  }

  #dial(line: Line): void {
    line.cancelTimer();
    const socket = this.#newSocket(line.object);
    // Ids of tabs are dialed by other transports, or by none.
    if (socket === undefined) return;
    if (socket === "failed") return this.#failed(line, "the address is not reachable", false);
    const { openWithinMs = 15_000 } = this.#options;
    line.socket = socket;
    line.stage = "opening";
    socket.binaryType = "arraybuffer";
    this.#tell("connecting", "connecting to the room’s server");
    line.cancelTimer = this.#clock.after(openWithinMs, () => this.#ended(line, socket, "no response", 0));
    socket.addEventListener("open", () => this.#opened(line, socket));
    socket.addEventListener("message", ({ data }) => this.#received(line, socket, data));
    socket.addEventListener("close", ({ code, reason }) => this.#ended(line, socket, reason, code));
    socket.addEventListener("error", () => this.#ended(line, socket, "", 0));
  }

  #newSocket(object: MemberId): DialedSocket | "failed" | undefined {
    try {
      return this.#options.dial(object);
    } catch {
      return "failed";
    }
  }

  #opened(line: Line, socket: DialedSocket): void {
    if (line.socket !== socket || line.stage !== "opening") return;
    const { id: member, cluster, credentials } = this.#options;
    line.stage = "greeting";
    line.greeting = new TabGreeting({ cluster, member, session: this.#session }, credentials);
    this.#write(line, line.greeting.hello);
  }

  #received(line: Line, socket: DialedSocket, data: unknown): void {
    if (line.socket !== socket) return;
    line.heard = true;
    line.unansweredPings = 0;
    if (typeof data === "string") return;
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0 || data.byteLength > this.maxFrameBytes) {
      return this.#ended(line, socket, "a message that is none of ours", CLOSE_BAD_GREETING);
    }
    const message = new Uint8Array(data);
    if (line.stage === "ready") this.#handlers?.onFrame(line.object, message, () => {});
    else if (line.stage === "greeting" && message[0] === CHALLENGE) this.#challenged(line, socket, message);
    else if (line.stage === "proving" && message[0] === WELCOME) this.#welcomed(line, socket, message);
    else if (line.stage === "proving" && message[0] === REFUSED) this.#refused(line, socket, message);
    else this.#ended(line, socket, "a greeting that is none", CLOSE_BAD_GREETING);
  }

  #challenged(line: Line, socket: DialedSocket, message: Uint8Array): void {
    const wrong = line.greeting?.challenged(message, line.object);
    if (wrong === "other-cluster") {
      return this.#ended(line, socket, "the room has another cluster by now", CLOSE_OTHER_CLUSTER);
    }
    if (wrong === "unproved") {
      return this.#ended(line, socket, "a server that does not know this room", CLOSE_WRONG_KEY);
    }
    if (wrong !== undefined) return this.#ended(line, socket, wrong.text, CLOSE_BAD_GREETING);
    line.stage = "proving";
    const proofs = line.greeting?.proofs();
    if (proofs instanceof Uint8Array) return this.#write(line, proofs);
    proofs?.then(
      (signed) => {
        if (line.socket === socket) this.#write(line, signed);
      },
      () => this.#ended(line, socket, "this browser’s own key does not sign", CLOSE_BAD_GREETING),
    );
  }

  /** The server is there: what it says is the member's to tell. */
  #refused(line: Line, socket: DialedSocket, message: Uint8Array): void {
    const code = line.greeting?.refused(message);
    if (code === undefined) return this.#ended(line, socket, "a refusal that is none", CLOSE_BAD_GREETING);
    this.#tell("open", "");
    this.#handlers?.onDenied?.(line.object, code);
    this.#ended(line, socket, `the room does not let this tab in: ${code}`, CLOSE_DENIED);
  }

  #welcomed(line: Line, socket: DialedSocket, message: Uint8Array): void {
    const wrong = wrongVersion(message);
    if (wrong !== undefined) return this.#ended(line, socket, wrong, CLOSE_BAD_GREETING);
    line.stage = "ready";
    line.failures = 0;
    line.cancelTimer();
    this.#schedulePing(line);
    this.#tell("open", "");
    this.#handlers?.onPeerUp(line.object);
  }

  #schedulePing(line: Line): void {
    const { pingMs = 5_000 } = this.#options;
    line.cancelTimer = this.#clock.after(pingMs, () => this.#pingIfSilent(line));
  }

  #pingIfSilent(line: Line): void {
    const { socket } = line;
    if (socket === undefined || line.stage !== "ready") return;
    if (line.heard) {
      line.heard = false;
      this.#schedulePing(line);
    } else if (line.unansweredPings >= MAX_UNANSWERED_PINGS)
      this.#ended(line, socket, "the server has fallen silent", 0);
    else this.#ping(line);
  }

  #ping(line: Line): void {
    line.cancelTimer();
    line.unansweredPings += 1;
    line.heard = false;
    this.#schedulePing(line);
    this.#write(line, KEEP_ALIVE_PING);
  }

  #write(line: Line, message: Uint8Array<ArrayBuffer> | string): void {
    const { socket } = line;
    if (socket?.readyState !== OPEN) return;
    try {
      socket.send(message);
    } catch {
      // Its close event follows.
    }
  }

  #ended(line: Line, socket: DialedSocket, reason: string, code: number): void {
    if (line.socket !== socket) return;
    const wasReady = line.stage === "ready";
    this.#drop(line);
    if (code === CLOSE_DELETED) this.#tell("refused", reason);
    else if (code === CLOSE_DENIED) this.#redial(line, DENIED_REDIAL_MS);
    else {
      const isRefused = code >= CLOSE_BAD_GREETING && code < 5000;
      this.#failed(line, reason === "" ? "the connection was lost" : reason, isRefused);
    }
    if (wasReady) this.#handlers?.onPeerDown(line.object);
  }

  #failed(line: Line, reason: string, isRefused: boolean): void {
    const { redialMs = 500 } = this.#options;
    this.#redial(line, isRefused ? REDIAL_MAX_MS : Math.min(redialMs * 2 ** line.failures, REDIAL_MAX_MS));
    const isOpenElsewhere = [...this.#lines.values()].some(({ stage }) => stage === "ready");
    if (!isOpenElsewhere) this.#tell(isRefused ? "refused" : "lost", reason);
  }

  #redial(line: Line, waitMs: number): void {
    line.failures += 1;
    line.stage = "waiting";
    line.cancelTimer = this.#clock.after(waitMs * (0.5 + this.#random() / 2), () => this.#dial(line));
  }

  #hangUp(line: Line): void {
    const wasReady = line.stage === "ready";
    this.#drop(line);
    if (wasReady) this.#handlers?.onPeerDown(line.object);
  }

  #drop(line: Line): void {
    const { socket } = line;
    line.cancelTimer();
    line.socket = undefined;
    line.stage = "waiting";
    line.greeting = undefined;
    line.unansweredPings = 0;
    try {
      socket?.close(1000, "");
    } catch {
      // It never opened.
    }
  }

  #tell(state: DialState, text: string): void {
    if (!this.#closed) this.#options.onState?.(state, text);
  }
}

function newLine(object: MemberId): Line {
  return {
    object,
    socket: undefined,
    stage: "waiting",
    greeting: undefined,
    failures: 0,
    unansweredPings: 0,
    heard: false,
    cancelTimer: () => {},
  };
}
