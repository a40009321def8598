/**
 * A room in which browsers find each other: PeerServer's protocol in a Durable Object, for any PeerJS client. It also
 * decides which tab may bootstrap the room's cluster (room-claims.ts).
 *
 *     {base}                 GET   what this is
 *     {base}{key}/id         GET   a fresh peer id
 *     {base}{key}/peers      GET   the ids that are online
 *     {base}peerjs           WS    signalling: ?key=peerjs&id=…&token=…
 *     {base}room             GET   the room's cluster, and the ids that are online
 *     {base}found            POST  {"member":"…","cluster":"…"}, with "open":true for a room without a key, or with
 *                                  "shape":"edge" or "mixed" and "size":1, 3 or 5 for one whose cluster has objects;
 *                                  "shape":"any" is "edge" where there can be objects
 *     {base}founded|forget   POST  {"member":"…","cluster":"…"}
 *     {base}objects          POST  {"cluster":"…"}: prepares an object that the cluster of tabs may add (room-objects.ts);
 *                                  "shape":"edge" or "mixed" asks the tabs to do so
 *     {base}shape            POST  {}: the room asks its objects who votes, and records that
 *     {base}ticket           POST  {"id":"…","token":"…"}: a token for one WebSocket
 *     {base}guests           POST  {"version":"…","guests":[{"hash":"…"}]}: who else may ask (room-guests.ts)
 *
 * A room that was claimed with a key (room-access.ts) requires it in `Authorization: Bearer …`. A WebSocket sends it
 * there too, or uses a ticket (room-tickets.ts) as its token.
 *
 * An idle room costs nothing: its WebSockets hibernate, the platform itself replies to the clients' heartbeats, and an
 * alarm is set only while a signal is queued. All state that must survive hibernation is in the sockets' attachments.
 * No timer detects dead peers: whether a peer is alive is checked when a call needs to know.
 *
 * It differs from PeerServer in two ways. A client that reconnects with its id and token gets OPEN and its old socket
 * is closed; PeerServer lets it wait for ever. And a client that sends invalid messages is disconnected.
 */
import { DurableObject } from "cloudflare:workers";
import { inTime } from "../../src/gateway/http/body.ts";
import type { Env } from "../common/env.ts";
import type { RoomRpc } from "../common/room-rpc.ts";
import { callerAddress } from "../../src/gateway/http/caller-address.ts";
import { AddressBudget } from "./address-budget.ts";
import { edgeOf, objectShapeOf } from "./room-cluster.ts";
import { type Caller, RoomFounding } from "./room-founding.ts";
import { RoomObjects } from "./room-objects.ts";
import { RoomOwnership } from "./room-ownership.ts";
import { type Access, type AccessRefusal, accessRefusal, shownKeyHash } from "./room-access.ts";
import { guestRefusal, parseGuests, type RoomGuests } from "./room-guests.ts";
import { CORS, REFUSALS, respond, tooMany } from "./room-responses.ts";
import { type Attachment, attachmentOf, errorOf, expel, refuse, replace } from "./room-sockets.ts";
import { RoomTickets } from "./room-tickets.ts";
import { boundedText, isPeerId, isToken, parseClaim, parseMessage, parseObject } from "./room-requests.ts";
import { type Signal, SignalQueue } from "./signalling-queue.ts";
import { signallingRoute } from "./signalling-route.ts";

/** PeerJS's exact bytes. The platform can echo them without waking the object; the client ignores the echo. */
const HEARTBEAT = '{"type":"HEARTBEAT"}';
const KEY = "peerjs";
const MAX_PEERS = 100;
/** Limit per address, in an open room. */
const MAX_PEERS_PER_ADDRESS = 32;
/** Including dead and closing ones. */
const MAX_SOCKETS = 256;
/** Requests of one address in one room, per minute. */
const MAX_REQUESTS = 600;
const MAX_FAILURES = 30;
const MAX_GUESTS_BYTES = 64 * 1024;
/** PeerJS pings every 5 s, but only once a minute in a hidden tab. */
const DEAD_AFTER_MS = 90_000;
const QUEUE_LIMITS = { maxSignals: 200, maxBytes: 1024 * 1024, waitMs: 5000 };
/** RELAY is not PeerJS's: frames between two members that cannot connect, sealed (src/transport/relay/). */
const FORWARDED: ReadonlySet<string> = new Set(["OFFER", "ANSWER", "CANDIDATE", "LEAVE", "EXPIRE", "RELAY"]);
const QUEUED: ReadonlySet<string> = new Set(["OFFER", "ANSWER", "CANDIDATE"]);

export class RoomSignalling extends DurableObject<Env> implements RoomRpc {
  readonly #queue: SignalQueue = new SignalQueue(QUEUE_LIMITS);
  readonly #tickets: RoomTickets = new RoomTickets();
  readonly #requests: AddressBudget = new AddressBudget(MAX_REQUESTS);
  readonly #failures: AddressBudget = new AddressBudget(MAX_FAILURES);
  readonly #ownership: RoomOwnership;
  readonly #founding: RoomFounding;
  readonly #objects: RoomObjects;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#ownership = new RoomOwnership(ctx.storage.kv, (key) => this.#close(key));
    const host = {
      env,
      name: ctx.id.name ?? "",
      ownership: this.#ownership,
      describe: (caller: Caller) => this.#room(caller),
    };
    this.#objects = new RoomObjects({ ...host, kv: ctx.storage.kv });
    this.#founding = new RoomFounding({
      ...host,
      onlineCount: () => this.#online().length,
    });
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(HEARTBEAT, HEARTBEAT));
  }

  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const route = signallingRoute(url);
    if (route === undefined) return respond(404, { error: "no such room" });
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: CORS });
    const caller = callerOf(request);
    if (!this.#requests.spend(caller.address, caller.nowMs)) return tooMany();
    if (route.rest === KEY && request.headers.get("upgrade") === "websocket") {
      return this.#open(url.searchParams, caller);
    }
    if (request.method === "GET") return this.#get(route.rest, caller);
    if (request.method === "POST") return this.#post(route.rest, request, caller);
    return respond(405, { error: "GET or POST" });
  }

  async takeForCluster(key: string): Promise<boolean> {
    return this.#ownership.takeForCluster(key, Date.now());
  }

  async keepGuests(key: string, list: RoomGuests): Promise<void> {
    if (this.#ownership.slot.get()?.edgeKey === key) this.#keepGuests(list, Date.now());
  }

  async releaseFromCluster(key: string): Promise<void> {
    // Whoever was invited to it is nobody in the next room of the name.
    if (this.#ownership.slot.get()?.edgeKey === key) this.#keepGuests(undefined, Date.now());
    this.#ownership.releaseFromCluster(key);
    this.#objects.forget(key);
  }

  override webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): void {
    const attachment = attachmentOf(socket);
    if (attachment === undefined || attachment.replaced) return;
    const parsed = parseMessage(message);
    if (parsed === undefined) {
      refuse(socket, "Invalid message");
      return;
    }
    if (parsed.type === "HEARTBEAT") socket.serializeAttachment({ ...attachment, seenMs: Date.now() });
    else if (parsed.type === "LEAVE" && parsed.dst === "") socket.close(1000, "left");
    else if (FORWARDED.has(parsed.type) && parsed.dst !== "") {
      const { type, dst, payload } = parsed;
      this.#forward({ type, src: attachment.id, dst, payload }, parsed.length);
    }
  }

  override webSocketClose(socket: WebSocket, code: number): void {
    // 1005 and 1006 mean that no code was received, and must not be sent.
    if (socket.readyState !== WebSocket.CLOSED) socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  override webSocketError(socket: WebSocket): void {
    socket.close(1011, "socket error");
  }

  override async alarm(): Promise<void> {
    for (const { src, dst } of this.#queue.expire(Date.now())) this.#notifyExpired(src, dst);
    await this.#setAlarm();
  }

  #get(rest: string, caller: Caller): Response | Promise<Response> {
    const [key, method, ...more] = rest.split("/");
    if (rest === "") {
      return respond(200, {
        name: "Quorate signalling",
        description: "PeerJS clients find each other here, as with PeerServer.",
        website: "https://peerjs.com/",
      });
    }
    if (rest === "room") return this.#refused(caller) ?? this.#described(caller);
    if (key !== "" && more.length === 0 && method === "id") {
      return new Response(crypto.randomUUID(), { headers: { ...CORS, "content-type": "text/html; charset=utf-8" } });
    }
    if (key !== "" && more.length === 0 && method === "peers") {
      return this.#refused(caller) ?? respond(200, this.#online());
    }
    return respond(404, { error: "no such path" });
  }

  /** Also after all tabs were closed before the room knew that an object votes. */
  async #described(caller: Caller): Promise<Response> {
    if (this.#objects.isUnfinished) await this.#objects.look();
    return respond(200, this.#room(caller));
  }

  async #post(rest: string, request: Request, caller: Caller): Promise<Response> {
    if (!POSTS.has(rest)) return respond(404, { error: "no such path" });
    const text = await inTime(boundedText(request, rest === "guests" ? MAX_GUESTS_BYTES : undefined)).catch(
      () => undefined,
    );
    if (text === undefined) return respond(400, { error: "the body is too large, came too slowly or broke off" });
    const body = parseObject(text);
    // Checked again: the room may have been claimed while the body arrived.
    const refusal = this.#refused(caller);
    if (refusal !== undefined) return refusal;
    if (rest === "ticket") return this.#ticket(body, caller);
    if (this.#isGuest(caller)) return respond(403, { error: "only members that know the room's secret do this" });
    if (rest === "guests") return this.#setGuests(parseGuests(body), caller);
    if (rest === "shape") {
      await this.#objects.look();
      return respond(200, this.#room(caller));
    }
    const ids = parseClaim(body);
    if (ids === undefined || (!WITHOUT_MEMBER.has(rest) && ids.member === "")) {
      return respond(400, { error: 'expected {"member":"<decimal id>","cluster":"<decimal id>"}' });
    }
    const founding = this.#founding;
    if (rest === "objects") return this.#objects.prepare(ids.cluster, body?.["shape"], caller);
    if (rest === "forget") return founding.forget(ids.cluster, caller);
    const shape = rest === "found" ? objectShapeOf(body?.["shape"]) : undefined;
    if (shape !== undefined) return founding.foundEdge(shape, ids, body?.["size"], caller);
    return rest === "founded" ? founding.founded(ids, caller) : founding.found(ids, body?.["open"] === true, caller);
  }

  #ticket(body: Record<string, unknown> | undefined, { shown, nowMs }: Caller): Response {
    const { id, token } = body ?? {};
    if (!isPeerId(id) || !isToken(token))
      return respond(400, { error: 'expected {"id":"<peer id>","token":"<text>"}' });
    return respond(200, { ticket: this.#tickets.issue({ id, token, keyHash: shown }, nowMs) });
  }

  #setGuests(list: RoomGuests | undefined, caller: Caller): Response {
    const access = this.#access(caller.nowMs);
    if (list === undefined) return respond(400, { error: 'expected {"version":"…","guests":[{"hash":"<SHA-256>"}]}' });
    if (access.type !== "closed") return respond(409, { error: "a room without a key has no guests" });
    this.#keepGuests(list, caller.nowMs);
    return respond(200, { guests: list.version });
  }

  /** Disconnects those who are guests no more. */
  #keepGuests(list: RoomGuests | undefined, nowMs: number): void {
    if (list === undefined) this.ctx.storage.kv.delete("guests");
    else this.ctx.storage.kv.put("guests", list);
    for (const socket of this.ctx.getWebSockets()) {
      const keyHash = attachmentOf(socket)?.keyHash;
      const isGone = keyHash !== undefined && this.#refusalOf(keyHash, nowMs) !== undefined;
      if (isGone) expel(socket, "the invitation is over");
    }
  }

  get #guests(): RoomGuests | undefined {
    return this.ctx.storage.kv.get<RoomGuests>("guests");
  }

  #isGuest({ shown, nowMs }: Caller): boolean {
    const access = this.#access(nowMs);
    return access.type === "closed" && shown !== undefined && accessRefusal(access, shown) !== undefined;
  }

  #refusalOf(shown: string | undefined, nowMs: number): AccessRefusal | undefined {
    const refusal = accessRefusal(this.#access(nowMs), shown);
    if (refusal !== "key-wrong" || shown === undefined) return refusal;
    const asGuest = guestRefusal(this.#guests?.guests ?? [], shown, nowMs);
    return asGuest === "admitted" ? undefined : (asGuest ?? refusal);
  }

  #access(nowMs: number): Access {
    return this.#ownership.access(nowMs);
  }

  /** Disconnects peers that connected before the room was claimed with a key, and do not have it. */
  #close(key: string): void {
    this.#queue.clear();
    for (const socket of this.ctx.getWebSockets()) {
      if (attachmentOf(socket)?.keyHash !== key) expel(socket, "the room is closed");
    }
  }

  #refused(caller: Caller): Response | undefined {
    const code = this.#refusalOf(caller.shown, caller.nowMs);
    if (code === undefined) return undefined;
    if (!this.#failures.spend(caller.address, caller.nowMs)) return tooMany();
    const headers = code === "key-needed" ? { "www-authenticate": "Bearer" } : undefined;
    return respond(code === "key-needed" ? 401 : 403, { code, error: REFUSALS[code] }, headers);
  }

  #room({ shown, nowMs }: Caller): object {
    const access = this.#access(nowMs).type;
    const founding = this.#ownership.slot.get();
    const peers = this.#online();
    // An expired claim is visible only to the caller that made it.
    const isVisible = access !== "free" || this.#ownership.storedAccess?.keyHash === shown;
    if (founding === undefined || !isVisible) return { access, cluster: null, peers };
    const { cluster, member, confirmed, sinceMs } = founding;
    const guests = this.#guests?.version;
    const { wish } = this.#objects;
    return { access, cluster, member, confirmed, since: sinceMs, peers, edge: edgeOf(founding), guests, wish };
  }

  #open(query: URLSearchParams, caller: Caller): Response {
    const id = query.get("id") ?? "";
    const ticket = this.#tickets.redeem(query.get("token") ?? "", id, caller.nowMs);
    const token = ticket?.token ?? query.get("token") ?? "";
    const keyHash = ticket?.keyHash ?? caller.shown;
    const access = this.#access(caller.nowMs);
    // Checked before a socket exists: a caller without the key holds nothing here, not even a connection.
    const refused = this.#refused({ ...caller, shown: keyHash });
    if (refused !== undefined) return refused;
    if (this.ctx.getWebSockets().length >= MAX_SOCKETS) this.#closeDead();
    if (this.ctx.getWebSockets().length >= MAX_SOCKETS) return tooMany();
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    const { address } = caller;
    const refusal =
      this.#refusal(query.get("key") ?? "", id, token) ??
      (access.type === "closed" ? undefined : this.#crowdedBy(address, id));
    if (refusal === undefined)
      this.#welcome(server, { id, token, seenMs: caller.nowMs, replaced: false, address, keyHash });
    else {
      // Without an attachment it does not count as a peer, and can hibernate if its client does not close.
      this.ctx.acceptWebSocket(server);
      server.send(JSON.stringify(refusal));
      server.close(1008, "refused");
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  /** PeerServer's texts, which clients compare. */
  #refusal(key: string, id: string, token: string): object | undefined {
    if (key === "" || id === "" || token === "") return errorOf("No id, token, or key supplied to websocket server");
    if (key !== KEY) return errorOf("Invalid key provided");
    if (!isPeerId(id) || !isToken(token)) return errorOf("Invalid id or token provided");
    const holder = this.#find(id);
    if (holder !== undefined && attachmentOf(holder)?.token !== token) {
      return { type: "ID-TAKEN", payload: { msg: "ID is taken" } };
    }
    if (holder === undefined && this.#online().length >= MAX_PEERS) return errorOf(CROWDED);
    return undefined;
  }

  /** In an open room one address cannot take all places. */
  #crowdedBy(address: string, id: string): object | undefined {
    const others = this.#living().filter((attachment) => attachment.address === address && attachment.id !== id);
    return others.length >= MAX_PEERS_PER_ADDRESS ? errorOf(CROWDED) : undefined;
  }

  #welcome(socket: WebSocket, attachment: Attachment): void {
    for (const old of this.ctx.getWebSockets(attachment.id)) replace(old);
    this.ctx.acceptWebSocket(socket, [attachment.id]);
    socket.serializeAttachment(attachment);
    socket.send('{"type":"OPEN"}');
    for (const signal of this.#queue.take(attachment.id)) socket.send(JSON.stringify(signal));
  }

  #closeDead(): void {
    for (const socket of this.ctx.getWebSockets()) if (!this.#lives(socket)) expel(socket, "silent for too long");
  }

  #forward(signal: Signal, length: number): void {
    const receiver = this.#find(signal.dst);
    if (receiver !== undefined) receiver.send(JSON.stringify(signal));
    else if (QUEUED.has(signal.type)) {
      const queued = this.#queue.push(signal, length, Date.now());
      if (queued) this.ctx.waitUntil(this.#setAlarm());
      else this.#notifyExpired(signal.src, signal.dst);
    }
  }

  #notifyExpired(src: string, dst: string): void {
    this.#find(src)?.send(JSON.stringify({ type: "EXPIRE", src: dst, dst: src }));
  }

  async #setAlarm(): Promise<void> {
    const { dueMs } = this.#queue;
    if (dueMs === undefined) return;
    const current = await this.ctx.storage.getAlarm();
    if (current === null || current > dueMs) await this.ctx.storage.setAlarm(dueMs);
  }

  #find(id: string): WebSocket | undefined {
    return this.ctx.getWebSockets(id).find((socket) => this.#lives(socket));
  }

  #online(): readonly string[] {
    return [...new Set(this.#living().map(({ id }) => id))];
  }

  #living(): readonly Attachment[] {
    return this.ctx.getWebSockets().flatMap((socket) => {
      const attachment = attachmentOf(socket);
      return attachment !== undefined && this.#lives(socket) ? [attachment] : [];
    });
  }

  #lives(socket: WebSocket): boolean {
    const attachment = attachmentOf(socket);
    if (attachment === undefined || attachment.replaced || socket.readyState !== WebSocket.OPEN) return false;
    const pingedMs = this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;
    return Date.now() - Math.max(pingedMs, attachment.seenMs) < DEAD_AFTER_MS;
  }
}

const CROWDED = "Server has reached its concurrent user limit";
const POSTS: ReadonlySet<string> = new Set([...["found", "founded", "forget", "ticket", "guests", "objects", "shape"]]);
/** Those that name a cluster only. */
const WITHOUT_MEMBER: ReadonlySet<string> = new Set(["forget", "objects"]);

/** Where the platform reports no addresses, all callers share one. */
function callerOf(request: Request): Caller {
  return { address: callerAddress(request) ?? "", shown: shownKeyHash(request.headers), nowMs: Date.now() };
}
