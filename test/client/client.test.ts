import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createClient, EtcdError, GrpcCode, toText } from "../../src/client/client.ts";
import type { Client } from "../../src/client/client.ts";
import { httpServices } from "../../src/client/http/http-services.ts";
import { compare, op } from "../../src/client/facade/txn.ts";
import { serveMember } from "./support/served-member.ts";
import type { ServedMember } from "./support/served-member.ts";

let served: ServedMember;

beforeAll(async () => {
  served = await serveMember();
});

afterAll(() => served.close());

const WAYS = {
  "a direct call": () => served.services,
  HTTP: () => httpServices({ endpoint: served.endpoint }),
  "HTTP with watches over WebSockets": () => {
    served.webSockets = "watches";
    return httpServices({ endpoint: served.endpoint, WebSocket });
  },
  "one WebSocket": () => {
    served.webSockets = "shared";
    return httpServices({ endpoint: served.endpoint, WebSocket });
  },
};

describe.each(Object.keys(WAYS) as (keyof typeof WAYS)[])("a client over %s", (way) => {
  let client: Client;

  beforeEach(async () => {
    client = createClient(WAYS[way]());
    // With it a shared socket is open, and the calls of the test are made over it.
    if (way === "one WebSocket") await client.watch("another key").created;
    await client.kv.deleteRange("", { prefix: true });
  });

  async function keys(key: string, options: Parameters<Client["kv"]["range"]>[1]): Promise<string[]> {
    return (await client.kv.range(key, options)).kvs.map((kv) => toText(kv.key));
  }

  async function putAll(...names: readonly string[]): Promise<void> {
    for (const name of names) await client.kv.put(name, `value of ${name}`);
  }

  test("text goes in as UTF-8 and comes out as bytes, with revisions as numbers and ids as decimal strings", async () => {
    const { header } = await client.kv.put("schlüssel", "wert ✓");
    const { kvs, count, more } = await client.kv.range("schlüssel");
    expect(kvs).toEqual([
      {
        key: new TextEncoder().encode("schlüssel"),
        value: new TextEncoder().encode("wert ✓"),
        createRevision: header.revision,
        modRevision: header.revision,
        version: 1,
        lease: "0",
      },
    ]);
    expect({ count, more }).toEqual({ count: 1, more: false });
    expect(header.clusterId).toBe(String(0xfedc_ba98_7654_3210n));
    expect(header.memberId).toBe(String(0xffff_0000_0000_0001n));
  });

  test("a snapshot is yielded in parts, which form a database and its hash", async () => {
    await putAll("a", "b");
    const parts: Uint8Array[] = [];
    for await (const part of client.maintenance.snapshot()) parts.push(part);
    const file = Buffer.concat(parts);
    const hash = createHash("sha256").update(file.subarray(0, -32)).digest();
    expect(file.subarray(-32).equals(hash)).toBe(true);
  });

  test("moveLeader to the leader succeeds, to an unknown member it fails", async () => {
    const { leader } = await client.status();
    await client.maintenance.moveLeader(leader);
    await expect(client.maintenance.moveLeader("12")).rejects.toThrow("etcdserver: bad leader transferee");
  });

  test("bytes that are no text go in and come out unchanged", async () => {
    const key = new Uint8Array([0, 0xff, 0x80]);
    const value = new Uint8Array([0xc3, 0x28, 0]);
    await client.kv.put(key, value);
    const { kvs } = await client.kv.range(key);
    expect(kvs[0]).toMatchObject({ key, value });
  });

  test("a range is one key, a prefix, up to an end, from a key on, or everything", async () => {
    await putAll("a", "b", "b1", "b2", "c");
    expect(await keys("b", {})).toEqual(["b"]);
    expect(await keys("b", { prefix: true })).toEqual(["b", "b1", "b2"]);
    expect(await keys("a", { rangeEnd: "b1" })).toEqual(["a", "b"]);
    expect(await keys("b2", { fromKey: true })).toEqual(["b2", "c"]);
    expect(await keys("", { prefix: true })).toEqual(["a", "b", "b1", "b2", "c"]);
    expect(await keys("", { fromKey: true })).toEqual(["a", "b", "b1", "b2", "c"]);
  });

  test("a range can be limited, sorted, counted, and stripped of its values", async () => {
    await putAll("a", "b", "c");
    await client.kv.put("a", "again");
    const limited = await client.kv.range("", { prefix: true, limit: 2 });
    expect(limited).toMatchObject({ count: 3, more: true });
    expect(limited.kvs).toHaveLength(2);
    expect(await keys("", { prefix: true, sort: { by: "key", order: "descend" } })).toEqual(["c", "b", "a"]);
    expect(await keys("", { prefix: true, sort: { by: "modRevision" } })).toEqual(["b", "c", "a"]);
    expect(await client.kv.range("", { prefix: true, countOnly: true })).toMatchObject({ count: 3, kvs: [] });
    const { kvs } = await client.kv.range("a", { keysOnly: true, serializable: true });
    expect(kvs[0]?.value).toHaveLength(0);
  });

  test("a range reads at a revision, and only what was changed or created within bounds", async () => {
    const { header } = await client.kv.put("a", "1");
    await client.kv.put("a", "2");
    await client.kv.put("b", "1");
    const { kvs } = await client.kv.range("a", { revision: header.revision });
    expect(toText(kvs[0]?.value ?? new Uint8Array())).toBe("1");
    expect(await keys("", { prefix: true, minModRevision: header.revision + 2 })).toEqual(["b"]);
    expect(await keys("", { prefix: true, maxCreateRevision: header.revision })).toEqual(["a"]);
  });

  test("put and delete return the previous value if requested", async () => {
    expect((await client.kv.put("a", "1", { prevKv: true })).prevKv).toBeUndefined();
    expect(toText((await client.kv.put("a", "2", { prevKv: true })).prevKv?.value ?? new Uint8Array())).toBe("1");
    await client.kv.put("a", "", { ignoreValue: true });
    const { deleted, prevKvs } = await client.kv.deleteRange("a", { prevKv: true });
    expect(deleted).toBe(1);
    expect(toText(prevKvs[0]?.value ?? new Uint8Array())).toBe("2");
    expect((await client.kv.deleteRange("a")).deleted).toBe(0);
  });

  test("a txn executes one branch or the other, and returns the result of each operation", async () => {
    await client.kv.put("a", "1");
    const txn = (): ReturnType<Client["kv"]["txn"]> =>
      client.kv
        .txn()
        .if(compare.version("a").equals(1), compare.value("a").notEquals("2"), compare.createRevision("x").equals(0))
        .then(op.put("a", "2", { prevKv: true }), op.range("a"), op.deleteRange("none"))
        .else(op.txn(client.kv.txn().if(compare.modRevision("a").greaterThan(1)).then(op.range("a"))));
    const first = await txn().commit();
    expect(first.succeeded).toBe(true);
    expect(first.responses.map(({ type }) => type)).toEqual(["put", "range", "deleteRange"]);
    const second = await txn().commit();
    expect(second.succeeded).toBe(false);
    const [nested] = second.responses;
    expect(nested).toMatchObject({ type: "txn", txn: { succeeded: true } });
  });

  test("a comparison may cover a range of keys", async () => {
    await putAll("p1", "p2");
    const all = await client.kv
      .txn()
      .if(compare.version("p", { prefix: true }).greaterThan(0))
      .commit();
    expect(all.succeeded).toBe(true);
    const some = await client.kv
      .txn()
      .if(compare.lease("p", { prefix: true }).lessThan("0"))
      .commit();
    expect(some.succeeded).toBe(false);
  });

  test("a txn that is awaited without commit says so, instead of hanging", async () => {
    await expect(client.kv.txn().then(op.range("a"))).rejects.toThrow("end it with commit()");
  });

  test("after a compaction an older revision is refused with etcd's error", async () => {
    const { header } = await client.kv.put("a", "1");
    await client.kv.put("a", "2");
    await client.kv.compact(header.revision + 1, { physical: true });
    const refused = client.kv.range("a", { revision: header.revision });
    await expect(refused).rejects.toMatchObject({
      code: GrpcCode.OutOfRange,
      message: "etcdserver: mvcc: required revision has been compacted",
    });
    await expect(refused).rejects.toBeInstanceOf(EtcdError);
    await expect(client.kv.compact(1 << 30)).rejects.toMatchObject({ code: GrpcCode.OutOfRange });
  });

  test("a watch yields each put and delete after it was created, in order, with the previous value", async () => {
    const watcher = client.watch("w", { prefix: true, prevKv: true });
    await watcher.created;
    await client.kv.put("w1", "1");
    await client.kv.put("other", "1");
    await client.kv.put("w1", "2");
    await client.kv.deleteRange("w1");
    const received: string[] = [];
    for await (const { events } of watcher) {
      for (const { type, kv, prevKv } of events) {
        received.push(`${type} ${toText(kv.key)} ${toText(kv.value)} ${prevKv ? toText(prevKv.value) : "-"}`);
      }
      if (received.length === 3) break;
    }
    expect(received).toEqual(["PUT w1 1 -", "PUT w1 2 1", "DELETE w1  2"]);
  });

  test("a watch can begin in the past and leave out puts", async () => {
    const { header } = await client.kv.put("w", "1");
    await client.kv.deleteRange("w");
    const watcher = client.watch("w", { startRevision: header.revision, filters: ["NOPUT"] });
    const { value } = await watcher.next();
    expect(value?.events.map(({ type }) => type)).toEqual(["DELETE"]);
    await watcher.return();
  });

  test("a watch of compacted revisions ends with an error that has the oldest one left", async () => {
    const { header } = await client.kv.put("w", "1");
    await client.kv.put("w", "2");
    await client.kv.compact(header.revision + 1);
    const watcher = client.watch("w", { startRevision: header.revision });
    await expect(watcher.next()).rejects.toMatchObject({ compactRevision: header.revision + 1 });
    expect(await watcher.next()).toEqual({ done: true, value: undefined });
  });

  test("a watch ends without an error by return, by its signal, and with the client", async () => {
    const returned = client.watch("w");
    await returned.created;
    const waiting = returned.next();
    await returned.return();
    expect(await waiting).toEqual({ done: true, value: undefined });

    const stop = new AbortController();
    const aborted = client.watch("w", { signal: stop.signal });
    stop.abort();
    expect(await aborted.next()).toEqual({ done: true, value: undefined });

    const closed = client.watch("w");
    client.close();
    expect(await closed.next()).toEqual({ done: true, value: undefined });
    await expect(client.kv.range("a")).rejects.toMatchObject({ code: GrpcCode.Canceled });
  });

  test("status returns the member, the leader and the other members of the cluster", async () => {
    const status = await client.status();
    const id = String(0xffff_0000_0000_0001n);
    expect(status).toMatchObject({ id, name: "solo", role: "leader", leader: id });
    expect(status.members).toMatchObject([{ id, name: "solo", learner: false }]);
    expect(status.applied).toBeLessThanOrEqual(status.commit);
  });

  test("an argument that cannot be meant is refused before anything is sent", async () => {
    const bad = { code: GrpcCode.InvalidArgument };
    await expect(client.kv.range("a", { prefix: true, fromKey: true })).rejects.toMatchObject(bad);
    await expect(client.kv.range("a", { limit: 1.5 })).rejects.toMatchObject(bad);
    await expect(client.kv.put("a", 1 as unknown as string)).rejects.toMatchObject(bad);
    await expect(client.kv.put("a", "1", { lease: "12x" })).rejects.toMatchObject(bad);
    await expect(client.kv.put("a", "1", { lease: 1n << 64n })).rejects.toMatchObject(bad);
    await expect(client.kv.put("", "1")).rejects.toMatchObject({ message: "etcdserver: key is not provided" });
  });
});

test("over HTTP, a watch whose connection breaks goes on where it was", async () => {
  const client = createClient(httpServices({ endpoint: served.endpoint }));
  let breaks = 0;
  const watcher = client.watch("broken", { onDisconnect: () => breaks++ });
  await watcher.created;
  await client.kv.put("broken", "1");
  const first = await watcher.next();
  served.breakConnections();
  await createClient(served.services).kv.put("broken", "2");
  const second = await watcher.next();
  const values = [first, second].flatMap(({ value }) => value?.events.map(({ kv }) => toText(kv.value)));
  expect(values).toEqual(["1", "2"]);
  expect(breaks).toBeGreaterThan(0);
  client.close();
});

test("over WebSocket, progress can be requested", async () => {
  const client = createClient(httpServices({ endpoint: served.endpoint, WebSocket }));
  const watcher = client.watch("progress");
  const header = await watcher.created;
  watcher.requestProgress();
  const { value } = await watcher.next();
  expect(value).toMatchObject({ progress: true, events: [], header: { revision: header.revision } });
  client.close();
});
