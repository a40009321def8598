/**
 * What a tab requests from its room's signalling object besides signalling: who is online, and whose cluster this is.
 *
 * A tab that opens a room claims it. If the room was free, the tab creates the cluster, and confirms that once its
 * storage is durable. A tab that does not confirm in time loses the room to the next one that claims it. Otherwise it
 * joins.
 */
import type { MemberId } from "../protocol/peer/raft-message.ts";
import { memberOfPeerId } from "./peer-id.ts";

/** What the signalling server's registry says of a room. */
export interface RoomInfo {
  /** Free: not claimed. Open: any client that knows its name has full access. Closed: clients with its key do. */
  readonly access: "free" | "open" | "closed";
  /** Undefined if the room has no cluster yet. */
  readonly cluster: bigint | undefined;
  /** The member that created it. */
  readonly founder: MemberId | undefined;
  /** Whether that member's storage holds it. */
  readonly confirmed: boolean;
  /** The server's clock, in milliseconds since 1970; 0 without a cluster. */
  readonly sinceMs: number;
  /** The members that are online now, creator and caller included. */
  readonly members: readonly MemberId[];
  /** The objects of the room's cluster. Undefined: all its members are tabs. */
  readonly edge?: RoomEdge | undefined;
  /** Somebody who has the room's key, and is no member, asks the tabs to change who votes. */
  readonly wish?: "edge" | "mixed" | undefined;
  /** The version of the list of guests that the registry has; undefined if it has none. */
  readonly guests?: string | undefined;
}

/** Who comes by an invitation, as the registry knows it: by the hash of what it shows, in hexadecimal digits. */
export interface RoomGuest {
  readonly hash: string;
  /** Milliseconds since 1970 until which newcomers are let in. Undefined: without end. */
  readonly untilMs?: number;
  /** Why nobody is let in by it any more. */
  readonly over?: "used" | "revoked";
}

/** The members of a room's cluster that are objects at the server. */
export interface RoomEdge {
  /** Path of the cluster at the server: "/c/NAME/". */
  readonly path: string;
  /** In the order of their numbers, from 1. */
  readonly objects: readonly MemberId[];
}

export interface RoomClaim extends RoomInfo {
  /** True: create the cluster with the ids of the claim, then confirm. False: it exists, join. */
  readonly founded: boolean;
}

export interface RoomRegistry {
  claim(member: MemberId, cluster: bigint): Promise<RoomClaim>;
  /** False: another member owns the room by now. Drop the new cluster and join. */
  confirm(member: MemberId, cluster: bigint): Promise<boolean>;
  info(): Promise<RoomInfo>;
  peers(): Promise<readonly MemberId[]>;
  /**
   * Frees the room. A user must decide it, if the data of all members is lost. False: the room has another cluster by
   * now.
   */
  forget(cluster: bigint): Promise<boolean>;
  /**
   * Prepares an object that this cluster of tabs may add. Rejects if the room is not that cluster's any more. With `wish`, for
   * one that is no member: asks the tabs to add it.
   */
  prepareObjects(cluster: bigint, wish?: "edge" | "mixed"): Promise<RoomEdge>;
  /** Has the registry ask the room's objects who votes, and record that. */
  look(): Promise<RoomInfo>;
  /** Returns a token with which that peer may connect to signalling, once and soon. It replaces `token`. */
  ticket(peerId: string, token: string): Promise<string>;
  /** Replaces the list of those who may meet the members without the room's key. `version` identifies it. */
  setGuests(version: string, guests: readonly RoomGuest[]): Promise<void>;
}

/** What is sent to the registry: a key, or that the room is meant to be open. */
export type RoomCredential = { readonly type: "open" } | { readonly type: "key"; readonly key: string };

/** The part of `fetch` that is used. */
export type FetchLike = (
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string; signal: AbortSignal },
) => Promise<Response>;

/** The room could not be reached, or did not respond as a room does. */
export class RoomError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "RoomError";
  }
}

/**
 * Why a room denies access: it has a key and none or another one was sent; it has none; or the invitation is over, or was
 * never one.
 */
export type RoomRefusalCode = "key-needed" | "key-wrong" | "room-open" | InvitationRefusalCode;

/** Why nobody comes in by an invitation; also values of JOIN_REFUSALS. */
export type InvitationRefusalCode =
  | "invitation-unknown"
  | "invitation-expired"
  | "invitation-used"
  | "invitation-revoked";

const REFUSAL_WORDS: Readonly<Record<RoomRefusalCode, string>> = {
  "key-needed": "the room is closed, and no secret was shown",
  "key-wrong": "the room is closed by another secret",
  "room-open": "the room is open and has no secret",
  "invitation-unknown": "the room has no such invitation",
  "invitation-expired": "the invitation has expired",
  "invitation-used": "the invitation is used up",
  "invitation-revoked": "the invitation was revoked",
};

/** A retry cannot succeed. */
export class RoomRefusal extends RoomError {
  readonly code: RoomRefusalCode;

  constructor(code: RoomRefusalCode) {
    super(REFUSAL_WORDS[code]);
    this.name = "RoomRefusal";
    this.code = code;
  }
}

const REFUSALS: ReadonlySet<unknown> = new Set(Object.keys(REFUSAL_WORDS));
const ACCESSES: ReadonlySet<unknown> = new Set<RoomInfo["access"]>(["free", "open", "closed"]);
const MAX_TICKET_LENGTH = 128;
const MAX_REASON_LENGTH = 200;
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_PEERS = 1000;
const TIMEOUT_MS = 10_000;

/**
 * All methods reject only with RoomError. `baseUrl` is the URL below which `/peerjs/` is served. `shape` is that of a room
 * that is founded by a claim: with "edge" and "mixed" its cluster has objects, and every tab joins. "any" is "edge" where the
 * server can keep the room in an object, and else "tabs"; a server of an earlier version takes it for "tabs".
 */
export function roomRegistry(
  baseUrl: string,
  room: string,
  credential: RoomCredential,
  fetchLike: FetchLike,
  shape: "tabs" | "edge" | "mixed" | "any" = "tabs",
): RoomRegistry {
  const base = new URL(roomPath(room, baseUrl), baseUrl).href;
  const request = requester(fetchLike, credential);
  const ids = (member: MemberId, cluster: bigint): object => ({ member: `${member}`, cluster: `${cluster}` });
  const open = { ...(credential.type === "open" ? { open: true } : {}), ...(shape === "tabs" ? {} : { shape }) };
  return {
    claim: async (member, cluster) => {
      const body = await request(`${base}found`, { ...ids(member, cluster), ...open });
      return { ...parseInfo(body), founded: parseBoolean(body, "founded") };
    },
    confirm: async (member, cluster) =>
      parseBoolean(await request(`${base}founded`, ids(member, cluster)), "confirmed"),
    info: async () => parseInfo(await request(`${base}room`)),
    peers: async () => parsePeers(await request(`${base}peerjs/peers`)),
    forget: async (cluster) => parseBoolean(await request(`${base}forget`, { cluster: `${cluster}` }), "forgotten"),
    prepareObjects: async (cluster, wish) => {
      const wished = wish === undefined ? {} : { shape: wish };
      const { edge } = parseInfo(await request(`${base}objects`, { cluster: `${cluster}`, ...wished }));
      if (edge === undefined) throw new RoomError("the room has another cluster by now");
      return edge;
    },
    look: async () => parseInfo(await request(`${base}shape`, {})),
    ticket: async (id, token) => parseTicket(await request(`${base}ticket`, { id, token })),
    setGuests: async (version, guests) => {
      await request(`${base}guests`, { version, guests });
    },
  };
}

/** Returns the path of a room's signalling on its server; also PeerJS's option `path`. */
export function roomPath(room: string, baseUrl: string): string {
  const below = new URL(baseUrl).pathname.replace(/\/$/, "");
  return `${below}${room === "" ? "/peerjs/" : `/peerjs/room/${encodeURIComponent(room)}/`}`;
}

type Request = (url: string, body?: object) => Promise<unknown>;

function requester(fetchLike: FetchLike, credential: RoomCredential): Request {
  const key: Record<string, string> = credential.type === "key" ? { authorization: `Bearer ${credential.key}` } : {};
  return async (url, body) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    try {
      const init =
        body === undefined
          ? { method: "GET", headers: key }
          : { method: "POST", headers: { ...key, "content-type": "application/json" }, body: JSON.stringify(body) };
      const response = await fetchLike(url, { ...init, signal });
      const text = await boundedText(response);
      const parsed = parsedOf(text);
      // 409 is a valid response if it describes the room: the claim was lost.
      const isLost = response.status === 409 && isAccess(parsed["access"]);
      if (!response.ok && !isLost) throw refusalOf(response.status, parsed);
      return parsed;
    } catch (error) {
      if (error instanceof RoomError) throw error;
      throw new RoomError(`the room could not be asked: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
}

function refusalOf(status: number, { code, error }: Record<string, unknown>): RoomError {
  if ((status === 401 || status === 403) && isRefusalCode(code)) return new RoomRefusal(code);
  const why = typeof error === "string" ? `: ${error.slice(0, MAX_REASON_LENGTH)}` : "";
  return new RoomError(`the room answered ${status}${why}`);
}

/** What stands between this page and the server may answer with a page of its own. */
function parsedOf(text: string): Record<string, unknown> {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return {};
  }
}

/** Of what a member says. */
export function isInvitationRefusal(code: string | undefined): code is InvitationRefusalCode {
  return code?.startsWith("invitation-") === true && isRefusalCode(code);
}

function isRefusalCode(code: unknown): code is RoomRefusalCode {
  return REFUSALS.has(code);
}

async function boundedText(response: Response): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.length;
    if (bytes > MAX_ANSWER_BYTES) {
      await reader.cancel();
      throw new RoomError("the room's answer is too long");
    }
    text += decoder.decode(value, { stream: true });
  }
}

function parseInfo(body: unknown): RoomInfo {
  const { access, cluster, member, confirmed, since, peers, edge, guests, wish } = fieldsOf(body);
  if (!isAccess(access)) throw new RoomError("the room's answer is not one");
  const members = parsePeers(peers);
  if (cluster === null) {
    return { access, cluster: undefined, founder: undefined, confirmed: false, sinceMs: 0, members };
  }
  if (typeof confirmed !== "boolean" || typeof since !== "number") throw new RoomError("the room's answer is not one");
  const ids = { cluster: parseId(cluster), founder: parseId(member) };
  const info: RoomInfo = {
    access,
    ...ids,
    confirmed,
    sinceMs: since,
    members,
    ...(typeof guests === "string" ? { guests } : {}),
    ...(wish === "edge" || wish === "mixed" ? { wish } : {}),
  };
  return edge === undefined ? info : { ...info, edge: parseEdge(edge) };
}

const EDGE_PATH = /^\/c\/[A-Za-z0-9][A-Za-z0-9._-]{0,62}\/$/;
const MAX_OBJECTS = 5;

/** Also of what a browser has stored of it. Throws RoomError. */
export function parseEdge(value: unknown): RoomEdge {
  const { path, objects } = fieldsOf(value);
  const isEdge = typeof path === "string" && EDGE_PATH.test(path) && Array.isArray(objects);
  if (!isEdge || objects.length < 1 || objects.length > MAX_OBJECTS) throw new RoomError("the room named no objects");
  return { path, objects: objects.map(parseId) };
}

function isAccess(access: unknown): access is RoomInfo["access"] {
  return ACCESSES.has(access);
}

function parseTicket(body: unknown): string {
  const { ticket } = fieldsOf(body);
  if (typeof ticket !== "string" || ticket.length > MAX_TICKET_LENGTH) throw new RoomError("the room gave no ticket");
  return ticket;
}

function parseBoolean(body: unknown, name: string): boolean {
  const value = fieldsOf(body)[name];
  if (typeof value !== "boolean") throw new RoomError("the room's answer is not one");
  return value;
}

/** Skips peers that are not members, such as a plain PeerJS client in the same room. */
function parsePeers(value: unknown): readonly MemberId[] {
  if (!Array.isArray(value) || value.length > MAX_PEERS) throw new RoomError("the room's answer is not one");
  const peers: readonly unknown[] = value;
  return peers.flatMap((peer) => {
    if (typeof peer !== "string") throw new RoomError("the room's answer is not one");
    const member = memberOfPeerId(peer);
    return member === undefined ? [] : [member];
  });
}

function parseId(value: unknown): bigint {
  if (typeof value !== "string" || !/^[1-9][0-9]{0,19}$/.test(value)) throw new RoomError("the room named no id");
  const id = BigInt(value);
  if (id >= 1n << 64n) throw new RoomError("the room named an id of more than 64 bits");
  return id;
}

function fieldsOf(body: unknown): Record<string, unknown> {
  if (typeof body !== "object" || body === null) throw new RoomError("the room's answer is not one");
  return body as Record<string, unknown>;
}
