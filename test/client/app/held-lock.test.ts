import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { LeaseLostError } from "../../../src/client/app/errors.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";
import { clientOf, eventually } from "./kit.ts";

let served: ServedMember;
let client: ApplicationClient;

beforeEach(async () => {
  served = await serveMember();
  client = clientOf(served);
});
afterEach(async () => {
  void client.close();
  await served.close();
});

async function leasesNow(): Promise<number> {
  return (await client.lease.leases()).ids.length;
}

describe("a lock", () => {
  test("is held by one at a time, with a fence that grows", async () => {
    let inside = 0;
    const fences: number[] = [];
    await Promise.all(
      Array.from({ length: 5 }, () =>
        client.withLock("refresh", async ({ fence }) => {
          inside += 1;
          expect(inside).toBe(1);
          await client.kv.put("work", String(fence));
          fences.push(fence);
          inside -= 1;
        }),
      ),
    );
    expect(fences).toEqual(fences.toSorted((left, right) => left - right));
    expect(new Set(fences).size).toBe(5);
    expect(await leasesNow()).toBe(0);
  });

  test("is released when its use throws, and the error is the caller's own", async () => {
    const failure = new Error("refresh failed");
    await expect(client.withLock("refresh", () => Promise.reject(failure))).rejects.toBe(failure);
    await using lock = await client.acquire("refresh");
    expect(lock.signal.aborted).toBe(false);
  });

  test("guards a txn by its fence, which does not hold after the release", async () => {
    const lock = await client.acquire("refresh");
    const write = async (): Promise<boolean> =>
      (await client.kv.txn().if(lock.isHeld()).then(client.op.put("state", "mine")).commit()).succeeded;
    expect(await write()).toBe(true);
    await lock.release();
    expect(await write()).toBe(false);
  });

  test("aborts its signal with LeaseLostError when its lease is gone at the server", async () => {
    const lock = await client.acquire("refresh", { ttl: 2 });
    const { ids } = await client.lease.leases();
    await client.lease.revoke(ids[0] ?? "");
    await eventually(() => expect(lock.signal.aborted).toBe(true));
    expect(lock.signal.reason).toBeInstanceOf(LeaseLostError);
  });

  test("counts as lost when no keep-alive succeeded within its time to live", async () => {
    // Read once: the signal itself must abort, for listeners too.
    const { signal } = await client.acquire("refresh", { ttl: 2 });
    served.intercept = (path, response) => {
      if (!path.includes("keepalive")) return false;
      response.destroy();
      return true;
    };
    await eventually(() => expect(signal.aborted).toBe(true));
    expect(String(signal.reason)).toContain("refresh");
  });

  test("leaves the queue, and no lease behind, when its caller gives up waiting", async () => {
    await using held = await client.acquire("refresh");
    const giveUp = new AbortController();
    const waiting = client.acquire("refresh", { signal: giveUp.signal });
    await eventually(async () => expect(await leasesNow()).toBe(2));
    giveUp.abort(new Error("no patience"));
    await expect(waiting).rejects.toThrow("no patience");
    await eventually(async () => expect(await leasesNow()).toBe(1));
    expect(held.signal.aborted).toBe(false);
  });

  test("is given back when the client is closed", async () => {
    const other = clientOf(served);
    await other.acquire("refresh");
    void other.close();
    await eventually(async () => expect(await leasesNow()).toBe(0));
  });
});

describe("leadership", () => {
  test("goes to the next candidate when the leader resigns, and observers see both", async () => {
    const seen: string[] = [];
    const stop = new AbortController();
    const observing = (async () => {
      for await (const { value } of client.elect("poller").observe({ signal: stop.signal })) seen.push(value);
    })().catch(() => {});
    expect(await client.elect("poller").leader()).toBeUndefined();
    const first = await client.lead("poller", "one");
    const second = client.lead("poller", "two");
    expect(await client.elect("poller").leader()).toEqual({ value: "one", fence: first.fence });
    await first.proclaim("one, still");
    expect(await client.elect("poller").leader()).toMatchObject({ value: "one, still" });
    await first.resign();
    const leadership = await second;
    expect(leadership.fence).toBeGreaterThan(first.fence);
    await eventually(() => expect(seen).toContain("two"));
    stop.abort();
    await leadership.resign();
    await observing;
  });
});
