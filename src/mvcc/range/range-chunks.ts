/**
 * Returns a range in chunks, for RangeStream and for responses too large to build at once. The first chunk pins the
 * revision. A compaction beyond it ends the stream with an error. Only the last chunk has header, `more` and `count`.
 */
import { assert } from "../../base/assert.ts";
import { EtcdError, GrpcCode, errCompacted } from "../../protocol/errors.ts";
import type { KeyValue, RangeRequest, RangeResponse } from "../../protocol/api/kv.ts";
import { countLive, keyAfter, keyRange } from "./key-range.ts";
import { headerAt, rowToKeyOnly, rowToKeyValue } from "../tables/messages.ts";
import { executeRange, readableRevision } from "./range.ts";
import type { ReadView } from "./read-view.ts";
import type { RevisionRow } from "../tables/tables.ts";

/** The first chunk is small, so that a reader has a result soon. */
const FIRST_CHUNK_KEYS = 10;
/** Upper estimate of the bytes of a pair on the wire besides its key and value. */
const PAIR_OVERHEAD_BYTES = 64;

export const errStreamSortOrder: EtcdError = new EtcdError(
  GrpcCode.Unimplemented,
  "RangeStream does not support custom sort orders",
);
export const errStreamFilters: EtcdError = new EtcdError(
  GrpcCode.Unimplemented,
  "RangeStream does not support revision filters",
);

/** Throws if the request cannot be streamed. */
export function checkRangeStream(request: RangeRequest): void {
  // Without an order a stream is in key order, whatever the target. The quirk of Range is not repeated here.
  const inKeyOrder = request.sortOrder === "ASCEND" && request.sortTarget === "KEY";
  if (request.sortOrder !== "NONE" && !inKeyOrder) throw errStreamSortOrder;
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  if (minModRevision !== 0 || maxModRevision !== 0 || minCreateRevision !== 0 || maxCreateRevision !== 0) {
    throw errStreamFilters;
  }
}

/** A chunk aims at a quarter of `maxBytes`. It never exceeds `maxBytes`, except by its last pair. */
export function* rangeChunks(
  view: ReadView,
  request: RangeRequest,
  maxBytes: number,
): Generator<RangeResponse, void, void> {
  checkRangeStream(request);
  const range = keyRange(request.key, request.rangeEnd);
  if (request.countOnly || range.type === "key") {
    yield executeRange(view, request);
    return;
  }
  const atRevision = readableRevision(view, request.revision);
  const header = headerAt(view.revision);
  const count = countLive(view.keys, range, atRevision);
  const toSend = request.limit > 0 ? Math.min(request.limit, count) : count;
  const toMessage = request.keysOnly ? rowToKeyOnly : rowToKeyValue;
  let start = range.start;
  let sent = 0;
  let maxKeys = FIRST_CHUNK_KEYS;
  do {
    if (atRevision < view.compactRevision) throw errCompacted;
    const kvs: KeyValue[] = [];
    let bytes = 0;
    view.keys.scan(start, range.end, atRevision, !request.keysOnly, (row) => {
      kvs.push(toMessage(row));
      bytes += pairBytes(row, request.keysOnly);
      return kvs.length < maxKeys && sent + kvs.length < toSend && bytes < maxBytes;
    });
    sent += kvs.length;
    const last = kvs[kvs.length - 1];
    assert(last !== undefined || toSend === 0, "the rows of a range stay while it is read");
    if (last === undefined || sent >= toSend) {
      yield { header, kvs, more: toSend < count, count };
      return;
    }
    start = keyAfter(last.key);
    maxKeys = nextChunkKeys(maxKeys, bytes, maxBytes / 4);
    yield { header: headerAt(0), kvs, more: false, count: 0 };
  } while (sent < toSend);
}

/** Adapts the limit as etcd does: towards chunks of about the target's size, without oscillating around it. */
function nextChunkKeys(keys: number, bytes: number, targetBytes: number): number {
  if (bytes < targetBytes / 2) return keys * 2;
  return bytes > targetBytes * 2 ? Math.max(1, Math.floor(keys / 2)) : keys;
}

function pairBytes(row: RevisionRow, keysOnly: boolean): number {
  return row.key.length + (keysOnly ? 0 : row.value.length) + PAIR_OVERHEAD_BYTES;
}
