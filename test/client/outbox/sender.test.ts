import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toText } from "../../../src/client/common/convert.ts";
import { compare, op } from "../../../src/client/facade/txn.ts";
import { digestOf, markerText } from "../../../src/client/outbox/marker.ts";
import { changedRangeOf, OutboxLog } from "../../../src/client/outbox/outbox-log.ts";
import type { Step } from "../../../src/client/outbox/sender.ts";
import type { OutboxVerdict } from "../../../src/client/outbox/verdict.ts";
import { type Delivery, World } from "./model.ts";

let world: World;

beforeEach(async () => {
  world = await World.start();
});
afterEach(() => {
  world.stop();
});

async function verdicts(): Promise<readonly (OutboxVerdict | undefined)[]> {
  return (await world.store.read()).entries.map(({ verdict }) => verdict);
}

async function types(): Promise<readonly (string | undefined)[]> {
  return (await verdicts()).map((verdict) => verdict?.type);
}

async function valueOf(key: string): Promise<string | undefined> {
  const { kvs } = await world.client.kv.range(key);
  return kvs[0] === undefined ? undefined : toText(kvs[0].value);
}

function put(key: string, value: string): Promise<string> {
  return world.queue({ type: "put", key, value, options: {} });
}

/** Registered already, with the deliveries for what comes now. */
async function registered(...deliveries: readonly Delivery[]): Promise<Awaited<ReturnType<World["sender"]>>> {
  await put("first", "x");
  await world.settle();
  await world.store.commit((await world.store.read()).meta.version, { removed: [1] });
  // The first call of a sender looks at the marker.
  world.deliveries = (["delivered", ...deliveries] as const).values();
  return world.sender();
}

async function untilNotAgain(sender: { step(): Promise<Step> }): Promise<Step> {
  for (;;) {
    const step = await sender.step();
    if (step.type !== "again") return step;
  }
}

describe("order", () => {
  test("OB3 a write sees what those before it wrote, though they were queued together", async () => {
    await put("k", "a");
    await world.queue({
      type: "txn",
      options: { compare: [compare.value("k").equals("a")], success: [op.put("k", "b")] },
    });
    await world.queue({
      type: "txn",
      options: { compare: [compare.value("k").equals("a")], success: [op.put("k", "c")] },
    });
    await world.queue({ type: "delete", key: "k", options: { prefix: true } });
    await world.queue({ type: "put", key: "k", value: "new", options: { ifMatch: "0" } });
    await world.settle();
    expect(await types()).toEqual(["committed", "committed", "refused", "committed", "committed"]);
    expect(await valueOf("k")).toBe("new");
  });

  test("OB3 … also where it only compares what those before it wrote", async () => {
    await put("k", "a");
    const options = { compare: [compare.version("k").equals(0)], success: [op.put("other", "x")] };
    await world.queue({ type: "txn", options });
    await world.settle();
    expect(await types()).toEqual(["committed", "refused"]);
    expect(await valueOf("other")).toBeUndefined();
  });

  test("OB4 independent writes share a txn, and a refused one among them takes none with it", async () => {
    for (let at = 0; at < 100; at++) await put(`k/${at}`, "x");
    await world.client.kv.put("taken", "theirs");
    await world.queue({ type: "put", key: "taken", value: "mine", options: { ifMatch: "0" } });
    for (let at = 100; at < 120; at++) await put(`k/${at}`, "x");
    const before = (await world.client.kv.range("taken")).header.revision;
    await world.settle();
    const found = await verdicts();
    expect(found.filter((verdict) => verdict?.type === "committed")).toHaveLength(120);
    expect(found[100]).toMatchObject({ type: "refused", found: [{ value: new TextEncoder().encode("theirs") }] });
    const after = (await world.client.kv.range("taken")).header.revision;
    expect(after - before).toBeLessThan(20);
  });
});

describe("verdicts", () => {
  test("OB5 a write that nobody answers stays pending: an error of the network is no verdict", async () => {
    const sender = await registered("lost");
    await put("k", "x");
    expect(await untilNotAgain(sender)).toMatchObject({ type: "retry", reason: "the network is broken" });
    expect(await types()).toEqual([undefined]);
  });

  test("OB6 the found value of a refused write whose answer was lost is that of the moment", async () => {
    const sender = await registered("answer lost");
    await world.client.kv.put("k", "then");
    await world.queue({ type: "put", key: "k", value: "mine", options: { ifMatch: "0" } });
    expect((await untilNotAgain(sender)).type).toBe("retry");
    await world.client.kv.put("k", "now");
    await world.settle();
    expect(await verdicts()).toMatchObject([{ type: "refused", found: [{ value: new TextEncoder().encode("then") }] }]);
  });

  test("OB7 … and unknown, where that moment was compacted", async () => {
    const sender = await registered("answer lost");
    await world.client.kv.put("k", "then");
    await world.queue({ type: "put", key: "k", value: "mine", options: { ifMatch: "0" } });
    expect((await untilNotAgain(sender)).type).toBe("retry");
    await world.client.kv.compact((await world.client.kv.put("k", "now")).header.revision);
    await world.settle();
    expect(await verdicts()).toMatchObject([{ type: "refused", found: undefined }]);
  });

  test("OB8 a write that the cluster rejects is refused with its reason, and those behind it go on", async () => {
    await world.queue({ type: "put", key: "k", value: "x", options: { lease: "12345" } });
    await put("next", "x");
    await world.settle();
    expect(await verdicts()).toMatchObject([
      { type: "refused", reason: "etcdserver: requested lease not found" },
      { type: "committed" },
    ]);
    expect(await valueOf("k")).toBeUndefined();
  });

  test("OB9 what was never sent expires without asking anybody; what may have been executed, says so", async () => {
    const sender = await registered("answer lost", ...Array<Delivery>(50).fill("lost"));
    await world.queue({ type: "put", key: "sent", value: "x", options: { expiresIn: 1_000 } });
    await untilNotAgain(sender);
    await world.queue({ type: "put", key: "unsent", value: "x", options: { expiresIn: 1_000 } });
    world.now += 2_000;
    await untilNotAgain(sender);
    expect(await verdicts()).toMatchObject([undefined, { type: "expired", mayBeCommitted: false }]);
    await world.loseMarkers();
    await world.settle();
    expect(await verdicts()).toMatchObject([
      { type: "expired", mayBeCommitted: true },
      { type: "expired", mayBeCommitted: false },
    ]);
  });

  test("OB10 a write that was sent and has expired is committed if it was executed, and fenced off if not", async () => {
    const sender = await registered("answer lost");
    await world.queue({ type: "put", key: "a", value: "x", options: { expiresIn: 1_000 } });
    await untilNotAgain(sender);
    world.now += 2_000;
    await world.settle();
    await world.queue({ type: "put", key: "b", value: "x", options: { expiresIn: 1_000 } });
    world.deliveries = (["delivered", "late, answer lost"] as const).values();
    await untilNotAgain(await world.sender());
    world.now += 2_000;
    await untilNotAgain(await world.sender());
    await world.deliverLate();
    expect(await verdicts()).toMatchObject([{ type: "committed" }, { type: "expired", mayBeCommitted: false }]);
    expect([await valueOf("a"), await valueOf("b")]).toEqual(["x", undefined]);
  });

  test("OB11 a copied profile that finds another copy's marker says that it does not know", async () => {
    const sender = await registered("lost");
    await put("k", "x");
    await untilNotAgain(sender);
    const { identity } = (await world.store.read()).meta;
    await world.client.kv.put(identity?.key ?? "", markerText({ to: 2, decision: "committed", id: "of the copy" }));
    await put("next", "x");
    await world.settle();
    expect(await verdicts()).toMatchObject([{ type: "expired", mayBeCommitted: true }, { type: "committed" }]);
    expect(await valueOf("k")).toBeUndefined();
  });

  test("OB52 a marker that refuses several writes at once was written by somebody else, and the outbox goes on", async () => {
    const sender = await registered("answer lost");
    await put("a", "x");
    const last = await put("b", "x");
    await untilNotAgain(sender);
    const { identity, nextSeq } = (await world.store.read()).meta;
    const forged = markerText({ to: nextSeq - 1, decision: "refused", id: last });
    await world.client.kv.put(identity?.key ?? "", forged);
    await put("next", "x");
    await world.settle();
    const unknown = { type: "expired", mayBeCommitted: true };
    expect(await verdicts()).toMatchObject([unknown, unknown, { type: "committed" }]);
  });
});

describe("an old copy of the store", () => {
  test("OB54 believes no marker that decided other writes than those that are pending in it", async () => {
    await registered();
    const early = await put("a", "1");
    const late = await put("b", "2");
    const { identity } = (await world.store.read()).meta;
    await world.store.commit((await world.store.read()).meta.version, { sentTo: 3 });
    // The store that this one was copied from has refused the first one, and then committed the second alone.
    const of = digestOf([{ id: late }]);
    await world.client.kv.put(identity?.key ?? "", markerText({ to: 3, decision: "committed", id: late, of }));
    await world.settle();
    expect(await verdicts()).toEqual([
      { type: "expired", mayBeCommitted: true, reason: expect.stringContaining("another copy") },
      { type: "expired", mayBeCommitted: true, reason: expect.stringContaining("another copy") },
    ]);
    expect(digestOf([{ id: early }, { id: late }])).not.toBe(of);
  });

  test("OB54 … and sends nothing again under another key that the other copy has sent", async () => {
    await registered();
    await put("a", "1");
    const late = await put("b", "2");
    const { identity } = (await world.store.read()).meta;
    const of = digestOf([{ id: late }]);
    await world.client.kv.put(identity?.key ?? "", markerText({ to: 3, decision: "committed", id: late, of }));
    await world.settle();
    expect(await types()).toEqual(["expired", "expired"]);
    expect([await valueOf("a"), await valueOf("b")]).toEqual([undefined, undefined]);
  });

  test("OB54 … but a marker of an older build, which does not say what it decided, as before", async () => {
    await registered();
    await put("a", "1");
    const late = await put("b", "2");
    const { identity } = (await world.store.read()).meta;
    await world.store.commit((await world.store.read()).meta.version, { sentTo: 3 });
    await world.client.kv.put(identity?.key ?? "", markerText({ to: 3, decision: "committed", id: late }));
    await world.settle();
    expect(await types()).toEqual(["committed", "committed"]);
  });
});

test("OB55 a refused write names the revision at which its condition did not hold", async () => {
  await world.client.kv.put("k", "there");
  await world.queue({ type: "put", key: "k", value: "mine", options: { ifMatch: "0" } });
  await world.settle();
  const [verdict] = await verdicts();
  expect(verdict).toMatchObject({ type: "refused", revision: (await world.client.kv.range("k")).header.revision });
});

test("OB53 what is no range of entries is nothing that another tab has changed; a range ends where the entries do", async () => {
  for (const message of [
    undefined,
    null,
    1,
    "",
    {},
    { from: 0, to: 1 },
    { from: 2, to: 2 },
    { from: 1, to: Infinity },
  ]) {
    expect(changedRangeOf(message)).toBeUndefined();
  }
  await put("k", "x");
  const log = await OutboxLog.open(world.store);
  await log.refresh(changedRangeOf({ from: 1, to: Number.MAX_SAFE_INTEGER }) ?? { from: 1, to: 2 });
  expect([...log.entries]).toHaveLength(1);
});

describe("handlers", () => {
  test("OB12 an update is computed from the value that is there when it is sent", async () => {
    await world.queue({ type: "update", key: "n", handler: "add", options: { args: 2 } });
    await world.queue({ type: "update", key: "n", handler: "add", options: { args: 3 } });
    world.handlers.set("add", (current, { args }) =>
      String(Number(toText(current ?? new Uint8Array())) + Number(args)),
    );
    await world.client.kv.put("n", "10");
    await world.settle();
    expect(await valueOf("n")).toBe("15");
  });

  test("OB13 a write whose handler is missing waits, and those behind it; it says for what", async () => {
    const sender = await registered();
    await world.queue({ type: "update", key: "n", handler: "add", options: {} });
    await put("behind", "x");
    expect(await untilNotAgain(sender)).toMatchObject({
      type: "wait",
      reason: expect.stringContaining('"add"') as string,
    });
    expect(await types()).toEqual([undefined, undefined]);
    world.handlers.set("add", () => "1");
    expect((await untilNotAgain(sender)).type).toBe("idle");
    expect(await types()).toEqual(["committed", "committed"]);
  });

  test("OB14 a sent update whose handler is missing after a reload is known by its marker", async () => {
    world.handlers.set("add", () => "1");
    const sender = await registered("delivered", "answer lost");
    await world.queue({ type: "update", key: "n", handler: "add", options: {} });
    await untilNotAgain(sender);
    world.handlers.clear();
    await world.settle();
    expect(await types()).toEqual(["committed"]);
  });

  test("OB15 on a conflict the handler gets both values, and rebases or drops", async () => {
    world.handlers.set("merge", (current, { intended, args }) =>
      args === "drop" ? null : `${toText(current ?? new Uint8Array())}+${toText(intended ?? new Uint8Array())}`,
    );
    await world.client.kv.put("a", "theirs");
    await world.client.kv.put("b", "theirs");
    await world.queue({ type: "put", key: "a", value: "mine", options: { ifMatch: "0", onConflict: "merge" } });
    const options = { ifMatch: "0", onConflict: "merge", args: "drop" };
    await world.queue({ type: "put", key: "b", value: "mine", options });
    await world.settle();
    expect([await valueOf("a"), await valueOf("b")]).toEqual(["theirs+mine", "theirs"]);
    expect(await verdicts()).toMatchObject([
      { type: "committed" },
      { type: "refused", reason: 'the handler "merge" dropped the write' },
    ]);
  });

  test("OB16 a handler that throws gets its write refused with what it threw", async () => {
    world.handlers.set("bad", () => {
      throw new Error("a bug");
    });
    await world.queue({ type: "update", key: "n", handler: "bad", options: {} });
    await world.settle();
    expect(await verdicts()).toMatchObject([{ type: "refused", reason: 'the handler "bad" failed: a bug' }]);
  });
});
