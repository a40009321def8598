/**
 * The WebSockets of a room's tabs at an object (src/transport/socket/socket-hub.ts). They hibernate: while nothing happens
 * the object is not in memory, the sockets stay open, and the platform itself responds to the tabs' pings. What is known
 * of a socket is in its attachment.
 */
import { EMPTY_BYTES } from "../../src/base/bytes.ts";
import { fromHex } from "../../src/base/text-codes.ts";
import { callerAddress } from "../../src/gateway/http/caller-address.ts";
import { invitationOf } from "../../src/member/membership/invitations.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { Newcomer } from "../../src/member/options.ts";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { type HubSocket, type HubSocketState, SocketHub } from "../../src/transport/socket/socket-hub.ts";
import type { Env } from "../common/env.ts";
import { GuestTeller } from "./guest-teller.ts";

/** What distinguishes these sockets from an object's other ones. */
const PEER_TAG = "peer";
/** Code of a close after which a tab dials again. */
export const TRY_LATER = 1013;
/** Key of the time at which a tab was last connected. */
const SEEN_KEY = "peer-seen/";

export interface PeerSocketsOptions {
  readonly ctx: DurableObjectState;
  readonly env: Env;
  readonly id: MemberId;
  readonly cluster: bigint;
  /** The hash of the room's key, in hexadecimal digits. */
  readonly room: string;
  readonly isObject: (id: MemberId) => boolean;
}

export class PeerSockets {
  readonly hub: SocketHub;
  readonly guests: GuestTeller;
  readonly #ctx: DurableObjectState;
  /** Tabs that know the room's secret are admitted; guests by the log, and objects are added by operators. */
  readonly admission: (newcomer: Newcomer) => boolean;
  readonly #sockets: Map<WebSocket, HibernatingSocket> = new Map();
  #member: Member | undefined;

  constructor({ ctx, env, id, cluster, room, isObject }: PeerSocketsOptions) {
    this.guests = new GuestTeller(ctx, env);
    this.admission = ({ id: newcomer }) => this.hub.isAuthenticated(newcomer) && !isObject(newcomer);
    this.#ctx = ctx;
    this.hub = new SocketHub({
      id,
      cluster,
      keyHash: fromHex(room) ?? new Uint8Array(0),
      invitationKey: (invitation) => this.#invitationKey(invitation),
      isReserved: isObject,
      onReady: (member) => this.#makeRoom(member),
      sockets: ctx.getWebSockets(PEER_TAG).map((socket) => this.#of(socket)),
      nowMs: Date.now,
    });
  }

  serve(member: Member): void {
    this.#member = member;
  }

  open(request: Request): Response {
    if (request.headers.get("upgrade") !== "websocket") return new Response("a WebSocket", { status: 426 });
    const { 0: client, 1: socket } = new WebSocketPair();
    this.#ctx.acceptWebSocket(socket, [PEER_TAG]);
    if (!this.hub.accept(this.#of(socket), callerAddress(request) ?? ""))
      socket.close(TRY_LATER, "too many connections");
    return new Response(null, { status: 101, webSocket: client });
  }

  received(socket: WebSocket, message: string | ArrayBuffer): void {
    this.hub.received(this.#of(socket), message);
  }

  closed(socket: WebSocket): void {
    const known = this.#of(socket);
    if (known.state?.stage === "ready") this.#ctx.storage.kv.put(SEEN_KEY + known.state.member, Date.now());
    this.hub.closed(known);
    this.#sockets.delete(socket);
  }

  /** Members know that of an invitation that is over, too, and so can say that it is. */
  #invitationKey(invitation: Uint8Array): Uint8Array | undefined {
    const known = this.#member?.machine.membership.invitations;
    return known && invitationOf(known, invitation)?.greetingKey;
  }

  /**
   * Removes a learner if there are as many as there may be and a tab comes that is none: of those that are not here, the one
   * that was seen longest ago. It belongs to a profile that may never come back, and that joins anew if it does.
   */
  #makeRoom(newcomer: MemberId): void {
    const member = this.#member;
    if (member === undefined) return;
    const { membership } = member.machine;
    const { learners } = membership.confState;
    if (membership.has(newcomer) || learners.length < member.settings.limits.joinedLearners) return;
    const { kv } = this.#ctx.storage;
    const seenMs = (id: MemberId): number => kv.get<number>(SEEN_KEY + id) ?? 0;
    const absent = learners
      .filter((id) => !this.hub.isConnected(id))
      .toSorted((left, right) => seenMs(left) - seenMs(right));
    const [longest] = absent;
    if (longest === undefined) return;
    kv.delete(SEEN_KEY + longest);
    member.changeMembership("remove-node", longest, EMPTY_BYTES);
  }

  #of(socket: WebSocket): HibernatingSocket {
    let known = this.#sockets.get(socket);
    if (known === undefined) {
      known = new HibernatingSocket(socket);
      this.#sockets.set(socket, known);
    }
    return known;
  }
}

export function isPeerSocket(ctx: DurableObjectState, socket: WebSocket): boolean {
  return ctx.getTags(socket).includes(PEER_TAG);
}

/** Closes the sockets of an object whose member does not run: the tabs dial again, unless `code` says otherwise. */
export function closePeerSockets(ctx: DurableObjectState, reason: string, code: number = TRY_LATER): void {
  for (const socket of ctx.getWebSockets(PEER_TAG)) socket.close(code, reason);
}

class HibernatingSocket implements HubSocket {
  readonly #socket: WebSocket;
  #state: HubSocketState | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.#state = (socket.deserializeAttachment() as HubSocketState | null) ?? undefined;
  }

  get state(): HubSocketState | undefined {
    return this.#state;
  }

  set state(state: HubSocketState | undefined) {
    this.#state = state;
    this.#socket.serializeAttachment(state ?? null);
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.#socket.send(message);
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }
}
