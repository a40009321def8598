import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createClient, toText } from "../../../src/client/client.ts";
import type { Client } from "../../../src/client/client.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import { callIn } from "../../../src/client/common/call.ts";
import { lazyLease } from "../../../src/client/facade/lazy-lease.ts";
import type { LeaseClient } from "../../../src/client/facade/lease.ts";
import type { LeaseService } from "../../../src/member/api/services.ts";
import { EtcdError, GrpcCode, errNoLeader } from "../../../src/protocol/errors.ts";
import { leaseKeepAliveResponse } from "../../../src/protocol/api/lease.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";

let served: ServedMember;

beforeAll(async () => {
  served = await serveMember();
});

afterAll(() => served.close());

const WAYS = {
  "a direct call": () => served.services,
  HTTP: () => httpServices({ endpoint: served.endpoint }),
};

describe.each(Object.keys(WAYS) as (keyof typeof WAYS)[])("a client over %s", (way) => {
  let client: Client;

  beforeEach(() => {
    client = createClient(WAYS[way]());
  });

  test("a lease is granted, queried, listed and revoked with its keys; ids are decimal strings", async () => {
    const granted = await client.lease.grant(600, { id: "-7" });
    await client.kv.put("leased", "value", { lease: granted.id });
    const described = await client.lease.timeToLive(-7n, { keys: true });
    const oneKeepAlive = await client.lease.keepAliveOnce("-7");
    const { ids } = await client.lease.leases();
    await client.lease.revoke("-7");

    expect(granted).toMatchObject({ id: "-7", ttl: 600 });
    expect(described).toMatchObject({ id: "-7", grantedTtl: 600 });
    expect(described.keys.map(toText)).toEqual(["leased"]);
    expect(oneKeepAlive).toMatchObject({ id: "-7", ttl: 600 });
    expect(ids).toContain("-7");
    expect((await client.kv.range("leased")).count).toBe(0);
    expect((await client.lease.timeToLive("-7")).ttl).toBe(-1);
    expect((await client.lease.keepAliveOnce("-7")).ttl).toBe(0);
  });

  test("a lease that is kept alive is lost when it is revoked", async () => {
    const hurry = { random: () => 0, sleep: () => new Promise<void>((resolve) => setImmediate(resolve)) };
    const hasty = createClient(WAYS[way](), { backoff: hurry });
    const { id, ttl } = await hasty.lease.grant(600);
    const keepAlives: number[] = [];
    const onRenewed = (oneKeepAlive: { readonly ttl: number }): void => {
      keepAlives.push(oneKeepAlive.ttl);
      if (keepAlives.length === 2) void client.lease.revoke(id);
    };

    expect(await hasty.lease.keepAlive(id, { onRenewed }).ended).toEqual({ reason: "lost" });
    expect(keepAlives.slice(0, 2)).toEqual([ttl, ttl]);
  });

  test("keep-alives are stopped by the lease, a signal or the end of the client", async () => {
    const { id } = await client.lease.grant(600);
    const gone = new AbortController();
    const kept = [
      client.lease.keepAlive(id),
      client.lease.keepAlive(id, { signal: gone.signal }),
      client.lease.keepAlive(id),
    ];
    kept[0]?.stop();
    gone.abort();
    client.close();

    const ends = await Promise.all(kept.map(({ ended }) => ended));
    expect(ends).toEqual(kept.map(() => ({ reason: "stopped" })));
  });

  test("a lock is waited for, and a waiter may leave", async () => {
    const { id } = await client.lease.grant(600);
    const { id: other } = await client.lease.grant(600);
    const first = await client.lock.lock("lock", { lease: id });
    const gone = new AbortController();
    const leaving = client.lock.lock("lock", { lease: other, signal: gone.signal });
    await line("lock/", 2);
    gone.abort();
    await expect(leaving).rejects.toMatchObject({ code: GrpcCode.Canceled });
    await line("lock/", 1);
    const waiting = client.lock.lock("lock", { lease: other });
    await line("lock/", 2);
    await client.lock.unlock(first.key);

    const { key } = await waiting;
    await client.lock.unlock(key);
    expect(toText(key)).toBe(`lock/${BigInt(other).toString(16)}`);
  });

  test("an election is campaigned for, observed and resigned from", async () => {
    const { id } = await client.lease.grant(600);
    const { leader } = await client.election.campaign("election", "one", { lease: id });
    const seen: string[] = [];
    for await (const { kv } of client.election.observe("election")) {
      seen.push(toText(kv.value));
      if (seen.length === 1) await client.election.proclaim(leader, "two");
      else break;
    }
    const received = await client.election.leader("election");
    await client.election.resign(leader);

    expect(seen).toEqual(["one", "two"]);
    expect(received.kv).toMatchObject({ key: leader.key, lease: id });
    await expect(client.election.leader("election")).rejects.toThrow("election: no leader");
    await expect(client.election.proclaim(leader, "late")).rejects.toThrow("election: not leader");
  });

  async function line(prefix: string, length: number): Promise<void> {
    while ((await client.kv.range(prefix, { prefix: true })).count !== length) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
});

/** Whose server answers keep-alives as the list says. */
function beating(answers: readonly (number | EtcdError)[]): { lease: LeaseClient; slept: number[] } {
  const slept: number[] = [];
  let at = 0;
  const keepAlive: LeaseService["keepAlive"] = async ({ id }) => {
    const answer = answers[at++] ?? 0;
    if (answer instanceof EtcdError) throw answer;
    return leaseKeepAliveResponse({ id, ttl: answer });
  };
  const backoff = { random: () => 0, sleep: async (ms: number) => void slept.push(ms) };
  const call = callIn({ token: "", requireLeader: false }, () => {});
  const closed = new AbortController().signal;
  const service = async (): Promise<LeaseService> => ({ keepAlive }) as LeaseService;
  const lease = lazyLease({
    code: () => import("../../../src/client/facade/lease.ts"),
    lease: service,
    call,
    backoff,
    checkOpen: () => {},
    closed,
  });
  return { lease, slept };
}

test("keep-alives are sent three times per time to live, and sooner while the server is unreachable", async () => {
  const { lease, slept } = beating([30, errNoLeader, errNoLeader, 30, 0]);
  expect(await lease.keepAlive(1n).ended).toEqual({ reason: "lost" });
  expect(slept).toEqual([10_000, 12.5, 25, 10_000]);
});

test("a rejection ends the keep-alives at once, with its reason", async () => {
  const denied = new EtcdError(GrpcCode.PermissionDenied, "etcdserver: permission denied");
  const { lease } = beating([30, denied]);
  expect(await lease.keepAlive(1n).ended).toEqual({ reason: "lost", error: denied });
});
