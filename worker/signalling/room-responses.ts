/** What a room responds over HTTP: to web pages of any origin, and never from a cache. */
import type { AccessRefusal } from "./room-access.ts";

export const CORS: Record<string, string> = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST, OPTIONS",
  "access-control-allow-headers": "authorization, content-type",
  "access-control-max-age": "86400",
};

/** Clients read the codes; the texts are for human readers. */
export const REFUSALS: Readonly<Record<AccessRefusal, string>> = {
  "key-needed": "this room is closed: it answers only who shows its key",
  "key-wrong": "this room is closed, and that is not its key",
  "room-open": "this room is open: it has no key, and takes none",
  "invitation-expired": "this invitation has expired",
  "invitation-used": "this invitation is used up",
  "invitation-revoked": "this invitation was revoked",
};

export function respond(status: number, body: object, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json(body, { status, headers: { ...CORS, ...headers, "cache-control": "no-store" } });
}

export function tooMany(): Response {
  return respond(429, { error: "too many requests" }, { "retry-after": "60" });
}
