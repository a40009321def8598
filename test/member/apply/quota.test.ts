import { expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { Quota, putCost, quotaBytes, txnCost } from "../../../src/member/apply/quota.ts";
import { deleteRangeRequest, putRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import type { RequestOp } from "../../../src/protocol/api/kv.ts";

const put = (key: string, valueBytes: number): RequestOp => ({
  type: "put",
  put: putRequest({ key: utf8Encode(key), value: new Uint8Array(valueBytes) }),
});

test("M33 a put costs its bytes and 256, a txn its more expensive branch with all nested ones, the rest nothing", () => {
  expect(putCost(putRequest({ key: utf8Encode("abc"), value: new Uint8Array(10) }))).toBe(269);
  const nested: RequestOp = { type: "txn", txn: txnRequest({ failure: [put("k", 99)] }) };
  expect(txnCost(txnRequest({ success: [put("k", 1), put("l", 1)], failure: [nested] }))).toBe(516);
  expect(txnCost(txnRequest({ success: [nested] }))).toBe(356);
  const remove: RequestOp = { type: "deleteRange", deleteRange: deleteRangeRequest({ key: utf8Encode("k") }) };
  expect(txnCost(txnRequest({ success: [remove] }))).toBe(0);
});

test("M33 a request that would reach the quota is refused, a request without cost never", () => {
  let size = 900;
  const quota = new Quota(1_000, () => size);
  expect([quota.admits(99), quota.admits(100), quota.admits(0)]).toEqual([true, false, true]);
  size = 2_000;
  expect([quota.admits(1), quota.admits(0)]).toEqual([false, true]);
  expect(new Quota(-1, () => size).admits(1e9)).toBe(true);
  expect([quotaBytes(0), quotaBytes(-1), quotaBytes(5)]).toEqual([2 * 1024 ** 3, -1, 5]);
});

test("far from the quota the size is queried rarely, near it each time", () => {
  let asked = 0;
  let size = 0;
  const quota = new Quota(1_000_000, () => {
    asked += 1;
    return size;
  });
  for (let at = 0; at < 2_000; at++) {
    expect(quota.admits(100)).toBe(true);
    size += 200;
  }
  expect(asked).toBeLessThan(10);
  while (quota.admits(100)) size += 200;
  expect(size).toBeGreaterThan(999_000);
  asked = 0;
  for (let at = 0; at < 10; at++) quota.admits(100);
  expect(asked).toBe(10);
});

test("proposals of other members are noticed after some megabytes of own ones", () => {
  let size = 0;
  const quota = new Quota(1_000_000_000, () => size);
  expect(quota.admits(100)).toBe(true);
  size = 1_000_000_000;
  let admitted = 0;
  while (quota.admits(1_000)) admitted += 1_000;
  expect(admitted).toBeLessThan(5_000_000);
});
