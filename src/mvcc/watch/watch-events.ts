/** Prepares events for a watcher: filters, previous pairs, their size on the wire, fragments. */
import type { Event, KeyValue } from "../../protocol/api/kv.ts";
import type { WatchResponse } from "../../protocol/api/watch.ts";
import { liveRow } from "../range/key-range.ts";
import { rowToKeyValue } from "../tables/messages.ts";
import type { ReadView } from "../range/read-view.ts";
import type { WatchShape } from "./watcher.ts";

/** Upper estimate of a response without events: header, ids and flags, in bytes. */
export const RESPONSE_BYTES = 64;

/** Returns the events as this shape wants them; the same array if nothing has to change. */
export function shapedEvents(view: ReadView, events: readonly Event[], shape: WatchShape): readonly Event[] {
  let shaped = events;
  if (shape.noPut) shaped = shaped.filter((event) => event.type !== "PUT");
  if (shape.noDelete) shaped = shaped.filter((event) => event.type !== "DELETE");
  return shape.prevKv ? shaped.map((event) => withPrevKv(view, event)) : shaped;
}

/** Returns the pair as it was one revision before; absent on a create, and if that revision has been compacted. */
function withPrevKv(view: ReadView, event: Event): Event {
  const { kv } = event;
  if (kv === undefined || event.prevKv !== undefined) return event;
  if (event.type === "PUT" && kv.createRevision === kv.modRevision) return event;
  const before = kv.modRevision - 1;
  if (before < view.compactRevision) return event;
  const row = liveRow(view.keys, kv.key, before);
  return row === undefined ? event : { type: event.type, kv, prevKv: rowToKeyValue(row) };
}

/** Returns the bytes of the events in a protobuf WatchResponse. */
export function eventsBytes(events: readonly Event[]): number {
  let bytes = 0;
  for (const event of events) bytes += eventBytes(event);
  return bytes;
}

function eventBytes(event: Event): number {
  let bytes = event.type === "PUT" ? 0 : 2;
  if (event.kv !== undefined) bytes += lengthDelimited(keyValueBytes(event.kv));
  if (event.prevKv !== undefined) bytes += lengthDelimited(keyValueBytes(event.prevKv));
  return lengthDelimited(bytes);
}

function keyValueBytes(kv: KeyValue): number {
  let bytes = intBytes(kv.createRevision) + intBytes(kv.modRevision) + intBytes(kv.version);
  if (kv.key.length > 0) bytes += lengthDelimited(kv.key.length);
  if (kv.value.length > 0) bytes += lengthDelimited(kv.value.length);
  // Estimated as large: a lease id is a random 63-bit number.
  return kv.lease === 0n ? bytes : bytes + 11;
}

function intBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

function lengthDelimited(length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/**
 * Splits the response into fragments below `fragmentBytes`, all but the last marked. Never cuts an event. Only for
 * watchers that asked for fragments, because others take every response for a whole revision.
 */
export function fragments(response: WatchResponse, fragmentBytes: number): readonly WatchResponse[] {
  const { events } = response;
  if (events.length < 2 || RESPONSE_BYTES + eventsBytes(events) < fragmentBytes) return [response];
  const parts: WatchResponse[] = [];
  let part: Event[] = [];
  let bytes = RESPONSE_BYTES;
  for (const event of events) {
    const size = eventBytes(event);
    if (part.length > 0 && bytes + size >= fragmentBytes) {
      parts.push({ ...response, events: part, fragment: true });
      part = [];
      bytes = RESPONSE_BYTES;
    }
    part.push(event);
    bytes += size;
  }
  parts.push({ ...response, events: part });
  return parts;
}
