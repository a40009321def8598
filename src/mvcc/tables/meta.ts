/** The few numbers of the store that no row contains, in the meta bucket under etcd's names. */
import { assert } from "../../base/assert.ts";
import { latin1ToBytes } from "../../base/bytes.ts";
import type { Bucket } from "./tables.ts";

/** The compact revision, logically in effect since the compaction was applied. */
export const SCHEDULED_COMPACT: Uint8Array = latin1ToBytes("scheduledCompactRev");
/** The revision up to which the rows have been removed too. */
export const FINISHED_COMPACT: Uint8Array = latin1ToBytes("finishedCompactRev");

const WORD = 0x1_0000_0000;

export function readRevision(meta: Bucket, key: Uint8Array): number | undefined {
  const bytes = meta.get(key);
  if (bytes === undefined) return undefined;
  assert(bytes.length === 8, "a revision is stored in eight bytes");
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return view.getUint32(0) * WORD + view.getUint32(4);
}

export function writeRevision(meta: Bucket, key: Uint8Array, revision: number): void {
  meta.set(key, revisionBytes(revision));
}

/** Eight bytes, big-endian, so that they sort as the numbers do. */
export function revisionBytes(revision: number): Uint8Array {
  assert(Number.isSafeInteger(revision) && revision >= 0, "a revision is a natural number below 2^53");
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(revision / WORD));
  view.setUint32(4, revision % WORD);
  return bytes;
}
