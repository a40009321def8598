/**
 * KV.RangeStream made of ranges: the first page tells the revision, the others are read at it. Each page asks for as
 * many pairs as should fit, by the size of those before; header, `more` and `count` stand in the last part only.
 */
import { keyAfter } from "../mvcc/key-range.ts";
import { checkRangeStream } from "../mvcc/range-chunks.ts";
import { checkRange } from "../mvcc/validate.ts";
import { responseHeader } from "../protocol/header.ts";
import { rangeResponse } from "../protocol/kv.ts";
import type { KeyValue, RangeRequest, RangeResponse, RangeStreamResponse } from "../protocol/kv.ts";
import type { CallContext, KvService } from "../member/services.ts";
import type { Source } from "./streams.ts";

const FIRST_PAGE_KEYS = 10;
const PAGE_BYTES = 256 * 1024;
const PAIR_OVERHEAD_BYTES = 64;

export function rangeSource(kv: KvService, request: RangeRequest, context: CallContext): Source<RangeStreamResponse> {
  checkRange(request);
  checkRangeStream(request);
  const parts = pages(kv, request, context);
  let isClosed = false;
  return {
    async next() {
      const part = await parts.next();
      return part.done === true || isClosed ? undefined : { rangeResponse: part.value };
    },
    close() {
      isClosed = true;
    },
  };
}

async function* pages(kv: KvService, request: RangeRequest, context: CallContext): AsyncGenerator<RangeResponse> {
  if (request.rangeEnd.length === 0 || request.countOnly) {
    yield await kv.range(request, context);
    return;
  }
  const limit = request.limit > 0 ? request.limit : Infinity;
  let pageKeys = Math.min(FIRST_PAGE_KEYS, limit);
  let page = await kv.range({ ...request, limit: pageKeys }, context);
  const { header, count } = page;
  const revision = request.revision > 0 ? request.revision : header.revision;
  let sent = page.kvs.length;
  for (;;) {
    const last = page.kvs.at(-1);
    if (last === undefined || sent >= Math.min(count, limit)) {
      yield { header, kvs: page.kvs, more: sent < count, count };
      return;
    }
    yield rangeResponse({ header: responseHeader(), kvs: page.kvs });
    pageKeys = Math.min(nextPageKeys(page.kvs, pageKeys), limit - sent);
    page = await kv.range({ ...request, key: keyAfter(last.key), revision, limit: pageKeys }, context);
    sent += page.kvs.length;
  }
}

/** At most twice as many as before, and no more than fill a page if they are of the same size. */
function nextPageKeys(kvs: readonly KeyValue[], pageKeys: number): number {
  const bytes = kvs.reduce((sum, { key, value }) => sum + key.length + value.length + PAIR_OVERHEAD_BYTES, 0);
  return Math.max(1, Math.min(pageKeys * 2, Math.floor((PAGE_BYTES * kvs.length) / bytes)));
}
