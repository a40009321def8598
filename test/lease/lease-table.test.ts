import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToLatin1, latin1ToBytes } from "../../src/base/bytes.ts";
import { LeaseTable } from "../../src/lease/lease-table.ts";
import type { LeaseListener } from "../../src/lease/lease-table.ts";
import { MemoryTables } from "../../src/mvcc/tables/memory-tables.ts";
import { errLeaseExist, errLeaseNotFound, errLeaseTTLTooLarge } from "../../src/protocol/errors.ts";

const UNHEARD: LeaseListener = { granted: () => {}, revoked: () => {}, checkpointed: () => {} };

function fresh(listener = UNHEARD): LeaseTable {
  return new LeaseTable(new MemoryTables().bucket("lease"), listener);
}

function keysOf(table: LeaseTable, id: bigint): string[] {
  return table.keysOf(id).map(bytesToLatin1);
}

test("grants fail in etcd's order: no id, a TTL that is too large, an id in use", () => {
  const table = fresh();
  table.grant(1n, 5);
  expect(() => table.grant(0n, 9_000_000_001)).toThrow(errLeaseNotFound);
  expect(() => table.grant(1n, 9_000_000_001)).toThrow(errLeaseTTLTooLarge);
  expect(() => table.grant(1n, 5)).toThrow(errLeaseExist);
});

test("each lease has its own keys, whatever their bytes and whatever other leases exist", () => {
  const id = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
  const key = fc.uint8Array({ minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(-1n, 0n, 1n, 255n, 256n), key)), id, key, (attached, other, last) => {
      const table = fresh();
      const model = new Map<bigint, Set<string>>();
      for (const [lease, name] of [...attached, [other, last] as const]) {
        table.attach(lease, name);
        model.set(lease, (model.get(lease) ?? new Set()).add(bytesToLatin1(name)));
      }
      for (const [lease, names] of model) expect(keysOf(table, lease)).toEqual([...names].sort());
      table.detach(other, last);
      model.get(other)?.delete(bytesToLatin1(last));
      expect(keysOf(table, other)).toEqual([...(model.get(other) ?? [])].sort());
    }),
  );
});

test("leases are listed without their keys, and found again when the same rows are reopened", () => {
  const bucket = new MemoryTables().bucket("lease");
  const table = new LeaseTable(bucket, UNHEARD);
  for (const id of [3n, -1n, 2n]) {
    table.grant(id, 10);
    table.attach(id, latin1ToBytes("key"));
  }
  table.checkpoint({ id: 2n, remainingTtl: 4 });
  table.checkpoint({ id: 99n, remainingTtl: 4 });
  table.remove(3n);
  const seen: unknown[] = [];
  new LeaseTable(bucket, UNHEARD).scan((lease) => seen.push(lease) > 0);
  expect(seen).toEqual([
    { id: 2n, ttl: 10, remainingTtl: 4 },
    { id: -1n, ttl: 10, remainingTtl: 0 },
  ]);
});

test("its listener is notified of applied changes, and of no rejected one", () => {
  const notified: string[] = [];
  const table = fresh({
    granted: ({ id, ttl }) => notified.push(`granted ${id} ${ttl}`),
    revoked: (id) => notified.push(`revoked ${id}`),
    checkpointed: ({ id, remainingTtl }) => notified.push(`checkpointed ${id} ${remainingTtl}`),
  });
  table.grant(1n, 10);
  expect(() => table.grant(1n, 10)).toThrow(errLeaseExist);
  table.checkpoint({ id: 1n, remainingTtl: 5 });
  table.checkpoint({ id: 2n, remainingTtl: 5 });
  table.remove(1n);
  expect(notified).toEqual(["granted 1 10", "checkpointed 1 5", "revoked 1"]);
});
