/**
 * The member's end of a multiplexed connection (protocol/mux-frame.ts): many calls and streams over one WebSocket, of a
 * client or of a proxy that serves many. Each stream has its reader's pace (mux-stream.ts), so a slow reader delays only
 * its own, and nothing accumulates here. A connection on which nothing arrives for a while is closed, with its streams.
 */
import { KEEP_ALIVE_PING } from "../../protocol/keep-alive.ts";
import { unreachable } from "../../base/assert.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import {
  CONNECTION_CREDIT_BYTES,
  decodeFrames,
  SOCKET_MESSAGE_BYTES_MAX,
  STREAM_CREDIT_BYTES,
  TOKEN_LENGTH_MAX,
} from "../../protocol/mux-frame.ts";
import type { MuxFrame } from "../../protocol/mux-frame.ts";
import { errInvalidAuthToken, errRequestTooManyRequests, EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { CallerLimits } from "../http/caller-limits.ts";
import { muxMethods } from "./mux-methods.ts";
import type { MuxMethod } from "./mux-methods.ts";
import type { SavedSocket } from "./hibernation.ts";
import { resumedStream } from "./mux-saving.ts";
import { MuxSender, type MuxSocket } from "./mux-sender.ts";
import { type MuxShares, muxShares } from "./mux-shares.ts";
import { endOf, type MuxConnection, MuxStream, type MuxStreamParts } from "./mux-stream.ts";
import { MuxWatchdog } from "./mux-watchdog.ts";
import { encodeSaved, restoredContext, type RestoredSocket, type SavedStream } from "./saved-stream.ts";
import { UnfinishedRequests } from "./unfinished-requests.ts";
import { UnreadBytes } from "./unread-bytes.ts";

export interface MuxLimits {
  /** Limit of a request, in bytes. */
  readonly maxMessageBytes: number;
  /** Maximum number of concurrent streams. Default 1,024. */
  readonly maxStreams?: number;
  /**
   * Silence in milliseconds after which the connection is closed. Default 9,000; the other side pings more than three
   * times as often (mux-frame.ts).
   */
  readonly silentAfterMs?: number;
  /** Milliseconds after which a connection without a stream is closed. Default 10,000 for the first stream. */
  readonly unusedAfterMs?: number;
  /** Counts what the caller may not have read, if the socket does not tell what it has buffered. Default: no. */
  readonly countsUnread?: boolean;
}

const CLOSE_NORMAL = 1000;
const CLOSE_BAD_DATA = 1007;
const CLOSE_POLICY = 1008;
const CLOSE_TOO_BIG = 1009;
const CLOSE_RESTART = 1012;
const CLOSE_TRY_AGAIN_LATER = 1013;

/** A caller of a multiplexed connection, as its request tells. */
export interface MuxPeer extends CallContext {
  /** It sends pings as text and returns marks (MUX_QUERY). Default: no. */
  readonly isCurrent?: boolean;
}

const NOBODY: MuxPeer = { token: "", requireLeader: false };

export function serveMux(
  services: Services,
  socket: MuxSocket,
  limits: MuxLimits,
  peer: MuxPeer = NOBODY,
  callers?: CallerLimits,
): void {
  const shares = muxShares(peer, callers);
  if (shares === undefined) return socket.close(CLOSE_TRY_AGAIN_LATER, "too many requests");
  const server = new MuxServer(services, socket, limits, peer, shares);
  connect(server, socket);
  server.greet();
}

/** Goes on with a connection that a former server has saved. Throws if it cannot. */
export function resumeMux(
  services: Services,
  socket: MuxSocket,
  restored: RestoredSocket,
  limits: MuxLimits,
  callers?: CallerLimits,
): void {
  const { address, takesMarks: isCurrent } = restored;
  const peer: MuxPeer = { ...NOBODY, isCurrent, ...(address === "" ? {} : { address }) };
  const shares = muxShares(peer, callers);
  if (shares === undefined) throw errRequestTooManyRequests;
  const server = new MuxServer(services, socket, limits, peer, shares, restored);
  try {
    server.resume(restored);
  } catch (error) {
    server.close(CLOSE_RESTART, "the member has started again");
    throw error;
  }
  connect(server, socket);
}

function connect(server: MuxServer, socket: MuxSocket): void {
  socket.addEventListener("message", ({ data }) => server.received(data));
  socket.addEventListener("close", () => server.close(CLOSE_NORMAL, ""));
  socket.addEventListener("error", () => server.close(CLOSE_NORMAL, ""));
}

class MuxServer implements MuxConnection {
  /** What all streams together may still send, in bytes. */
  credit: number = CONNECTION_CREDIT_BYTES;
  readonly #services: Services;
  readonly #methods: ReadonlyMap<string, MuxMethod>;
  readonly #socket: MuxSocket;
  readonly #unfinished: UnfinishedRequests;
  readonly #maxStreams: number;
  readonly #streams: Map<number, MuxStream> = new Map();
  readonly #watchdog: MuxWatchdog;
  readonly #address: string | undefined;
  readonly #isCurrent: boolean;
  readonly #shares: MuxShares;
  readonly #unread: UnreadBytes | undefined;
  readonly #unused: ReturnType<typeof setTimeout> | undefined;
  readonly #sender: MuxSender;
  /** The latest. */
  #token = "";
  #isOver = false;

  constructor(
    services: Services,
    socket: MuxSocket,
    limits: MuxLimits,
    { address, isCurrent = false }: MuxPeer,
    shares: MuxShares,
    restored?: RestoredSocket,
  ) {
    this.#services = services;
    this.#methods = muxMethods(services);
    this.#address = address;
    this.#isCurrent = isCurrent;
    this.#shares = shares;
    this.#socket = socket;
    if (limits.countsUnread === true && socket.bufferedAmount === undefined) {
      this.#unread = new UnreadBytes(shares.unread, isCurrent, restored?.progress.unmarked);
    }
    this.#sender = new MuxSender(socket, this.#unread, (failure) =>
      failure === "unread" ? this.close(CLOSE_POLICY, "nothing is read") : this.close(CLOSE_NORMAL, ""),
    );
    this.#unfinished = new UnfinishedRequests(limits.maxMessageBytes, shares.unfinished);
    this.#maxStreams = limits.maxStreams ?? 1024;
    // Synchronous bytes: the newer default of workers is a Blob.
    socket.binaryType = "arraybuffer";
    this.#watchdog = new MuxWatchdog(
      {
        socket,
        hasStreams: () => this.#streams.size > 0,
        isQuiet: () => isCurrent && [...this.#streams.values()].every(({ method }) => method.rpc.kind === "bidi"),
        onSilent: () => this.close(CLOSE_POLICY, "nothing was heard"),
        onUnused: () => this.close(CLOSE_NORMAL, "no stream is open"),
      },
      limits,
    );
    socket.hibernation?.onQuiet(() => this.#save());
    if (restored !== undefined) return;
    this.#unused = setTimeout(() => this.close(CLOSE_POLICY, "no stream was opened"), limits.unusedAfterMs ?? 10_000);
    this.#watchdog.watch();
  }

  /** Shows a caller that asks for it that this member answers pings as text. */
  greet(): void {
    if (this.#isCurrent) this.#sender.pong();
  }

  resume(restored: RestoredSocket): void {
    const { progress, takesBatches, streams, address } = restored;
    this.#sender.takesBatches = takesBatches;
    this.credit = progress.credit;
    const credits = new DataView(progress.credits.buffer, progress.credits.byteOffset, progress.credits.byteLength);
    for (const [at, saved] of streams.entries()) {
      const context = restoredContext(saved, address);
      const { method, stream } = resumedStream(this.#services, this.#methods, saved, context, progress);
      const unfinished = this.#unfinished.open();
      const credit = credits.getUint32(4 * at);
      this.#start({ id: saved.id, method, context, stream, credit, unfinished, tokenBytes: 0 });
    }
  }

  received(data: unknown): void {
    if (this.#isOver) return;
    this.#watchdog.heard();
    this.#watchdog.watch();
    if (data === KEEP_ALIVE_PING && this.#isCurrent) return this.#sender.pong();
    if (data instanceof ArrayBuffer && data.byteLength > SOCKET_MESSAGE_BYTES_MAX) {
      return this.close(CLOSE_TOO_BIG, "the message is too large");
    }
    const received = data instanceof ArrayBuffer ? decodeFrames(new Uint8Array(data)) : undefined;
    if (received === undefined) return this.close(CLOSE_BAD_DATA, "not a carrier's frame");
    if (received.isBatch) this.#sender.takesBatches = true;
    for (const frame of received.frames) this.#frame(frame);
  }

  #frame(frame: MuxFrame): void {
    if (this.#isOver) return;
    switch (frame.type) {
      case "open":
        return this.#open(frame);
      case "piece":
        // A stream that has ended: the other side did not know it yet when it sent this.
        return this.#streams.get(frame.stream)?.received(frame.bytes, frame.isLast);
      case "cancel":
        this.#streams.get(frame.stream)?.close();
        return;
      case "credit":
        return this.#credited(frame.stream, frame.bytes);
      case "ping":
        return this.send(frame);
      case "mark":
        if (this.#unread?.returned(frame.stream) !== true) this.close(CLOSE_POLICY, "a mark that was not sent");
        return;
      case "end":
        return this.close(CLOSE_BAD_DATA, "only a member ends a stream");
      default:
        return unreachable(frame);
    }
  }

  close(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#sender.flush();
    this.#isOver = true;
    this.#watchdog.stop();
    this.#firstStreamOpened();
    for (const stream of this.#streams.values()) stream.close();
    try {
      this.#socket.close(code, reason);
    } catch {
      // The socket was already closing.
    }
    this.#shares.socket?.release();
    this.#shares.unfinished?.release();
    this.#unread?.release();
  }

  #firstStreamOpened(): void {
    if (this.#unused !== undefined) clearTimeout(this.#unused);
  }

  /** Returns undefined while anything but quiet watches and keep-alives is open. */
  #save(): SavedSocket | undefined {
    if (this.#isOver || this.#streams.size === 0 || this.credit <= 0 || this.#unread?.isRead === false)
      return undefined;
    const streams: SavedStream[] = [];
    const credits = new DataView(new ArrayBuffer(4 * this.#streams.size));
    let revision = 0;
    for (const stream of this.#streams.values()) {
      const saved = stream.saved();
      if (saved === undefined) return undefined;
      credits.setUint32(4 * streams.length, stream.credit);
      streams.push(saved.stream);
      // All of them are at the newest revision of the member.
      revision = Math.max(revision, saved.revision);
    }
    this.#watchdog.rest();
    const { takesBatches } = this.#sender;
    const address = this.#address ?? "";
    return encodeSaved(
      { path: "", address, takesBatches, takesMarks: this.#isCurrent, streams },
      {
        revision,
        credit: this.credit,
        credits: new Uint8Array(credits.buffer),
        unmarked: this.#unread?.unmarked ?? 0,
      },
    );
  }

  #open({ stream: id, method: path, token, requireLeader }: MuxFrame & { readonly type: "open" }): void {
    if (id === 0 || this.#streams.has(id)) return this.close(CLOSE_BAD_DATA, "a stream's number was used twice");
    const method = this.#methods.get(path);
    this.#firstStreamOpened();
    this.#watchdog.used();
    try {
      if (method === undefined) throw new EtcdError(GrpcCode.Unimplemented, `unknown method ${path}`);
      if (this.#streams.size >= this.#maxStreams) {
        throw new EtcdError(GrpcCode.ResourceExhausted, "too many streams over one carrier");
      }
      const tokenBytes = this.#holdToken(token);
      const context = { token: this.#token, requireLeader, address: this.#address };
      const stream = method.open?.(context);
      const unfinished = this.#unfinished.open();
      this.#start({ id, method, context, stream, credit: STREAM_CREDIT_BYTES, unfinished, tokenBytes });
    } catch (error) {
      this.send(endOf(id, error));
    }
  }

  #start(parts: MuxStreamParts): void {
    const stream = new MuxStream(this, parts);
    this.#streams.set(parts.id, stream);
    stream.start();
  }

  /** Returns the cost. Streams one after the other with the same token share one copy, which costs nothing. */
  #holdToken(token: string): number {
    if (token === this.#token) return 0;
    if (token.length > TOKEN_LENGTH_MAX) throw errInvalidAuthToken;
    if (this.#shares.unfinished?.grow(token.length) === false) throw errRequestTooManyRequests;
    this.#token = token;
    return token.length;
  }

  #credited(id: number, bytes: number): void {
    if (id !== 0) return this.#streams.get(id)?.credited(bytes);
    // Never above the initial credit, as for a stream.
    this.credit = Math.min(this.credit + bytes, CONNECTION_CREDIT_BYTES);
    for (const stream of this.#streams.values()) stream.wake();
  }

  forget(stream: MuxStream): void {
    this.#streams.delete(stream.id);
    this.#shares.unfinished?.shrink(stream.tokenBytes);
  }

  send(frame: MuxFrame): void {
    if (this.#isOver) return;
    this.#watchdog.watch();
    this.#sender.send(frame);
  }
}
