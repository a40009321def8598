/**
 * Who may ask a room anything. The first claim decides: with a key the room is closed, and nobody is told or given
 * anything without that key; with `open` anybody who knows the name may do everything. What was decided stands from the
 * confirmation of that claim on, also when the founder is forgotten: a stranger can neither drop a key nor put one on.
 *
 *     free ── claim with a key ──► closed      free ── claim as open ──► open
 *
 * The key is derived from the room's secret (src/transport/room-secret.ts). Only its SHA-256 is kept here, so whoever
 * reads this storage cannot show the key.
 */
import { latin1ToBytes } from "../../src/base/bytes.ts";
import { equalSecrets } from "../../src/base/hmac-sha256.ts";
import { Sha256 } from "../../src/base/sha256.ts";
import { toHex } from "../../src/base/text-codes.ts";
import { type RoomClaim, isClaimFresh } from "./room-claims.ts";

/** What a claim chose, as it is stored. */
export interface StoredAccess {
  /** Undefined in an open room. */
  readonly keyHash: string | undefined;
  /** The claim was confirmed once. */
  readonly fixed: boolean;
}

export type Access =
  | { readonly type: "free" }
  | { readonly type: "open" }
  | { readonly type: "closed"; readonly keyHash: string };

/** Why a request is refused. The codes are read by src/transport/room.ts. */
export type AccessRefusal = "key-needed" | "key-wrong" | "room-open";

const FREE: Access = { type: "free" };
const OPEN: Access = { type: "open" };
const BEARER = /^Bearer +([\w~+/.=-]{1,256})$/i;

/** An entry without a choice was made by a version that had none: such a room is open. */
export function accessOf(stored: StoredAccess | undefined, founding: RoomClaim | undefined, nowMs: number): Access {
  const stands = stored?.fixed === true || founding?.confirmed === true;
  if (!stands && (founding === undefined || !isClaimFresh(founding, nowMs))) return FREE;
  return stored?.keyHash === undefined ? OPEN : { type: "closed", keyHash: stored.keyHash };
}

/** `shown` is the hash of the key that the request shows. Undefined: it may. */
export function accessRefusal(access: Access, shown: string | undefined): AccessRefusal | undefined {
  switch (access.type) {
    case "free":
      return undefined;
    case "open":
      return shown === undefined ? undefined : "room-open";
    case "closed":
      if (shown === undefined) return "key-needed";
      return equalSecrets(latin1ToBytes(shown), latin1ToBytes(access.keyHash)) ? undefined : "key-wrong";
  }
}

/** The hash of the key in `Authorization: Bearer …`; a header of any other form counts as a wrong key. */
export function shownKeyHash(headers: Headers): string | undefined {
  const header = headers.get("authorization");
  if (header === null) return undefined;
  return keyHashOf(BEARER.exec(header)?.[1] ?? "");
}

function keyHashOf(key: string): string {
  return toHex(new Sha256().update(latin1ToBytes(key)).digest());
}
