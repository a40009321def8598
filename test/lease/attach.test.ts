import { expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import { MemoryTables } from "../../src/mvcc/tables/memory-tables.ts";
import { Store } from "../../src/mvcc/store.ts";
import { deleteRangeRequest, putRequest } from "../../src/protocol/api/kv.ts";

test("keys are attached and detached where their lease changes, and a put that leaves it as it is costs no row", () => {
  const notified: string[] = [];
  const store = new Store(new MemoryTables(), {
    exists: () => true,
    attach: (id, key) => notified.push(`+${id} ${utf8Decode(key)}`),
    detach: (id, key) => notified.push(`-${id} ${utf8Decode(key)}`),
  });
  const key = utf8Encode("a");
  const put = (lease: bigint, more = {}): void => void store.put(putRequest({ key, lease, ...more }));

  put(1n);
  put(1n);
  put(0n, { ignoreLease: true });
  put(2n);
  put(0n);
  put(0n);
  put(3n);
  store.deleteRange(deleteRangeRequest({ key }));
  put(3n);
  store.deleteKeys([key, utf8Encode("never there")]);

  expect(notified).toEqual(["+1 a", "-1 a", "+2 a", "-2 a", "+3 a", "-3 a", "+3 a", "-3 a"]);
});
