import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { createClient } from "../../../src/client/client.ts";
import { op } from "../../../src/client/facade/txn.ts";
import { Live } from "../../../src/client/app/live.ts";
import type { LiveHost } from "../../../src/client/app/live-snapshot.ts";
import type { Namespace } from "../../../src/client/app/namespace.ts";
import { valueFormat } from "../../../src/client/app/schema.ts";
import { SYSTEM_BACKOFF } from "../../../src/client/common/backoff.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";
import { clientOf, eventually, keysOf } from "./kit.ts";

let served: ServedMember;
let client: ApplicationClient;
let numbers: Namespace<number>;
let live: Live<number>;

beforeEach(async () => {
  served = await serveMember();
  client = clientOf(served);
  numbers = client.namespace<number>("n/");
});
afterEach(async () => {
  live.close();
  void client.close();
  await served.close();
});

function valuesOf({ entries }: Live<number>): Record<string, number> {
  return Object.fromEntries([...entries].map(([key, { value }]) => [key, value]));
}

/** Breaks the watch and each one that follows, until the returned function is called. */
async function breakWatches(): Promise<() => void> {
  let isDown = true;
  served.intercept = (path, response) => {
    if (!isDown || !path.includes("watch")) return false;
    response.destroy();
    return true;
  };
  served.breakConnections();
  await eventually(() => expect(live.isStale).toBe(true));
  return () => {
    isDown = false;
  };
}

describe("a live namespace", () => {
  test("is what was listed, then follows puts and deletes, in snapshots of one revision that never change", async () => {
    await numbers.put("a", 1);
    live = numbers.live();
    expect(live.getSnapshot()).toMatchObject({ revision: 0, isStale: true });
    await live.ready;
    const first = live.getSnapshot();
    expect(valuesOf(live)).toEqual({ a: 1 });
    expect(first.isStale).toBe(false);
    const revisions: number[] = [];
    const stop = live.subscribe(() => revisions.push(live.revision));
    await numbers.put("b", 2);
    await numbers.delete("a");
    await eventually(() => expect(valuesOf(live)).toEqual({ b: 2 }));
    expect(keysOf(first.entries)).toEqual(["a"]);
    expect(revisions).toEqual(revisions.toSorted((left, right) => left - right));
    expect(live.getSnapshot()).toBe(live.getSnapshot());
    stop();
  });

  test("has its entries in the order of their keys: a changed one keeps its place, a new one gets its own", async () => {
    await numbers.put("b", 1);
    await numbers.put("d", 1);
    live = numbers.live();
    await live.ready;
    for (const key of ["c", "a", "b"]) await numbers.put(key, 2);
    await eventually(() => expect(live.get("b")?.value).toBe(2));
    expect([...live.entries.keys()]).toEqual(["a", "b", "c", "d"]);
  });

  test("shows the writes of one txn in one snapshot", async () => {
    live = numbers.live();
    await live.ready;
    const seen: string[] = [];
    live.subscribe(() => seen.push(JSON.stringify(valuesOf(live))));
    await client.kv.txn().then(client.op.put("n/a", "1"), client.op.put("n/b", "2")).commit();
    await eventually(() => expect(valuesOf(live)).toEqual({ a: 1, b: 2 }));
    expect(seen).not.toContain('{"a":1}');
    expect(seen).not.toContain('{"b":2}');
  });

  test("says that it is stale while the connection is broken, and misses nothing when it is back", async () => {
    live = numbers.live();
    await live.ready;
    await numbers.put("a", 1);
    await eventually(() => expect(valuesOf(live)).toEqual({ a: 1 }));
    const mend = await breakWatches();
    await numbers.put("b", 2);
    await numbers.delete("a");
    expect(valuesOf(live)).toEqual({ a: 1 });
    mend();
    await eventually(() => expect(valuesOf(live)).toEqual({ b: 2 }));
    expect(live.isStale).toBe(false);
  });

  test("begins its list again when its revision is compacted between two pages", async () => {
    const keys = Array.from({ length: 1_001 }, (_, at) => `n/${String(at).padStart(4, "0")}`);
    for (let at = 0; at < keys.length; at += 128) {
      await client.kv
        .txn()
        .then(...keys.slice(at, at + 128).map((key) => op.put(key, "1")))
        .commit();
    }
    const direct = createClient(served.services);
    let ranges = 0;
    served.intercept = async (path) => {
      if (path !== "/v3/kv/range" || ++ranges !== 2) return false;
      const { header } = await direct.kv.put("n/0000", "2");
      await direct.kv.compact(header.revision);
      return false;
    };
    live = numbers.live();
    await live.ready;
    expect(ranges).toBe(4);
    expect(live.entries.size).toBe(1_001);
    expect(live.get("0000")?.value).toBe(2);
    expect(live.getSnapshot().error).toBeUndefined();
  });

  test("reads the list again when what it missed was compacted", async () => {
    live = numbers.live();
    await live.ready;
    await numbers.put("a", 1);
    await eventually(() => expect(valuesOf(live)).toEqual({ a: 1 }));
    const mend = await breakWatches();
    await numbers.delete("a");
    const { revision } = await numbers.put("b", 2);
    await client.kv.compact(revision);
    mend();
    await eventually(() => expect(valuesOf(live)).toEqual({ b: 2 }));
    await numbers.put("c", 3);
    await eventually(() => expect(valuesOf(live)).toEqual({ b: 2, c: 3 }));
  });

  test("reports an invalid value with its key, and keeps the others up to date", async () => {
    live = numbers.live();
    await live.ready;
    await client.kv.put("n/bad", "{");
    await numbers.put("good", 1);
    await eventually(() => expect(valuesOf(live)).toEqual({ good: 1 }));
    expect(keysOf(live.getSnapshot().invalid)).toEqual(["bad"]);
    await numbers.put("bad", 2);
    await eventually(() => expect(valuesOf(live)).toEqual({ good: 1, bad: 2 }));
    expect(live.getSnapshot().invalid.size).toBe(0);
  });

  test("of a copy in this tab is stale while that catches up, also when changes arrive", async () => {
    let isBehind = true;
    const local = { ready: Promise.resolve(), isBehind: () => isBehind, subscribe: () => () => {} };
    const { signal: closed } = new AbortController();
    const { kv, watch } = client;
    const range: LiveHost["range"] = (key, options) => kv.range(key, options);
    live = new Live<number>(
      {
        local,
        range,
        watch,
        backoff: SYSTEM_BACKOFF,
        closed,
        parts: () => import("../../../src/client/app/live-follower.ts"),
      },
      "n/",
      async () => valueFormat<number>({}),
    );
    await live.ready;
    for (const value of [1, 2, 3]) {
      await numbers.put("a", value);
      await eventually(() => expect(valuesOf(live)).toEqual({ a: value }));
      expect(live.isStale).toBe(true);
    }
    isBehind = false;
    await numbers.put("a", 4);
    await eventually(() => expect(live.isStale).toBe(false));
    expect(valuesOf(live)).toEqual({ a: 4 });
  });

  test("is stale after close(), of itself and of the client, and keeps what it had", async () => {
    await numbers.put("a", 1);
    live = numbers.live();
    await live.ready;
    void client.close();
    await eventually(() => expect(live.isStale).toBe(true));
    expect(valuesOf(live)).toEqual({ a: 1 });
  });
});
