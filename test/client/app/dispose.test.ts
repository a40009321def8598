/** What lives until it is ended: `await using` ends it, and a second end does no harm. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { createClient, GrpcCode } from "../../../src/client/client.ts";
import { endpointServices } from "../../../src/grpc/endpoint-services.ts";
import { startGrpcProxy } from "../../../src/grpc/proxy.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";
import { clientOf, eventually } from "./kit.ts";

const CALL = { token: "", requireLeader: false };

let served: ServedMember;
let client: ApplicationClient;

beforeEach(async () => {
  served = await serveMember();
  client = clientOf(served);
});
afterEach(async () => {
  await client.close();
  await served.close();
});

async function leases(): Promise<number> {
  return (await served.services.lease.leases({}, CALL)).leases.length;
}

/** Makes one, and returns what is true once it has ended. */
const LIVING: Readonly<Record<string, () => Promise<readonly [AsyncDisposable, () => void | Promise<void>]>>> = {
  "a client": async () => {
    const other = clientOf(served);
    await other.kv.put("k", "v");
    return [other, () => expect(other.kv.put("k", "v")).rejects.toMatchObject({ code: GrpcCode.Canceled })];
  },
  "a client of etcd's calls": async () => {
    const other = createClient(served.services);
    return [other, () => expect(other.kv.put("k", "v")).rejects.toMatchObject({ code: GrpcCode.Canceled })];
  },
  "a lock": async () => [await client.acquire("lock"), async () => expect(await leases()).toBe(0)],
  "a leadership": async () => [await client.lead("election", "me"), async () => expect(await leases()).toBe(0)],
  "a presence": async () => [await client.presence("room/", "me"), async () => expect(await leases()).toBe(0)],
  "a live map": async () => {
    const live = client.namespace("n/").live();
    await live.ready;
    return [live, () => expect(live.isStale).toBe(true)];
  },
  "a lease that is kept alive": async () => {
    const kept = client.lease.keepAlive((await client.lease.grant(60)).id);
    return [kept, async () => expect(await kept.ended).toEqual({ reason: "stopped" })];
  },
  "a watch": async () => {
    const watcher = client.watch("k");
    await watcher.created;
    return [watcher, async () => expect(await watcher.next()).toEqual({ done: true, value: undefined })];
  },
  "the services of an endpoint": async () => [
    endpointServices({ endpoint: served.endpoint, timeoutMs: 1_000 }),
    () => {},
  ],
  "a gRPC proxy": async () => {
    const services = endpointServices({ endpoint: served.endpoint, timeoutMs: 1_000 });
    const proxy = await startGrpcProxy({ listen: "127.0.0.1:0", services });
    const again = (): Promise<AsyncDisposable> => startGrpcProxy({ listen: `127.0.0.1:${proxy.port}`, services });
    return [proxy, async () => (await again())[Symbol.asyncDispose]()];
  },
};

test.each(Object.keys(LIVING))("%s ends with its block, and again without harm", async (name) => {
  const made = await LIVING[name]?.();
  if (made === undefined) throw new Error("one was expected");
  const [living, hasEnded] = made;
  {
    await using held = living;
    expect(held).toBe(living);
  }
  await eventually(hasEnded);
  await living[Symbol.asyncDispose]();
  await Promise.all([living[Symbol.asyncDispose](), living[Symbol.asyncDispose]()]);
  await hasEnded();
});

describe("what is called before its code is loaded", () => {
  test("a call that was made before close is made", async () => {
    const { id } = await createClient(served.services).lease.grant(60);
    const other = clientOf(served);
    const revoked = other.lease.revoke(id);
    void other.close();
    await revoked;
    expect(await leases()).toBe(0);
  });

  test("a call after close rejects with Canceled, each of them", async () => {
    const other = clientOf(served);
    await other.close();
    const calls = [
      other.lease.grant(60),
      other.lock.lock("l"),
      other.election.leader("e"),
      other.auth.status(),
      other.cluster.members(),
      other.maintenance.status(),
      other.status(),
      other.acquire("l"),
      other.lead("e", "me"),
      other.transaction((tx) => tx.get("k")),
      other.namespace("n/").get("k"),
    ];
    const outcomes = await Promise.allSettled(calls);
    expect(outcomes.map((one) => (one.status === "rejected" ? (one.reason as { code: number }).code : "done"))).toEqual(
      calls.map(() => GrpcCode.Canceled),
    );
    expect(() => other.watch("k")).toThrow("the client is closed");
    expect(() => other.lease.keepAlive("1")).toThrow("the client is closed");
    expect(() => other.election.observe("e")).toThrow("the client is closed");
  });

  test("a watch that is ended at once asks for nothing", async () => {
    const watcher = client.watch("k");
    const next = watcher.next();
    await watcher.return();
    expect(await next).toEqual({ done: true, value: undefined });
    await expect(watcher.created).rejects.toMatchObject({ code: GrpcCode.Canceled });
    expect(served.requests).toEqual([]);
  });

  test("keep-alives that are stopped at once send none", async () => {
    const kept = client.lease.keepAlive("1");
    kept.stop();
    expect(await kept.ended).toEqual({ reason: "stopped" });
    expect(served.requests).toEqual([]);
  });

  test("bad arguments of what is not asynchronous are refused at once", () => {
    expect(() => client.watch("k", { prefix: true, fromKey: true })).toThrow("exclude each other");
    expect(() => client.watch("k", { startRevision: 0.5 })).toThrow("startRevision is a whole number");
    expect(() => client.lease.keepAlive("one")).toThrow("an id is a decimal string");
  });
});
