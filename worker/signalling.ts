/**
 * A room in which browsers find each other: PeerServer's protocol in a Durable Object, for any PeerJS client, and the
 * arbiter of who founds the room's cluster (founding.ts).
 *
 *     {base}                 GET   what this is
 *     {base}{key}/id         GET   a fresh peer id
 *     {base}{key}/peers      GET   the ids that are online
 *     {base}peerjs           WS    signalling: ?key=peerjs&id=…&token=…
 *     {base}room             GET   which cluster lives here, and who is online
 *     {base}found|founded|forget   POST {"member":"…","cluster":"…"}
 *
 * An idle room costs nothing: its WebSockets hibernate, the platform itself answers the clients' heartbeats, and there
 * is an alarm only while a signal waits for somebody to come. What is needed after hibernation lies in the sockets'
 * attachments. Nobody counts down the dead: whether a peer still lives is looked up when somebody asks for it.
 *
 * It differs from PeerServer in two ways. A client that comes back with its id and token is told OPEN and its old
 * socket is closed, where PeerServer leaves it waiting for ever. And a client that sends nonsense is thrown out.
 */
import { DurableObject } from "cloudflare:workers";
import { claim, confirm, forget, type Founding, type FoundingSlot } from "./founding.ts";
import { type Signal, SignalQueue } from "./signalling-queue.ts";
import { signallingRoute } from "./signalling-route.ts";

/** PeerJS's exact bytes. The echo is what the platform can send without waking us; the client ignores it. */
const HEARTBEAT = '{"type":"HEARTBEAT"}';
const KEY = "peerjs";
const PEER_ID = /^[A-Za-z0-9]+(?:[ _-][A-Za-z0-9]+)*$/;
const MAX_ID_LENGTH = 64;
const MAX_TOKEN_LENGTH = 128;
const MAX_PEERS = 100;
const MAX_MESSAGE_LENGTH = 64 * 1024;
const MAX_BODY_BYTES = 4096;
/** PeerJS pings every 5 s, a hidden tab only once a minute. */
const DEAD_AFTER_MS = 90_000;
const QUEUE_LIMITS = { maxSignals: 200, maxBytes: 1024 * 1024, waitMs: 5000 };
const FORWARDED: ReadonlySet<string> = new Set(["OFFER", "ANSWER", "CANDIDATE", "LEAVE", "EXPIRE"]);
const QUEUED: ReadonlySet<string> = new Set(["OFFER", "ANSWER", "CANDIDATE"]);

interface Attachment {
  readonly id: string;
  readonly token: string;
  readonly seenMs: number;
  /** Another socket has taken over, and this one is about to close. */
  readonly replaced: boolean;
}

export class RoomSignalling extends DurableObject {
  readonly #queue: SignalQueue = new SignalQueue(QUEUE_LIMITS);

  constructor(ctx: DurableObjectState, env: object) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(HEARTBEAT, HEARTBEAT));
  }

  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const route = signallingRoute(url);
    if (route === undefined) return answer(404, { error: "no such room" });
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: CORS });
    if (route.rest === KEY && request.headers.get("upgrade") === "websocket") return this.#open(url.searchParams);
    if (request.method === "GET") return this.#get(route.rest);
    if (request.method === "POST") return this.#post(route.rest, request);
    return answer(405, { error: "GET or POST" });
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
    // 1005 and 1006 say that no code came, and may not be sent.
    if (socket.readyState !== WebSocket.CLOSED) socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  override webSocketError(socket: WebSocket): void {
    socket.close(1011, "socket error");
  }

  override async alarm(): Promise<void> {
    for (const { src, dst } of this.#queue.expire(Date.now())) this.#tellExpired(src, dst);
    await this.#setAlarm();
  }

  #get(rest: string): Response {
    const [key, method, ...more] = rest.split("/");
    if (rest === "") {
      return answer(200, {
        name: "Quorate signalling",
        description: "PeerJS clients find each other here, as with PeerServer.",
        website: "https://peerjs.com/",
      });
    }
    if (rest === "room") return answer(200, this.#room());
    if (key !== "" && more.length === 0 && method === "id") {
      return new Response(crypto.randomUUID(), { headers: { ...CORS, "content-type": "text/html; charset=utf-8" } });
    }
    if (key !== "" && more.length === 0 && method === "peers") return answer(200, this.#online());
    return answer(404, { error: "no such path" });
  }

  async #post(rest: string, request: Request): Promise<Response> {
    if (rest !== "found" && rest !== "founded" && rest !== "forget") return answer(404, { error: "no such path" });
    const body = parseClaim(await boundedText(request));
    if (body === undefined || (rest !== "forget" && body.member === "")) {
      return answer(400, { error: 'expected {"member":"<decimal id>","cluster":"<decimal id>"}' });
    }
    const { cluster, member } = body;
    if (rest === "forget") return answer(200, { forgotten: forget(this.#slot, cluster), ...this.#room() });
    if (rest === "founded") {
      const confirmed = confirm(this.#slot, cluster, member);
      return answer(confirmed ? 200 : 409, { ...this.#room(), confirmed });
    }
    const founding = claim(this.#slot, cluster, member, Date.now());
    const founded = founding.cluster === cluster && founding.member === member;
    return answer(200, { founded, ...this.#room() });
  }

  #room(): object {
    const founding = this.#slot.get();
    const peers = this.#online();
    if (founding === undefined) return { cluster: null, peers };
    const { cluster, member, confirmed, sinceMs } = founding;
    return { cluster, member, confirmed, since: sinceMs, peers };
  }

  get #slot(): FoundingSlot {
    const { kv } = this.ctx.storage;
    return {
      get: () => kv.get<Founding>("founding"),
      put: (founding) => kv.put("founding", founding),
      delete: () => void kv.delete("founding"),
    };
  }

  #open(query: URLSearchParams): Response {
    const [client, server] = Object.values(new WebSocketPair()) as [WebSocket, WebSocket];
    const id = query.get("id") ?? "";
    const token = query.get("token") ?? "";
    const refusal = this.#refusal(query.get("key") ?? "", id, token);
    if (refusal === undefined) this.#welcome(server, id, token);
    else {
      // Not a hibernating socket: it must never be counted as somebody.
      server.accept();
      server.send(JSON.stringify(refusal));
      server.close(1008, "refused");
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  /** The words are PeerServer's; clients look for them. */
  #refusal(key: string, id: string, token: string): object | undefined {
    if (key === "" || id === "" || token === "") return errorOf("No id, token, or key supplied to websocket server");
    if (key !== KEY) return errorOf("Invalid key provided");
    if (id.length > MAX_ID_LENGTH || !PEER_ID.test(id) || token.length > MAX_TOKEN_LENGTH) {
      return errorOf("Invalid id or token provided");
    }
    const holder = this.#find(id);
    if (holder !== undefined && attachmentOf(holder)?.token !== token) {
      return { type: "ID-TAKEN", payload: { msg: "ID is taken" } };
    }
    if (holder === undefined && this.#online().length >= MAX_PEERS) {
      return errorOf("Server has reached its concurrent user limit");
    }
    return undefined;
  }

  #welcome(socket: WebSocket, id: string, token: string): void {
    for (const old of this.ctx.getWebSockets(id)) replace(old);
    this.ctx.acceptWebSocket(socket, [id]);
    const attachment: Attachment = { id, token, seenMs: Date.now(), replaced: false };
    socket.serializeAttachment(attachment);
    socket.send('{"type":"OPEN"}');
    for (const signal of this.#queue.take(id)) socket.send(JSON.stringify(signal));
  }

  #forward(signal: Signal, length: number): void {
    const receiver = this.#find(signal.dst);
    if (receiver !== undefined) receiver.send(JSON.stringify(signal));
    else if (QUEUED.has(signal.type)) {
      const queued = this.#queue.push(signal, length, Date.now());
      if (queued) this.ctx.waitUntil(this.#setAlarm());
      else this.#tellExpired(signal.src, signal.dst);
    }
  }

  #tellExpired(src: string, dst: string): void {
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
    const ids = new Set<string>();
    for (const socket of this.ctx.getWebSockets()) {
      const attachment = attachmentOf(socket);
      if (attachment !== undefined && this.#lives(socket)) ids.add(attachment.id);
    }
    return [...ids];
  }

  #lives(socket: WebSocket): boolean {
    const attachment = attachmentOf(socket);
    if (attachment === undefined || attachment.replaced || socket.readyState !== WebSocket.OPEN) return false;
    const pingedMs = this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;
    return Date.now() - Math.max(pingedMs, attachment.seenMs) < DEAD_AFTER_MS;
  }
}

const CORS: Record<string, string> = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST, OPTIONS",
  "access-control-allow-headers": "content-type",
  "access-control-max-age": "86400",
};

function answer(status: number, body: object): Response {
  return Response.json(body, { status, headers: { ...CORS, "cache-control": "no-store" } });
}

function attachmentOf(socket: WebSocket): Attachment | undefined {
  return (socket.deserializeAttachment() as Attachment | null) ?? undefined;
}

function replace(socket: WebSocket): void {
  const attachment = attachmentOf(socket);
  if (attachment === undefined || attachment.replaced) return;
  socket.serializeAttachment({ ...attachment, replaced: true });
  socket.close(1000, "replaced");
}

function refuse(socket: WebSocket, msg: string): void {
  socket.send(JSON.stringify(errorOf(msg)));
  socket.close(1008, msg);
}

function errorOf(msg: string): object {
  return { type: "ERROR", payload: { msg } };
}

interface Message {
  readonly type: string;
  /** Empty when there is none. */
  readonly dst: string;
  readonly payload: unknown;
  readonly length: number;
}

function parseMessage(message: string | ArrayBuffer): Message | undefined {
  if (typeof message !== "string" || message.length > MAX_MESSAGE_LENGTH) return undefined;
  const parsed = parseObject(message);
  if (parsed === undefined) return undefined;
  const { type, dst = "", payload } = parsed;
  if (typeof type !== "string" || typeof dst !== "string" || dst.length > MAX_ID_LENGTH) return undefined;
  return { type, dst, payload, length: message.length };
}

function parseClaim(text: string | undefined): { readonly cluster: string; readonly member: string } | undefined {
  const parsed = text === undefined ? undefined : parseObject(text);
  if (parsed === undefined) return undefined;
  const { cluster, member = "" } = parsed;
  if (!isId(cluster) || (member !== "" && !isId(member))) return undefined;
  return { cluster, member };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[1-9][0-9]{0,19}$/.test(value) && BigInt(value) < 1n << 64n;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined when there is more of it than any of our requests has. */
async function boundedText(request: Request): Promise<string | undefined> {
  const length = Number(request.headers.get("content-length") ?? "0");
  if (length > MAX_BODY_BYTES) return undefined;
  const text = await request.text();
  return text.length > MAX_BODY_BYTES ? undefined : text;
}
