import { beforeAll, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import type { RangeRequest, RequestOp } from "../../../src/protocol/api/kv.ts";
import { CALL, Cluster } from "../support/cluster.ts";

const TOO_LARGE = /^grpc: trying to send message larger than max \(\d+ vs. 10000\)$/;
const ALL = { key: utf8Encode("a"), rangeEnd: utf8Encode("b") };

let cluster: Cluster;
let kv: Services["kv"];

beforeAll(async () => {
  cluster = await Cluster.founded(1, { limits: { responseBytes: 10_000 } });
  ({ kv } = (await cluster.elected()).services);
  for (let at = 10; at < 20; at++) {
    await cluster.settled(kv.put(putRequest({ key: utf8Encode(`a${at}`), value: new Uint8Array(1000) }), CALL));
  }
});

function range(set: Partial<RangeRequest>): Promise<unknown> {
  return cluster.settled(kv.range(rangeRequest({ ...ALL, ...set }), CALL));
}

function txn(...success: RequestOp[]): Promise<unknown> {
  return cluster.settled(kv.txn(txnRequest({ success }), CALL));
}

test("M7 a response above the limit is refused as gRPC refuses to send it, a sorted one by what is read", async () => {
  await expect(range({})).rejects.toThrow(TOO_LARGE);
  await expect(range({ limit: 1, sortOrder: "DESCEND", sortTarget: "MOD" })).rejects.toThrow(TOO_LARGE);
  await expect(range({ limit: 9 })).rejects.toThrow(TOO_LARGE);
});

test("pages, counts, keys only and streams of the same range are served", async () => {
  expect(await range({ limit: 8 })).toMatchObject({ count: 10, more: true });
  expect(await range({ countOnly: true })).toMatchObject({ count: 10 });
  expect(await range({ keysOnly: true })).toMatchObject({ count: 10 });
  const parts = kv.rangeStream(rangeRequest(ALL), CALL)[Symbol.asyncIterator]();
  let pairs = 0;
  for (let next = await cluster.settled(parts.next()); next.done !== true; next = await cluster.settled(parts.next())) {
    pairs += next.value.rangeResponse.kvs.length;
  }
  expect(pairs).toBe(10);
});

test("the ranges of a txn count together, and one that writes is refused before it is in the log", async () => {
  const half: RequestOp = { type: "range", range: rangeRequest({ ...ALL, limit: 5 }) };
  const put: RequestOp = { type: "put", put: putRequest({ key: utf8Encode("written") }) };
  await expect(txn(half)).resolves.toMatchObject({ succeeded: true });
  await expect(txn(half, half)).rejects.toThrow(TOO_LARGE);
  await expect(txn(put, half, half)).rejects.toThrow(TOO_LARGE);
  await expect(txn({ type: "txn", txn: txnRequest({ failure: [put, half, half] }) })).rejects.toThrow(TOO_LARGE);
  expect(await range({ key: utf8Encode("written"), rangeEnd: new Uint8Array() })).toMatchObject({ count: 0 });
});

test("M7 a delete that returns too much of what it deleted is refused, and without that it deletes", async () => {
  const all = (prevKv: boolean): Promise<unknown> => kv.deleteRange(deleteRangeRequest({ ...ALL, prevKv }), CALL);
  await expect(cluster.settled(all(true))).rejects.toThrow(TOO_LARGE);
  expect(await cluster.settled(all(false))).toMatchObject({ deleted: 10 });
});
