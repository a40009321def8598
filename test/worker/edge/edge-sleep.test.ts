import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { edge, get, post, put, type RangeAnswer, stubOf } from "../support/edge-kit.ts";

const MEMBERS = [1, 2, 3];
/** More than the cluster takes to stand still. */
const QUIET_MS = 4_000;
/** Within these it stands still, unless the machine is busy. */
const LOOKS = 100;

interface Status {
  readonly leader?: string;
  readonly raftTerm: string;
  readonly raftIndex: string;
  readonly errors?: readonly string[];
}

const statusOf = (member: number): Promise<Status> => post<Status>(`/m/${member}/v3/maintenance/status`, {});

/**
 * Until the cluster stands still: then its leader has stored where it may go on. What a new cluster writes by itself may come
 * after the status, so that is asked again, as a monitor does.
 */
async function quiet(): Promise<void> {
  for (;;) {
    const { raftIndex } = await statusOf(1);
    for (let look = 0; look < LOOKS; look++) {
      const points = await Promise.all(MEMBERS.map(pointOf));
      if (points.some((point) => point !== undefined && point >= Number(raftIndex))) return;
      await pause(50);
    }
  }
}

function pointOf(number: number): Promise<number | undefined> {
  return runInDurableObject(
    stubOf(number),
    async (_member, { storage }) => (await storage.get<{ index: number }>("resume"))?.index,
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function evict(numbers: readonly number[]): Promise<void> {
  for (const number of numbers) await evictDurableObject(stubOf(number));
}

/** As a client sends it over a network: its body has a length. */
async function range(serializable: boolean): Promise<string> {
  const body = JSON.stringify({ key: btoa("kept"), ...(serializable ? { serializable } : {}) });
  const headers = { "content-length": String(body.length) };
  const response = await edge("/v3/kv/range", { method: "POST", headers, body });
  const { kvs }: RangeAnswer = await response.json();
  return atob(kvs?.[0]?.value ?? "");
}

/** Evicts the members that are in memory. Returns how many were. */
async function evictLoaded(): Promise<number> {
  let count = 0;
  for (const number of MEMBERS) {
    const wasLoaded = await evictDurableObject(stubOf(number)).then(
      () => true,
      () => false,
    );
    if (wasLoaded) count += 1;
  }
  return count;
}

test("M55 a cluster whose members are evicted keeps its term, and each member names the leader when it is asked first", async () => {
  await put("kept", "value");
  const { leader, raftTerm } = await statusOf(1);
  await quiet();
  for (const asked of MEMBERS) {
    await evict(MEMBERS);
    expect(await statusOf(asked)).toMatchObject({ leader, raftTerm });
    expect((await statusOf(asked)).errors ?? []).toEqual([]);
    await pause(QUIET_MS);
  }
  for (const asked of MEMBERS) {
    await evict(MEMBERS.filter((number) => number !== asked));
    expect(await statusOf(asked)).toMatchObject({ leader, raftTerm });
    await pause(QUIET_MS);
  }
  expect(await get("kept")).toBe("value");
  expect((await statusOf(1)).raftTerm).toBe(raftTerm);
});

test("M55 metrics and health of a member that was evicted report a leader", async () => {
  await put("kept", "value");
  await quiet();
  await evict(MEMBERS);
  const metrics = await (await edge("/m/2/metrics")).text();
  expect(metrics).toMatch(/^etcd_server_has_leader\{cluster="quorate",member="edge-2"\} 1$/m);
  await pause(QUIET_MS);
  await evict(MEMBERS);
  expect(await (await edge("/m/3/health")).json()).toEqual({ health: "true", reason: "" });
});

test("M55 a put after the sleep goes on in the term, and is there after the next one", async () => {
  await put("one", "1");
  const { raftTerm } = await statusOf(1);
  for (const round of ["a", "b"]) {
    await quiet();
    await evict(MEMBERS);
    await put(`key ${round}`, round, "/m/2");
  }
  await quiet();
  await evict(MEMBERS);
  expect([await get("key a", "/m/3"), await get("key b", "/m/1")]).toEqual(["a", "b"]);
  expect((await statusOf(1)).raftTerm).toBe(raftTerm);
});

test("M72 a serializable read loads the object that it asks; one that needs a leader loads the others, too", async () => {
  await put("kept", "value");
  await quiet();
  await evict(MEMBERS);
  expect(await range(true)).toBe("value");
  await pause(200);
  expect(await evictLoaded()).toBe(1);
  expect(await range(false)).toBe("value");
  expect(await evictLoaded()).toBe(3);
});
