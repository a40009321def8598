/**
 * The transport from an object to the tabs of its room: each tab holds one WebSocket, on which it has greeted
 * (socket-greeting.ts). The object never dials. The member lets a tab in, by what it has proved, before its first frame.
 *
 *     new ── HELLO ──► challenged ── PROOF ──► verifying ── let in ──► ready
 *
 * The object may hibernate at any moment, and this transport with it. So all that it knows of a socket is the socket's
 * state, which the platform keeps, and there are no timers: the tab notices a dead connection and dials again. The number
 * of sockets that have not proved anything is bounded; a newcomer displaces the oldest.
 *
 * What is sent to a tab is not queued here. workerd does not tell how much of it a slow reader has taken, but Raft has
 * only so much in flight to a member.
 */
import { concatAll } from "../../base/bytes.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { PeerProof } from "../greeting/handshake.ts";
import { MAX_FRAME_BYTES, type Transport, type TransportHandlers } from "../transport.ts";
import { fingerprintOf, type GreetingBytes, isProved, objectProof, refusalProof } from "./socket-greeting.ts";
import {
  decodeHello,
  decodeProofs,
  encodeChallenge,
  encodeRefusal,
  encodeWelcome,
  HELLO,
  newNonce,
  PROOF,
  SOCKET_GREETING_BYTES_MAX,
} from "./socket-message.ts";

/** What is known of a socket. It can be stored by structured clone. */
export type HubSocketState = { readonly address: string; readonly atMs: number } & (
  | { readonly stage: "new" }
  | {
      readonly stage: "challenged";
      readonly member: MemberId;
      readonly invitation: Uint8Array | undefined;
      readonly greeting: GreetingBytes;
    }
  | { readonly stage: "verifying"; readonly member: MemberId }
  | {
      readonly stage: "ready";
      readonly member: MemberId;
      /** Fingerprint of the key that it has proved. Undefined: it has shown none. */
      readonly key: Uint8Array | undefined;
      /** The invitation that it has proved. Undefined: it knows the room's secret. */
      readonly invitation: Uint8Array | undefined;
    }
);

type Stage<Name extends HubSocketState["stage"]> = Extract<HubSocketState, { readonly stage: Name }>;

/** One WebSocket, as the platform keeps it. */
export interface HubSocket {
  /** Survives hibernation. Undefined once it is closed. */
  state: HubSocketState | undefined;
  /** Throws if the socket is closed. */
  send(message: Uint8Array<ArrayBuffer>): void;
  close(code: number, reason: string): void;
}

export interface SocketHubOptions {
  readonly id: MemberId;
  readonly cluster: bigint;
  /** `hashOfKey` of the room's key. */
  readonly keyHash: Uint8Array;
  /** Returns the shared key of an invitation to the room, also of one that is over. */
  readonly invitationKey: (id: Uint8Array) => Uint8Array | undefined;
  /** Ids that no tab may have: those of objects. */
  readonly isReserved: (id: MemberId) => boolean;
  /** Those that outlived a hibernation. */
  readonly sockets: readonly HubSocket[];
  /** Called when a tab was let in. */
  readonly onReady?: (member: MemberId) => void;
  readonly nowMs: () => number;
}

/** Codes of a close. Below 4400 the tab may try again. */
export const CLOSE_REPLACED = 4000;
export const CLOSE_CROWDED = 4001;
/** This object may have missed the invitation, or its end. */
export const CLOSE_UNKNOWN_INVITATION = 4002;
export const CLOSE_BAD_GREETING = 4400;
export const CLOSE_WRONG_KEY = 4403;
export const CLOSE_OTHER_CLUSTER = 4409;
/** The tab is who it says, and is not let in. */
export const CLOSE_DENIED = 4410;
/** The room's cluster was deleted. The same number as other sockets' final error: NotFound (protocol/mux-frame.ts). */
export const CLOSE_DELETED = 4005;

const SOCKETS_MAX = 256;
const UNPROVEN_MAX = 32;
const UNPROVEN_PER_ADDRESS_MAX = 8;
const UNPROVED = "a tab that does not prove what it says: not the secret of this room, or not its own key";

export class SocketHub implements Transport {
  readonly maxFrameBytes: number = MAX_FRAME_BYTES;
  readonly #options: SocketHubOptions;
  readonly #sockets: Set<HubSocket>;
  readonly #ready: Map<MemberId, HubSocket> = new Map();
  #handlers: TransportHandlers | undefined;

  constructor(options: SocketHubOptions) {
    this.#options = options;
    this.#sockets = new Set(options.sockets.filter(({ state }) => state !== undefined));
    for (const socket of this.#sockets)
      if (socket.state?.stage === "ready") this.#ready.set(socket.state.member, socket);
  }

  start(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    for (const member of this.#ready.keys()) handlers.onPeerUp(member);
  }

  send(to: MemberId, frame: Uint8Array): void {
    const socket = this.#ready.get(to);
    if (socket === undefined || frame.length === 0 || frame.length > this.maxFrameBytes) return;
    // A view into a larger buffer would be sent as a whole.
    this.#sendTo(socket, concatAll([frame]));
  }

  /** The tabs come by themselves. */
  setPeers(): void {}

  isAuthenticated(peer: MemberId): boolean {
    return this.proofOf(peer)?.knowsSecret === true;
  }

  proofOf(peer: MemberId): PeerProof | undefined {
    const state = this.#ready.get(peer)?.state;
    return state?.stage === "ready" ? proofIn(state) : undefined;
  }

  isConnected(peer: MemberId): boolean {
    return this.#ready.has(peer);
  }

  /** Closes all sockets: the tabs dial again. */
  close(): void {
    this.#handlers = undefined;
    for (const socket of this.#sockets) end(socket, 1013, "the member has stopped");
    this.#sockets.clear();
    this.#ready.clear();
  }

  /** Takes a new socket, of a caller that nothing is known of. False: there are too many. */
  accept(socket: HubSocket, address: string): boolean {
    const unproven = [...this.#sockets].filter(({ state }) => state?.stage !== "ready");
    const own = unproven.filter(({ state }) => state?.address === address);
    if (own.length >= UNPROVEN_PER_ADDRESS_MAX) this.#end(oldest(own), CLOSE_CROWDED, "too many connections");
    else if (unproven.length >= UNPROVEN_MAX) this.#end(oldest(unproven), CLOSE_CROWDED, "too many connections");
    if (this.#sockets.size >= SOCKETS_MAX) return false;
    socket.state = { stage: "new", address, atMs: this.#options.nowMs() };
    this.#sockets.add(socket);
    return true;
  }

  received(socket: HubSocket, data: unknown): void {
    const { state } = socket;
    if (state === undefined || !this.#sockets.has(socket)) return;
    const limit = state.stage === "ready" ? this.maxFrameBytes : SOCKET_GREETING_BYTES_MAX;
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0 || data.byteLength > limit) {
      return this.#end(socket, CLOSE_BAD_GREETING, "a message that is none of ours");
    }
    const message = new Uint8Array(data);
    if (state.stage === "ready") this.#handlers?.onFrame(state.member, message, () => {});
    else if (state.stage === "new" && message[0] === HELLO) this.#greeted(socket, message);
    else if (state.stage === "challenged" && message[0] === PROOF) this.#proved(socket, state, message);
    else this.#end(socket, CLOSE_BAD_GREETING, "a greeting that is none");
  }

  closed(socket: HubSocket): void {
    this.#sockets.delete(socket);
    const { state } = socket;
    socket.state = undefined;
    if (state?.stage !== "ready" || this.#ready.get(state.member) !== socket) return;
    this.#ready.delete(state.member);
    this.#handlers?.onPeerDown(state.member);
  }

  #greeted(socket: HubSocket, hello: Uint8Array): void {
    const { id, cluster, isReserved, nowMs } = this.#options;
    const tab = decodeHello(hello);
    if (typeof tab === "string") return this.#end(socket, CLOSE_BAD_GREETING, tab);
    const { member, invitation } = tab;
    if (tab.cluster !== cluster) return this.#end(socket, CLOSE_OTHER_CLUSTER, "the room has another cluster");
    if (member === 0n || isReserved(member)) {
      return this.#end(socket, CLOSE_BAD_GREETING, "an id that no tab may have");
    }
    const key = this.#keyFor(invitation);
    if (key === undefined) return this.#end(socket, CLOSE_UNKNOWN_INVITATION, "an invitation that is not known here");
    const session = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
    const challenge = encodeChallenge({ cluster, member: id, session, nonce: newNonce() });
    const greeting = { hello: hello.slice(), challenge };
    const address = socket.state?.address ?? "";
    socket.state = { stage: "challenged", member, invitation, greeting, address, atMs: nowMs() };
    this.#sendTo(socket, concatAll([challenge, objectProof(key, greeting)]));
  }

  #proved(socket: HubSocket, state: Stage<"challenged">, message: Uint8Array): void {
    const { member, invitation, greeting, address, atMs } = state;
    const shown = decodeProofs(message);
    if (typeof shown === "string") return this.#end(socket, CLOSE_BAD_GREETING, shown);
    const key = this.#keyFor(invitation);
    if (key === undefined) return this.#end(socket, CLOSE_UNKNOWN_INVITATION, "an invitation that is not known here");
    const proved = isProved({ greeting, key, invitation }, shown);
    const settle = (isTrue: boolean): void => {
      if (!isTrue) return this.#end(socket, CLOSE_WRONG_KEY, UNPROVED);
      const ready = { stage: "ready", member, key: fingerprintOf(shown), invitation } as const;
      const code = this.#handlers?.admit?.(member, proofIn(ready));
      if (code === undefined) return this.#letIn(socket, { ...ready, address, atMs: this.#options.nowMs() });
      this.#sendTo(socket, encodeRefusal({ proof: refusalProof(key, greeting, code), code }));
      this.#end(socket, CLOSE_DENIED, `not let in: ${code}`);
    };
    if (typeof proved === "boolean") return settle(proved);
    socket.state = { stage: "verifying", member, address, atMs };
    void proved.then((isTrue) => {
      if (this.#sockets.has(socket) && socket.state?.stage === "verifying") settle(isTrue);
    });
  }

  #letIn(socket: HubSocket, state: Stage<"ready"> & HubSocketState): void {
    const { member } = state;
    socket.state = state;
    const former = this.#ready.get(member);
    this.#ready.set(member, socket);
    // The tab has a new connection, so what was sent on the former one may be lost.
    if (former !== undefined) {
      this.#end(former, CLOSE_REPLACED, "replaced");
      this.#handlers?.onPeerDown(member);
    }
    this.#sendTo(socket, encodeWelcome());
    this.#options.onReady?.(member);
    if (this.#ready.get(member) === socket) this.#handlers?.onPeerUp(member);
  }

  /** Of the proofs of a tab that came by this invitation, or by the room's secret. */
  #keyFor(invitation: Uint8Array | undefined): Uint8Array | undefined {
    const { keyHash, invitationKey } = this.#options;
    return invitation === undefined ? keyHash : invitationKey(invitation);
  }

  #sendTo(socket: HubSocket, message: Uint8Array<ArrayBuffer>): void {
    try {
      socket.send(message);
    } catch {
      this.closed(socket);
    }
  }

  #end(socket: HubSocket | undefined, code: number, reason: string): void {
    if (socket === undefined) return;
    this.closed(socket);
    end(socket, code, reason);
  }
}

/** The socket of a room's secret has no invitation. */
function proofIn({ key, invitation }: Pick<Stage<"ready">, "key" | "invitation">): PeerProof {
  return { key, knowsSecret: invitation === undefined, invitation, isHost: false };
}

function oldest(sockets: readonly HubSocket[]): HubSocket | undefined {
  return sockets.toSorted((left, right) => (left.state?.atMs ?? 0) - (right.state?.atMs ?? 0))[0];
}

function end(socket: HubSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason);
  } catch {
    // It is closed already.
  }
}
