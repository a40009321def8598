/** A cluster's life: it is created, it is listed, and when it is deleted nothing of it is left. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { clusterKey, type ClusterRecord } from "../../../worker/common/cluster-record.ts";
import type { Env } from "../../../worker/common/env.ts";
import { REGISTRY_NAME } from "../../../worker/common/registry-rpc.ts";
import type { EdgeMember } from "../../../worker/member/member-object.ts";
import { call, create, manage, memberOf } from "../support/clusters-kit.ts";
import { edge } from "../support/edge-kit.ts";

async function rowsOf(record: ClusterRecord, number: number): Promise<readonly string[]> {
  return runInDurableObject(memberOf(record, number), async (_object, { storage }) => {
    const tables = storage.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'quorate%'")
      .toArray();
    const keys = [...storage.kv.list()].map(([key]) => key);
    return [...tables.map(({ name }) => name), ...keys, ...((await storage.getAlarm()) === null ? [] : ["alarm"])];
  });
}

async function names(after = ""): Promise<readonly string[]> {
  const { body } = await manage("list", { after });
  return (body as { clusters: readonly { name: string }[] }).clusters.map(({ name }) => name);
}

test("delete erases every member, also an added one, and the name is free for another cluster", async () => {
  const before = await create("life", 3);
  await call("/c/life", "/v3/kv/put", { key: btoa("old"), value: btoa("secret") });
  await call("/c/life", "/v3/lease/grant", { TTL: 500 });
  const added = await call("/c/life", "/v3/cluster/member/add", { isLearner: true, peerURLs: ["http://edge-4:2380"] });
  expect(added.status).toBe(200);
  while ((await edge("/c/life/m/4/version")).status !== 200) await new Promise((wake) => setTimeout(wake, 20));
  expect((await rowsOf(before, 4)).length).toBeGreaterThan(0);
  const watch = await edge("/c/life/v3/watch", {
    method: "POST",
    body: JSON.stringify({ create_request: { key: btoa("old") } }),
  });
  expect(await names()).toEqual(["life"]);

  const deleted = await manage("delete", { name: "life" });

  expect(deleted).toMatchObject({ status: 200, body: { name: "life", erased: true } });
  expect(await names()).toEqual([]);
  for (const number of [1, 2, 3, 4]) expect([number, await rowsOf(before, number)]).toEqual([number, []]);
  // Its watch ends, and whoever asks is told.
  await watch.text().catch(() => "");
  const told = await call("/c/life", "/v3/kv/range", { key: btoa("old") });
  expect(told).toMatchObject({ status: 404, body: { message: /deleted|there is no cluster/ } });
  expect((await manage("delete", { name: "life" })).status).toBe(404);

  const after = await create("life");
  expect(after.id).not.toBe(before.id);
  const { body } = await call("/c/life", "/v3/kv/range", { key: btoa("old") });
  expect(body.count).toBeUndefined();
  expect(body.header.revision).toBe("1");
});

/** The registry's next try to erase what it could not reach. */
async function eraseAgain(): Promise<void> {
  const { CLUSTER_REGISTRY } = env as unknown as Env;
  if (CLUSTER_REGISTRY === undefined) throw new Error("the registry is bound");
  await runDurableObjectAlarm(CLUSTER_REGISTRY.get(CLUSTER_REGISTRY.idFromName(REGISTRY_NAME)));
}

test.each([1, 3])(
  "of a cluster of %i, an added member that could not be erased at first is erased later",
  async (size) => {
    const name = `retried-${size}`;
    const record = await create(name, size);
    const added = size + 1;
    await call(`/c/${name}`, "/v3/kv/put", { key: btoa("old"), value: btoa("secret") });
    const peerURLs = [`http://edge-${added}:2380`];
    expect((await call(`/c/${name}`, "/v3/cluster/member/add", { isLearner: true, peerURLs })).status).toBe(200);
    while ((await edge(`/c/${name}/m/${added}/version`)).status !== 200)
      await new Promise((wake) => setTimeout(wake, 20));
    const isReachable = (is: boolean): Promise<void> =>
      runInDurableObject(memberOf(record, added), (member: EdgeMember) => {
        if (is) Reflect.deleteProperty(member, "erase");
        else Object.assign(member, { erase: () => Promise.reject(new Error("unreachable")) });
      });
    await isReachable(false);

    expect(await manage("delete", { name })).toMatchObject({ status: 200, body: { erased: false } });
    await eraseAgain();
    expect((await rowsOf(record, added)).length).toBeGreaterThan(0);
    await isReachable(true);
    await eraseAgain();

    for (let number = 1; number <= added; number++)
      expect([number, await rowsOf(record, number)]).toEqual([number, []]);
  },
);

test("an isolate that still knows a deleted cluster brings nothing of it back", async () => {
  const record = await create("stale", 3);
  await call("/c/stale", "/v3/kv/put", { key: btoa("k"), value: btoa("v") });
  await manage("delete", { name: "stale" });
  // As another isolate does, which has not heard of it: straight to the objects, also when they are new in memory.
  for (const evicted of [false, true]) {
    for (const number of [1, 2, 3]) {
      if (evicted) await evictDurableObject(memberOf(record, number));
      const response = await memberOf(record, number).fetch("http://edge/v3/kv/range", { method: "POST", body: "{}" });
      expect([response.status, await response.json()]).toMatchObject([404, { message: "the cluster was deleted" }]);
      const frames = await memberOf(record, number).raft(new Uint8Array(4));
      expect(frames.type).toBe("refused");
      expect(await memberOf(record, number).restoring({ type: "hold", restore: "x" })).toBe("unknown");
      expect([evicted, number, await rowsOf(record, number)]).toEqual([evicted, number, []]);
    }
  }
});

test("an object of a cluster that never was does not begin one", async () => {
  const record = { name: "never", id: "0".repeat(32), size: 1, locations: "", jurisdiction: "", room: "" };
  expect(clusterKey(record)).toBe(`/c/never/${record.id}/1//`);
  const response = await memberOf(record, 1).fetch("http://edge/health");
  expect([response.status, await response.json()]).toMatchObject([404, { code: 5 }]);
  expect(await rowsOf(record, 1)).toEqual([]);
});

test("a cluster survives the eviction of its members, without the registry", async () => {
  const record = await create("survivor", 3);
  await call("/c/survivor", "/v3/kv/put", { key: btoa("k"), value: btoa("v") });
  for (const number of [1, 2, 3]) await evictDurableObject(memberOf(record, number));
  expect(await (await edge("/c/survivor/kv/k")).text()).toBe("v");
});

test("where everybody may delete, a cluster with auth enabled is not deleted", async () => {
  await create("guarded");
  for (const [path, body] of [
    ["user/add", { name: "root", password: "p" }],
    ["user/grant", { user: "root", role: "root" }],
    ["enable", {}],
  ] as const) {
    expect((await call("/c/guarded", `/v3/auth/${path}`, body)).status).toBe(200);
  }
  expect(await manage("delete", { name: "guarded" })).toMatchObject({
    status: 403,
    body: { message: /auth is enabled/ },
  });
  expect((await edge("/c/guarded/health")).status).toBe(200);
});

test("list goes on after a name", async () => {
  for (const name of ["p1", "p2", "p3"]) await create(name);
  const { body } = await manage("list", { after: "p1", limit: 1 });
  expect(body).toMatchObject({ clusters: [{ name: "p2" }], more: true });
  expect(await names("p2")).toEqual(["p3"].concat((await names("p3")).filter((name) => name > "p3")));
});
