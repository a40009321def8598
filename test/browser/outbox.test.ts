/** The outbox on a real IndexedDB, with real locks and channels between its tabs, on a real member in this page. */
import { openDB } from "idb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { applicationClient, type ApplicationClient } from "../../src/client/app/application-client.ts";
import { Connection } from "../../src/client/app/connection.ts";
import { createClient } from "../../src/client/client.ts";
import { SYSTEM_BACKOFF } from "../../src/client/common/backoff.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import { startMember } from "../client/support/own-member.ts";

let member: Awaited<ReturnType<typeof startMember>>;
let place: string;
let isReachable: boolean;
let txns: number;
const tabs: ApplicationClient[] = [];
const DAMAGES = [
  { write: undefined },
  { write: { type: "txn", compare: [], operations: "none" } },
  { write: { type: "txn", compare: [], operations: [{ type: "put" }] } },
  { write: { type: "txn", compare: [{ key: "k" }], operations: [] } },
  { write: { type: "update", key: "k" } },
  { id: 7 },
  { sizeBytes: -1 },
  { expiresAt: "never" },
  { verdict: { type: "maybe" } },
];

beforeEach(async () => {
  member = await startMember();
  place = crypto.randomUUID();
  isReachable = true;
  txns = 0;
});
afterEach(() => {
  for (const tab of tabs.splice(0)) void tab.close();
  member.member.stop();
  indexedDB.deleteDatabase(`quorate/outbox/${place}`);
});

/** As in a tab of its own: it shares nothing with the others but the browser. */
function newTab(): ApplicationClient {
  const { services } = member;
  const { kv } = services;
  const txn: typeof kv.txn = async (request, context) => {
    if (!isReachable) throw new EtcdError(GrpcCode.Unavailable, "nobody answers");
    txns += 1;
    return kv.txn(request, context);
  };
  const connection = new Connection();
  const tab = applicationClient(createClient({ ...services, kv: { ...kv, txn } }), {
    backoff: SYSTEM_BACKOFF,
    connection,
    place,
  });
  tabs.push(tab);
  return tab;
}

async function eventually(holds: () => void | Promise<void>): Promise<void> {
  await vi.waitFor(holds, { timeout: 60_000, interval: 10 });
}

async function textOf(tab: ApplicationClient, key: string): Promise<string | undefined> {
  const { kvs } = await tab.kv.range(key);
  return kvs[0] === undefined ? undefined : tab.toText(kvs[0].value);
}

describe("the outbox of a browser", () => {
  test("OB40 a queued write is there after the tab is gone, and the next tab sends it", async () => {
    isReachable = false;
    const former = newTab();
    await former.outbox.put("k", "v", { ifMatch: "0" }).stored;
    void former.close();
    isReachable = true;
    const next = newTab();
    next.outbox.subscribe(() => {});
    await eventually(() => expect(next.outbox.entries.map(({ verdict }) => verdict?.type)).toEqual(["committed"]));
    expect(await textOf(next, "k")).toBe("v");
  });

  test("OB41 tabs share one outbox: one sends, the others see what they and it have queued, and the verdicts", async () => {
    const [first, second] = [newTab(), newTab()];
    await first.outbox.put("a", "1").verdict;
    const write = second.outbox.put("b", "2");
    await eventually(() => expect(second.outbox.getSnapshot().state).toBe("elsewhere"));
    expect((await write.verdict).type).toBe("committed");
    await eventually(() =>
      expect(first.outbox.entries.map(({ verdict }) => verdict?.type)).toEqual(["committed", "committed"]),
    );
    await eventually(() => expect(second.outbox.entries).toHaveLength(2));
    // The sender goes, and the other takes over.
    isReachable = false;
    const left = second.outbox.put("c", "3");
    await left.stored;
    isReachable = true;
    void first.close();
    expect((await left.verdict).type).toBe("committed");
  });

  test("OB42 writes of two tabs at once are each executed once, and each tab gets its verdicts", async () => {
    const both = [newTab(), newTab()] as const;
    const writes = both.flatMap((tab, at) =>
      Array.from({ length: 300 }, (_, number) => tab.outbox.put(`${at}/${number}`, "x")),
    );
    const verdicts = await Promise.all(writes.map(({ verdict }) => verdict));
    expect(verdicts.every(({ type }) => type === "committed")).toBe(true);
    for (const at of both.keys()) {
      const { kvs } = await both[0].kv.range(`${at}/`, { prefix: true });
      expect(kvs.map(({ version }) => version)).toEqual(Array(300).fill(1));
    }
  });

  test("OB43 without Web Locks both send, and still each write is executed once", async () => {
    const locks = Object.getOwnPropertyDescriptor(Navigator.prototype, "locks");
    Object.defineProperty(Navigator.prototype, "locks", { configurable: true, value: undefined });
    try {
      const both = [newTab(), newTab()] as const;
      const writes = Array.from({ length: 200 }, (_, at) => both[at % 2 === 0 ? 0 : 1].outbox.put(`k/${at}`, "x"));
      await Promise.all(writes.map(({ verdict }) => verdict));
      const { kvs } = await both[0].kv.range("k/", { prefix: true });
      expect(kvs.map(({ version }) => version)).toEqual(Array(200).fill(1));
    } finally {
      Object.defineProperty(Navigator.prototype, "locks", locks ?? {});
    }
  });

  test("OB44 when its database is deleted it says so, and no handle hangs", async () => {
    isReachable = false;
    const tab = newTab();
    const write = tab.outbox.put("k", "v");
    await write.stored;
    await new Promise((resolve) => {
      indexedDB.deleteDatabase(`quorate/outbox/${place}`).onsuccess = resolve;
    });
    await expect(write.verdict).rejects.toThrow(/deleted or replaced/);
    expect(tab.outbox.getSnapshot()).toMatchObject({ state: "failed" });
    await expect(tab.outbox.put("k", "v").stored).rejects.toThrow(/deleted or replaced/);
  });

  test("OB46 a damaged write is set aside with a verdict, and the others are sent", async () => {
    isReachable = false;
    const former = newTab();
    const writes = Array.from({ length: DAMAGES.length * 2 + 1 }, (_, at) => former.outbox.put(`k/${at}`, "v"));
    await Promise.all(writes.map(({ stored }) => stored));
    void former.close();
    const database = await openDB(`quorate/outbox/${place}`);
    for (const [at, damage] of DAMAGES.entries()) {
      const seq = at * 2 + 2;
      const row = (await database.get("entries", seq)) as object;
      await database.put("entries", { ...row, ...damage, seq });
    }
    // A row that is none of ours.
    await database.put("entries", { seq: 1.5 });
    database.close();
    isReachable = true;
    const next = newTab();
    next.outbox.subscribe(() => {});
    await eventually(() => expect(next.outbox.getSnapshot()).toMatchObject({ state: "idle", pending: 0 }));
    const damaged = { type: "expired", mayBeCommitted: false, reason: expect.stringContaining("damaged") };
    const expected = writes.map((_, at) => (at % 2 === 1 ? damaged : { type: "committed" }));
    expect(next.outbox.entries.map(({ verdict }) => verdict)).toMatchObject(expected);
    expect((await next.kv.range("k/", { prefix: true })).count).toBe(DAMAGES.length + 1);
    await next.outbox.dismiss();
    await eventually(() => expect(next.outbox.entries).toEqual([]));
    await expect(next.outbox.put("more", "v").verdict).resolves.toMatchObject({ type: "committed" });
  });

  test.each([
    ["nextSeq near the largest number", { nextSeq: Number.MAX_SAFE_INTEGER }, "committed"],
    ["nextSeq that is none", { nextSeq: "3" }, "committed"],
    ["a count that is none", { count: Number.NaN }, "committed"],
    ["sentTo beyond what was queued", { sentTo: 2 ** 50 }, "committed"],
    ["an identity without a key", { identity: { marker: "x" }, sentTo: 2 }, "expired"],
  ])("OB47 metadata with %s is made anew from the writes that are there", async (_, damage, verdict) => {
    isReachable = false;
    const former = newTab();
    await Promise.all([former.outbox.put("k/1", "v").stored, former.outbox.put("k/2", "v").stored]);
    void former.close();
    const database = await openDB(`quorate/outbox/${place}`);
    await database.put("meta", { ...(await database.get("meta", "meta")), ...damage }, "meta");
    database.close();
    isReachable = true;
    const next = newTab();
    const third = next.outbox.put("k/3", "v");
    await expect(third.verdict).resolves.toMatchObject({ type: "committed" });
    // The marker tells what was sent; without its key nobody knows, and nothing is sent again.
    const types = [verdict, verdict, "committed"];
    await eventually(() => expect(next.outbox.entries.map((entry) => entry.verdict?.type)).toEqual(types));
  });

  test("OB45 ten thousand writes are sent in some eighty txns", async () => {
    const tab = newTab();
    isReachable = false;
    const writes = Array.from({ length: 10_000 }, (_, at) => tab.outbox.put(`k/${String(at).padStart(5, "0")}`, "x"));
    await Promise.all(writes.map(({ stored }) => stored));
    isReachable = true;
    await Promise.all(writes.map(({ verdict }) => verdict));
    const { count } = await tab.kv.range("k/", { prefix: true, countOnly: true });
    expect(count).toBe(10_000);
    expect(txns).toBeLessThan(100);
  });
});
