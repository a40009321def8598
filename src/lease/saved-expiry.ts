/**
 * What a leader writes down for itself before it goes to sleep: when each lease ends, and the newest entry of its log.
 *
 * It may be thrown out of memory while it sleeps, and would otherwise give every lease its whole time again whenever it
 * wakes up, so that one that nobody renews would never end. The note holds for a leader before whose first entry stands
 * the entry that the note names: then nobody else led in between, and nobody else can have renewed. A renewal by the
 * same leader leaves no trace in the log, so the note is taken back before the first one.
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

/** A value of a Durable Object's storage ends at 2 MB. */
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

/** undefined when it is no note. */
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
