/**
 * Lease deadlines that a leader saves before it hibernates, with term and index of the newest entry of its log.
 *
 * The leader may be evicted from memory while it hibernates. Without the record, every wake-up would restart all leases
 * at full TTL, and a lease that no client renews would never expire. The record is valid only if the entry that it
 * names was the last one when the new leader began to lead: then no other member led in between, and none can have
 * renewed. A renewal by the same leader leaves no trace in the log, so the record is deleted before the first one.
 *
 *     term │ index │ time of writing │ id, end │ id, end │ …      eight bytes each
 */
import type { SavedDeadlines } from "./expiry.ts";

export interface SavedExpiry {
  readonly term: number;
  readonly index: number;
  readonly writtenMs: number;
  readonly ends: SavedDeadlines;
}

/** A value in the storage of a Durable Object is limited to 2 MB. */
export const SAVED_LEASES_MAX = 100_000;

const HEAD_BYTES = 24;
const LEASE_BYTES = 16;

export function encodeSavedExpiry(note: SavedExpiry): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HEAD_BYTES + note.ends.size * LEASE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setFloat64(0, note.term);
  view.setFloat64(8, note.index);
  view.setFloat64(16, note.writtenMs);
  let at = HEAD_BYTES;
  for (const [id, endMs] of note.ends) {
    view.setBigInt64(at, id);
    view.setFloat64(at + 8, endMs);
    at += LEASE_BYTES;
  }
  return bytes;
}

/** Returns undefined if the bytes are not a record. */
export function decodeSavedExpiry(bytes: Uint8Array): SavedExpiry | undefined {
  if (bytes.length < HEAD_BYTES || (bytes.length - HEAD_BYTES) % LEASE_BYTES !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const ends = new Map<bigint, number>();
  for (let at = HEAD_BYTES; at < bytes.length; at += LEASE_BYTES) {
    const endMs = view.getFloat64(at + 8);
    if (!Number.isFinite(endMs)) return undefined;
    ends.set(view.getBigInt64(at), endMs);
  }
  return { term: view.getFloat64(0), index: view.getFloat64(8), writtenMs: view.getFloat64(16), ends };
}
