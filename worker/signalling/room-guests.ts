/**
 * Who may meet the members of a closed room without its key: holders of invitations. The members tell the registry who they
 * are, because their log decides that; it stores hashes of what guests show. A guest may ask who is online and connect to
 * signalling, and no more: it cannot claim the room, forget it, or change this list.
 */
import type { AccessRefusal } from "./room-access.ts";

export interface RoomGuest {
  /** SHA-256 of what it shows, in hexadecimal digits. */
  readonly hash: string;
  /** Milliseconds since 1970 until which a newcomer may come; undefined: without end, for members that came by it. */
  readonly untilMs?: number;
  /** Why nobody comes by this invitation any more. */
  readonly over?: "used" | "revoked";
}

export interface RoomGuests {
  /** Of the list, by whoever made it: it tells whether another one is needed. */
  readonly version: string;
  readonly guests: readonly RoomGuest[];
}

const GUESTS_MAX = 256;
const HASH = /^[0-9a-f]{64}$/;

export function guestRefusal(
  guests: readonly RoomGuest[],
  shown: string,
  nowMs: number,
): AccessRefusal | "admitted" | undefined {
  const guest = guests.find(({ hash }) => hash === shown);
  if (guest === undefined) return undefined;
  if (guest.over !== undefined) return guest.over === "used" ? "invitation-used" : "invitation-revoked";
  return guest.untilMs !== undefined && guest.untilMs <= nowMs ? "invitation-expired" : "admitted";
}

/** Returns undefined for what is no list. */
export function parseGuests(body: Record<string, unknown> | undefined): RoomGuests | undefined {
  const { version, guests } = body ?? {};
  if (typeof version !== "string" || version.length > 64 || !Array.isArray(guests)) return undefined;
  if (guests.length > GUESTS_MAX) return undefined;
  const parsed = guests.map(parseGuest);
  return parsed.every((guest) => guest !== undefined) ? { version, guests: parsed } : undefined;
}

function parseGuest(value: unknown): RoomGuest | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { hash, untilMs, over }: { hash?: unknown; untilMs?: unknown; over?: unknown } = value;
  if (typeof hash !== "string" || !HASH.test(hash)) return undefined;
  if (over === "used" || over === "revoked") return { hash, over };
  if (over !== undefined) return undefined;
  if (untilMs === undefined) return { hash };
  return typeof untilMs === "number" && Number.isSafeInteger(untilMs) ? { hash, untilMs } : undefined;
}
