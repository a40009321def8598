import { expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { errStopped } from "../../../src/protocol/errors.ts";
import { putRequest, rangeRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import { CALL, Cluster } from "../support/cluster.ts";

const KEYS = 12_000;
const IN_TXN = 100;

async function filled(): Promise<{ readonly cluster: Cluster } & Awaited<ReturnType<Cluster["elected"]>>> {
  const cluster = await Cluster.founded(1);
  const leader = await cluster.elected();
  for (let from = 0; from < KEYS; from += IN_TXN) {
    const success = Array.from({ length: IN_TXN }, (_, at) => {
      const put = putRequest({ key: utf8Encode(`a${String(from + at).padStart(6, "0")}`) });
      return { type: "put", put } as const;
    });
    await cluster.settled(leader.services.kv.txn(txnRequest({ success }), CALL));
  }
  return { cluster, ...leader };
}

const ALL = rangeRequest({ key: utf8Encode("a"), rangeEnd: utf8Encode("b"), countOnly: true });

test("a count of many keys lets a put go first, and does not see it", async () => {
  const { cluster, services } = await filled();
  const order: string[] = [];
  const count = services.kv.range({ ...ALL, serializable: true }, CALL).finally(() => order.push("count"));
  const put = services.kv.put(putRequest({ key: utf8Encode("a") }), CALL).finally(() => order.push("put"));

  const [counted] = await cluster.settled(Promise.all([count, put]));
  expect(order).toEqual(["put", "count"]);
  expect(counted.count).toBe(KEYS);
});

test("a count fails when a snapshot replaces the rows between two of its steps", async () => {
  const { cluster, services, member, storage } = await filled();
  const count = services.kv.range({ ...ALL, serializable: true }, CALL);
  await Promise.resolve();
  member.machine.reopen(storage.tables);

  await expect(cluster.settled(count)).rejects.toBe(errStopped);
});
