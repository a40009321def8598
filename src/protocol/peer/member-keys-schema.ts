/** Whose key is whose in a room, as it is stored. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { always, bytes, id, message, repeated } from "../codec/schema.ts";
import type { Schema } from "../codec/schema.ts";

/** A member, and the fingerprint of its key. */
export interface MemberKey {
  readonly memberId: bigint;
  readonly key: Uint8Array;
}

export interface MemberKeys {
  readonly members: readonly MemberKey[];
  /** Fingerprints of the keys of removed members, the latest last. */
  readonly removed: readonly Uint8Array[];
}

export const memberKeySchema: Schema<MemberKey> = message<MemberKey>(
  "quorate.MemberKey",
  () => ({ memberId: 0n, key: EMPTY_BYTES }),
  { memberId: id(1, "member_id", "unsigned"), key: bytes(2, "key") },
);

export const memberKeysSchema: Schema<MemberKeys> = message<MemberKeys>(
  "quorate.MemberKeys",
  () => ({ members: [], removed: [] }),
  { members: repeated(always(1, "members", () => memberKeySchema)), removed: repeated(bytes(2, "removed")) },
);
