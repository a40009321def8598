/**
 * The WebSockets of clients at an object that may be evicted from memory while they stay open. The platform keeps a socket and its
 * attachment; what does not fit there is stored.
 *
 *     something is sent or received ──► unsaved, and a timer keeps the object in memory
 *     a moment of quiet             ──► the server of the socket is saved (gateway/stream/hibernation.ts)
 *     all are saved                 ──► no timer: ten seconds later the platform evicts the object
 *     the next event                ──► the object opens its member, and each server goes on
 *
 * A socket is marked as unsaved before anything is sent over it. So one that was evicted in between is never resumed from
 * an old state: it is closed, and its client resumes.
 *
 * To let another kind of socket hibernate: accept it with `accept`, give `hibernation.onQuiet` a function that saves its
 * server, and resume the server in gateway/stream/resume-socket.ts.
 */
import { KEEP_ALIVE_PING, KEEP_ALIVE_PONG } from "../../src/protocol/keep-alive.ts";
import type { AcceptedWebSocket } from "../../src/gateway/app.ts";
import type { SavedSocket } from "../../src/gateway/stream/hibernation.ts";

import { ClientSocket, type Attachment } from "./client-socket.ts";
import { SavedSockets } from "./saved-sockets.ts";

/** Without anything sent or received for this time, in ms, a socket is saved. */
const QUIET_MS = 500;
/** Interval of the attempts to save, in ms, while something is under way. */
const BUSY_MS_MAX = 5_000;
const CLOSE_RESTART = 1012;
/** What distinguishes these sockets from an object's other ones (peer-sockets.ts). */
const CLIENT_TAG = "client";

/** Starts the server of a socket where a former one was. Throws if it cannot. */
export type Resume = (socket: AcceptedWebSocket["socket"], saved: SavedSocket) => void;

export class ClientSockets {
  readonly #ctx: DurableObjectState;
  readonly #saved: SavedSockets;
  readonly #servers: Map<WebSocket, ClientSocket> = new Map();
  readonly #unsaved: Set<ClientSocket> = new Set();
  #isLooking = false;
  #delayMs = QUIET_MS;

  constructor(ctx: DurableObjectState) {
    this.#ctx = ctx;
    this.#saved = new SavedSockets(ctx.storage.kv);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(KEEP_ALIVE_PING, KEEP_ALIVE_PONG));
  }

  accept(subprotocol: string | undefined): AcceptedWebSocket {
    const { 0: client, 1: server } = new WebSocketPair();
    this.#ctx.acceptWebSocket(server, [CLIENT_TAG]);
    const id = crypto.randomUUID();
    server.serializeAttachment({ id, saved: undefined } satisfies Attachment);
    const socket = this.#server(server, id, true);
    const headers = subprotocol === undefined ? {} : { "sec-websocket-protocol": subprotocol };
    return { socket, response: new Response(null, { status: 101, webSocket: client, headers }) };
  }

  /** Starts the servers again after the object was evicted. Call it in the turn in which the member starts. */
  resume(resume: Resume): void {
    for (const socket of this.#ctx.getWebSockets(CLIENT_TAG)) {
      if (this.#servers.has(socket) || socket.readyState !== WebSocket.OPEN) continue;
      const attachment = socket.deserializeAttachment() as Attachment | null;
      const saved = attachment === null ? undefined : this.#saved.read(attachment);
      if (attachment === null || saved === undefined) socket.close(CLOSE_RESTART, "the member has started again");
      else this.#resumed(socket, attachment, saved, resume);
    }
    this.#saved.keepOnly(new Set([...this.#servers.values()].map(({ id }) => id)));
  }

  received(socket: WebSocket, data: string | ArrayBuffer): void {
    const server = this.#servers.get(socket);
    if (server === undefined) socket.close(CLOSE_RESTART, "the member has started again");
    else server.received(data);
  }

  /** True if the server of the socket is in memory. */
  has(socket: WebSocket): boolean {
    return this.#servers.has(socket);
  }

  /** The caller has closed the socket, or it broke. */
  gone(socket: WebSocket): void {
    const server = this.#servers.get(socket);
    this.#servers.delete(socket);
    if (server === undefined) {
      const attachment = socket.deserializeAttachment() as Attachment | null;
      if (attachment !== null) this.#saved.delete(attachment.id);
    } else {
      this.#unsaved.delete(server);
      this.#saved.delete(server.id);
      server.gone();
    }
    // Without this the caller would see 1006.
    if (socket.readyState !== WebSocket.CLOSED) socket.close(1000);
  }

  closeAll(code: number, reason: string): void {
    for (const socket of this.#ctx.getWebSockets(CLIENT_TAG)) {
      const server = this.#servers.get(socket);
      socket.close(code, reason);
      if (server !== undefined) server.gone();
    }
    this.#servers.clear();
    this.#unsaved.clear();
    this.#saved.keepOnly(new Set());
  }

  #resumed(socket: WebSocket, { id }: Attachment, saved: SavedSocket, resume: Resume): void {
    const server = this.#server(socket, id, false);
    try {
      resume(server, saved);
    } catch {
      this.#servers.delete(socket);
      socket.close(CLOSE_RESTART, "the member has started again");
    }
  }

  #server(socket: WebSocket, id: string, isUnsaved: boolean): ClientSocket {
    const server = new ClientSocket(socket, id, {
      pingedMs: () => this.#ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0,
      onUnsaved: () => this.#watch(server),
    });
    this.#servers.set(socket, server);
    if (isUnsaved) server.touched();
    return server;
  }

  #watch(server: ClientSocket): void {
    this.#unsaved.add(server);
    this.#delayMs = QUIET_MS;
    this.#lookLater();
  }

  /** The timer keeps the object in memory. */
  #lookLater(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    setTimeout(() => this.#look(), this.#delayMs);
  }

  /** Saves what is quiet. What is busy is looked at again. */
  #look(): void {
    this.#isLooking = false;
    for (const server of this.#unsaved) {
      if (!server.wasQuiet()) continue;
      const saved = server.save();
      if (saved === undefined || !this.#saved.write(server, saved)) continue;
      this.#unsaved.delete(server);
    }
    if (this.#unsaved.size === 0) return;
    this.#delayMs = Math.min(2 * this.#delayMs, BUSY_MS_MAX);
    this.#lookLater();
  }
}
