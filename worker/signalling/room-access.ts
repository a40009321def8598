/**
 * Access to a room. The first claim decides. With a key the room is closed, and responds to callers without that key
 * with an error only. With `open` any caller that knows the name may do everything. The choice holds from the
 * confirmation of the claim on, even after the claim is forgotten: a caller without access can neither remove a key nor
 * add one.
 *
 *     free ── claim with a key ──► closed      free ── claim as open ──► open
 *
 * The key is derived from the room's secret (src/transport/room-secret.ts). Only its SHA-256 is stored here, so access
 * to this storage does not reveal the key.
 */
import { equalSecrets, latin1ToBytes } from "../../src/base/bytes.ts";
import { Sha256 } from "../../src/base/sha256.ts";
import { toHex } from "../../src/base/text-codes.ts";
import { type RoomClaim, isClaimFresh } from "./room-claims.ts";

/** The choice of a claim, as it is stored. */
export interface StoredAccess {
  /** Undefined for an open room. */
  readonly keyHash: string | undefined;
  /** True once the claim was confirmed. */
  readonly fixed: boolean;
}

export type Access =
  | { readonly type: "free" }
  | { readonly type: "open" }
  | { readonly type: "closed"; readonly keyHash: string };

/** Why a request is rejected. src/transport/room.ts reads these codes. */
export type AccessRefusal =
  | "key-needed"
  | "key-wrong"
  | "room-open"
  | "invitation-expired"
  | "invitation-used"
  | "invitation-revoked";

const FREE: Access = { type: "free" };
const OPEN: Access = { type: "open" };
const BEARER = /^Bearer +([\w~+/.=-]{1,256})$/i;

/** An entry without a choice was written by an earlier version, which had none: such a room is open. */
export function accessOf(stored: StoredAccess | undefined, founding: RoomClaim | undefined, nowMs: number): Access {
  const stands = stored?.fixed === true || founding?.confirmed === true;
  if (!stands && (founding === undefined || !isClaimFresh(founding, nowMs))) return FREE;
  return stored?.keyHash === undefined ? OPEN : { type: "closed", keyHash: stored.keyHash };
}

/** `shown` is the hash of the key in the request. Returns undefined if the request is admitted. */
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

/** Returns the hash of the key in `Authorization: Bearer …`. A header of any other form counts as a wrong key. */
export function shownKeyHash(headers: Headers): string | undefined {
  const header = headers.get("authorization");
  if (header === null) return undefined;
  return keyHashOf(BEARER.exec(header)?.[1] ?? "");
}

function keyHashOf(key: string): string {
  return toHex(new Sha256().update(latin1ToBytes(key)).digest());
}
