/** etcd's whole API as the client has it, and what all of its calls have in common, by each way to a member. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createClient, EtcdError, GrpcCode } from "../../../src/client/client.ts";
import type { Client } from "../../../src/client/client.ts";
import type { CallOptions } from "../../../src/client/common/call.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";

const LEADER = { name: new Uint8Array(1), key: new Uint8Array(1), revision: 1, lease: "1" };

/** Every call of etcd's, with its options last. Those that are no call of their own are not in it: txn, watch … */
const CALLS: Readonly<
  Record<string, Readonly<Record<string, (client: Client, options: CallOptions) => Promise<unknown>>>>
> = {
  kv: {
    put: ({ kv }, options) => kv.put("k", "v", options),
    range: ({ kv }, options) => kv.range("k", options),
    deleteRange: ({ kv }, options) => kv.deleteRange("k", options),
    txn: ({ kv }, options) => kv.txn().commit(options),
    compact: ({ kv }, options) => kv.compact(1, options),
  },
  lease: {
    grant: ({ lease }, options) => lease.grant(60, options),
    revoke: ({ lease }, options) => lease.revoke("1", options),
    keepAliveOnce: ({ lease }, options) => lease.keepAliveOnce("1", options),
    timeToLive: ({ lease }, options) => lease.timeToLive("1", options),
    leases: ({ lease }, options) => lease.leases(options),
  },
  lock: {
    lock: ({ lock }, options) => lock.lock("l", options),
    unlock: ({ lock }, options) => lock.unlock("l", options),
  },
  election: {
    campaign: ({ election }, options) => election.campaign("e", "v", options),
    proclaim: ({ election }, options) => election.proclaim(LEADER, "v", options),
    leader: ({ election }, options) => election.leader("e", options),
    resign: ({ election }, options) => election.resign(LEADER, options),
  },
  auth: {
    enable: ({ auth }, options) => auth.enable(options),
    disable: ({ auth }, options) => auth.disable(options),
    status: ({ auth }, options) => auth.status(options),
    addUser: ({ auth }, options) => auth.addUser("u", options),
    deleteUser: ({ auth }, options) => auth.deleteUser("u", options),
    changePassword: ({ auth }, options) => auth.changePassword("u", "p", options),
    users: ({ auth }, options) => auth.users(options),
    rolesOf: ({ auth }, options) => auth.rolesOf("u", options),
    grantRole: ({ auth }, options) => auth.grantRole("u", "r", options),
    revokeRole: ({ auth }, options) => auth.revokeRole("u", "r", options),
    addRole: ({ auth }, options) => auth.addRole("r", options),
    deleteRole: ({ auth }, options) => auth.deleteRole("r", options),
    roles: ({ auth }, options) => auth.roles(options),
    permissionsOf: ({ auth }, options) => auth.permissionsOf("r", options),
    grantPermission: ({ auth }, options) => auth.grantPermission("r", "read", "k", options),
    revokePermission: ({ auth }, options) => auth.revokePermission("r", "k", options),
  },
  cluster: {
    members: ({ cluster }, options) => cluster.members(options),
    add: ({ cluster }, options) => cluster.add(["http://127.0.0.1:1"], options),
    remove: ({ cluster }, options) => cluster.remove("1", options),
    update: ({ cluster }, options) => cluster.update("1", ["http://127.0.0.1:1"], options),
    promote: ({ cluster }, options) => cluster.promote("1", options),
  },
  maintenance: {
    moveLeader: ({ maintenance }, options) => maintenance.moveLeader("1", options),
    status: ({ maintenance }, options) => maintenance.status(options),
    alarms: ({ maintenance }, options) => maintenance.alarms(options),
    disarm: ({ maintenance }, options) => maintenance.disarm({}, options),
    defragment: ({ maintenance }, options) => maintenance.defragment(options),
    hashKv: ({ maintenance }, options) => maintenance.hashKv(options),
    hash: ({ maintenance }, options) => maintenance.hash(options),
    downgrade: ({ maintenance }, options) => maintenance.downgrade("cancel", "", options),
  },
  client: { status: (client, options) => client.status(options) },
};

let served: ServedMember;
let client: Client;

beforeEach(async () => {
  served = await serveMember();
});
afterEach(async () => {
  client.close();
  await served.close();
});

describe.each(Object.entries(CALLS))("client.%s", (_name, calls) => {
  test.each(Object.entries(calls))(
    "%s ends with its signal and at its time, and not after close",
    async (_call, make) => {
      client = createClient(httpServices({ endpoint: served.endpoint }));
      await expect(make(client, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: GrpcCode.Canceled });
      expect(served.requests).toEqual([]);
      // The server takes the request, and answers nothing.
      served.intercept = () => true;
      await expect(make(client, { timeoutMs: 20 })).rejects.toMatchObject({ code: GrpcCode.DeadlineExceeded });
      const abort = new AbortController();
      const given = make(client, { signal: abort.signal });
      setTimeout(() => abort.abort(), 10);
      await expect(given).rejects.toMatchObject({ code: GrpcCode.Canceled });
      client.close();
      await expect(make(client, {})).rejects.toThrow("the client is closed");
    },
  );
});

test("timeoutMs is longer than the client's own where the call says so", async () => {
  client = createClient(httpServices({ endpoint: served.endpoint, timeoutMs: 50 }));
  served.intercept = async () => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    return false;
  };
  await expect(client.kv.put("k", "v")).rejects.toMatchObject({ code: GrpcCode.DeadlineExceeded });
  await client.kv.put("k", "v", { timeoutMs: 60_000 });
  await expect(client.kv.put("k", "v", { timeoutMs: Number.NaN })).rejects.toThrow("timeoutMs is a number");
});

const WAYS = {
  "a direct call": () => served.services,
  HTTP: () => httpServices({ endpoint: served.endpoint }),
  "one WebSocket": () => httpServices({ endpoint: served.endpoint, WebSocket }),
};

describe.each(Object.keys(WAYS) as (keyof typeof WAYS)[])("over %s", (way) => {
  beforeEach(async () => {
    client = createClient(WAYS[way]());
    await client.watch("another key").created;
  });

  test("users, roles and permissions are added, listed, granted, revoked and deleted", async () => {
    const { auth } = client;
    await auth.addUser("root", { password: "secret" });
    await auth.addUser("nobody");
    expect([...(await auth.users())].toSorted()).toEqual(["nobody", "root"]);
    await auth.addRole("root");
    await auth.addRole("reader");
    await auth.grantPermission("reader", "read", "flags/", { prefix: true });
    await auth.grantPermission("reader", "readwrite", "one");
    expect((await auth.permissionsOf("reader")).map(({ kind, key }) => [kind, client.toText(key)])).toEqual([
      ["read", "flags/"],
      ["readwrite", "one"],
    ]);
    await auth.revokePermission("reader", "flags/", { prefix: true });
    expect(await auth.permissionsOf("reader")).toHaveLength(1);
    await auth.grantRole("nobody", "reader");
    await auth.grantRole("root", "root");
    expect(await auth.rolesOf("nobody")).toEqual(["reader"]);
    await auth.revokeRole("nobody", "reader");
    expect(await auth.rolesOf("nobody")).toEqual([]);
    await auth.changePassword("root", "another");
    expect((await auth.status()).enabled).toBe(false);
    await auth.enable();
    expect((await auth.status()).enabled).toBe(true);
    await expect(auth.users()).rejects.toBeInstanceOf(EtcdError);
    const root = createClient(WAYS[way](), { user: { name: "root", password: "another" } });
    await root.auth.deleteUser("nobody");
    await root.auth.deleteRole("reader");
    expect(await root.auth.roles()).toEqual(["root"]);
    await root.auth.disable();
    expect(await auth.users()).toEqual(["root"]);
  });

  test("members are listed, and changes are refused in etcd's words", async () => {
    const { cluster } = client;
    const [own] = await cluster.members();
    expect(own).toMatchObject({ name: "solo", isLearner: false });
    expect(await cluster.members({ serializable: true })).toHaveLength(1);
    const added = await cluster.add(["http://127.0.0.1:7001"], { isLearner: true });
    expect(added).toMatchObject({ name: "", isLearner: true, peerUrls: ["http://127.0.0.1:7001"] });
    await expect(cluster.promote(added.id)).rejects.toBeInstanceOf(EtcdError);
    expect(await cluster.update(added.id, ["http://127.0.0.1:7002"])).toHaveLength(2);
    expect(await cluster.remove(added.id)).toHaveLength(1);
    await expect(cluster.remove("77")).rejects.toMatchObject({ code: GrpcCode.NotFound });
  });

  test("a call that waits for others ends at its time, and leaves the queue", async () => {
    await client.lock.lock("lock");
    const late = client.lock.lock("lock", { timeoutMs: 100 });
    await expect(late).rejects.toMatchObject({ code: GrpcCode.DeadlineExceeded });
    await vi.waitFor(async () => expect((await client.kv.range("lock", { prefix: true })).kvs).toHaveLength(1));
  });

  test("status, hashes, alarms and defragmentation", async () => {
    const { maintenance } = client;
    const { header } = await client.kv.put("k", "v");
    expect(await maintenance.status()).toMatchObject({ isLearner: false, leader: header.memberId });
    expect(await maintenance.alarms()).toEqual([]);
    expect(await maintenance.disarm()).toEqual([]);
    const hashed = await maintenance.hashKv({ revision: header.revision });
    expect(hashed).toMatchObject({ hashRevision: header.revision });
    expect(await maintenance.hash()).toBeGreaterThanOrEqual(0);
    await maintenance.defragment();
    expect(await maintenance.downgrade("cancel")).toBe("3.7");
  });
});
