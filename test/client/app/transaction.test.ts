import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { ConflictError } from "../../../src/client/app/errors.ts";
import type { Transaction } from "../../../src/client/app/transaction.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";
import { clientOf } from "./kit.ts";

let served: ServedMember;
let client: ApplicationClient;

beforeAll(async () => {
  served = await serveMember();
});
afterAll(() => served.close());
beforeEach(async () => {
  client = clientOf(served);
  await client.kv.deleteRange("", { prefix: true });
});

async function valueOf(key: string): Promise<string | undefined> {
  const { kvs } = await client.kv.range(key);
  return kvs[0] === undefined ? undefined : client.toText(kvs[0].value);
}

describe("a transaction", () => {
  test("moves money between accounts without losing any, however many move at once", async () => {
    const accounts = ["a", "b", "c"];
    for (const account of accounts) await client.kv.put(account, "100");
    const move = (from: string, to: string): Promise<void> =>
      client.transaction(async (tx) => {
        const [left, right] = [Number(await tx.get(from)), Number(await tx.get(to))];
        tx.put(from, String(left - 1));
        tx.put(to, String(right + 1));
      });
    await Promise.all(
      Array.from({ length: 15 }, (_, at) => move(accounts[at % 3] ?? "", accounts[(at + 1) % 3] ?? "")),
    );
    const values = await Promise.all(accounts.map(valueOf));
    expect(values.map(Number)).toEqual([100, 100, 100]);
  });

  test("reads its own writes, and all else as of one revision", async () => {
    await client.kv.put("a", "1");
    await client.kv.put("b", "1");
    const seen = await client
      .transaction(
        async (tx) => {
          const a = await tx.get("a");
          // Another client writes both, between the two reads.
          await client.kv.txn().then(client.op.put("a", "2"), client.op.put("b", "2")).commit();
          const b = await tx.get("b");
          tx.put("own", "x");
          const own = await tx.get("own");
          tx.delete("own");
          return { a, b, own, gone: await tx.get("own") };
        },
        { attempts: 1 },
      )
      .catch((error: unknown) => error);
    // It wrote nothing that counts in the end but a delete, which is compared too: somebody came between.
    expect(seen).toBeInstanceOf(ConflictError);
    const read = await client.transaction(async (tx) => {
      const a = await tx.get("a");
      await client.kv.txn().then(client.op.put("a", "3"), client.op.put("b", "3")).commit();
      return [a, await tx.get("b")];
    });
    expect(read).toEqual(["2", "2"]);
  });

  test("is run again when a key that it only wrote was changed since its reads", async () => {
    await client.kv.put("read", "1");
    let runs = 0;
    await client.transaction(async (tx) => {
      runs += 1;
      await tx.get("read");
      if (runs === 1) await client.kv.put("written", "by somebody else");
      tx.put("written", "mine");
    });
    expect(runs).toBe(2);
    expect(await valueOf("written")).toBe("mine");
  });

  test("writes nothing when its function throws, and cannot be used after it is over", async () => {
    let kept: Transaction | undefined;
    await expect(
      client.transaction((tx) => {
        kept = tx;
        tx.put("a", "1");
        throw new Error("changed my mind");
      }),
    ).rejects.toThrow("changed my mind");
    expect(await valueOf("a")).toBeUndefined();
    await client.transaction((tx) => {
      kept = tx;
    });
    expect(() => kept?.put("a", "1")).toThrow("over");
  });
});
