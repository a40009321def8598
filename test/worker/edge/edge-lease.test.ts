import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { get, leaderNumber, post, put, stubOf } from "../support/edge-kit.ts";

const MEMBERS = [1, 2, 3];

interface TimeToLive {
  readonly TTL?: string;
  readonly keys?: readonly string[];
}

test("a lease is granted, kept alive and revoked through any member", async () => {
  await post("/m/1/v3/lease/grant", { ID: 7, TTL: 600 });
  await put("plain", "value");
  await post("/m/2/v3/kv/put", { key: btoa("leased"), lease: 7 });

  const keepAlives = await Promise.all(
    MEMBERS.map((number) => post<{ result: object }>(`/m/${number}/v3/lease/keepalive`, { ID: 7 })),
  );
  const described = await post<TimeToLive>("/m/3/v3/lease/timetolive", { ID: 7, keys: true });
  await post("/m/3/v3/lease/revoke", { ID: 7 });

  expect(keepAlives).toMatchObject(MEMBERS.map(() => ({ result: { ID: "7", TTL: "600" } })));
  expect(described.keys).toEqual([btoa("leased")]);
  expect([await get("leased"), await get("plain")]).toEqual([undefined, "value"]);
});

test("a lease expires while its members are evicted from memory: an alarm wakes the leader, which has saved the deadline", async () => {
  const grantedMs = Date.now();
  await post("/v3/lease/grant", { ID: 8, TTL: 600 });
  await post("/v3/kv/put", { key: btoa("leased"), lease: 8 });
  const leader = await leaderNumber();
  // When the cluster is quiet, the leader has written down for itself when the lease ends.
  while (!(await hasNote(leader))) await pause();
  const alarmMs = (await alarmOf(leader)) as number;
  for (const number of MEMBERS) await evictDurableObject(stubOf(number));
  // Longer than the election timeout that a new leader adds.
  await pause(2_000);

  expect(await runDurableObjectAlarm(stubOf(leader))).toBe(true);
  const { TTL } = await post<TimeToLive>(`/m/${leader}/v3/lease/timetolive`, { ID: 8 });

  // A leader that did not remember would give it its whole time again.
  expect(Number(TTL)).toBeLessThan(599);
  expect(Number(TTL)).toBeGreaterThan(600 - 2 - (Date.now() - grantedMs) / 1000);
  expect(alarmMs).toBeGreaterThanOrEqual(grantedMs + 600_000);
});

function alarmOf(number: number): Promise<number | null> {
  return runInDurableObject(stubOf(number), (_member, state) => state.storage.getAlarm());
}

function hasNote(number: number): Promise<boolean> {
  return runInDurableObject(
    stubOf(number),
    async (_member, state) => (await state.storage.get("leases")) !== undefined,
  );
}

function pause(ms = 50): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
