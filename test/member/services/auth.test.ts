import { describe, expect, test } from "vitest";
import { EMPTY_BYTES } from "../../../src/base/bytes.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import type { PasswordHasher } from "../../../src/member/auth/credentials.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import type { CallContext, Services, WatchStream } from "../../../src/member/api/services.ts";
import {
  authRoleGrantPermissionRequest,
  authUserAddRequest,
  authUserChangePasswordRequest,
} from "../../../src/protocol/api/auth.ts";
import { memberAddRequest } from "../../../src/protocol/api/cluster.ts";
import {
  errAuthFailed,
  errAuthNotEnabled,
  errAuthOldRevision,
  errEmptyKey,
  errInvalidAuthToken,
  errLeaseNotFound,
  errPermissionDenied,
  errRequestTooLarge,
  errRequestTooManyRequests,
  errUserEmpty,
  errUserNotFound,
  EtcdError,
  GrpcCode,
  rpcErrorText,
} from "../../../src/protocol/errors.ts";
import {
  compactionRequest,
  deleteRangeRequest,
  putRequest,
  rangeRequest,
  txnRequest,
} from "../../../src/protocol/api/kv.ts";
import { leaseGrantRequest, leaseTimeToLiveRequest } from "../../../src/protocol/api/lease.ts";
import { lockRequest, unlockRequest } from "../../../src/protocol/api/lock.ts";
import { alarmRequest, downgradeRequest } from "../../../src/protocol/api/maintenance.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import type { WatchResponse } from "../../../src/protocol/api/watch.ts";
import { GuardedCluster, PLAIN } from "../support/auth-kit.ts";
import { CALL, Cluster } from "../support/cluster.ts";

const A = utf8Encode("a");
const B = utf8Encode("b");
const OK = "ok";

describe("authentication", () => {
  test("AG1: without a token every method is refused, except the public ones", async () => {
    const guarded = await GuardedCluster.open();
    const refused = await Promise.all(
      everyMethod(guarded.at()).map(async ([name, call]) => [name, await guarded.answer(call(CALL))]),
    );
    expect(Object.fromEntries(refused.filter(([, answer]) => answer !== errUserEmpty.message))).toEqual({
      "auth.authStatus": OK,
      "auth.authenticate": errAuthFailed.message,
    });
  });

  test("AG2: an invalid token is refused by every method except Authenticate", async () => {
    const guarded = await GuardedCluster.open();
    const context = { ...CALL, token: "forged.1" };
    const refused = await Promise.all(
      everyMethod(guarded.at()).map(async ([name, call]) => [name, await guarded.answer(call(context))]),
    );
    expect(Object.fromEntries(refused.filter(([, answer]) => answer !== errInvalidAuthToken.message))).toEqual({
      "auth.authenticate": errAuthFailed.message,
    });
  });

  test("AG3: every method of every service is in the list that these tests iterate over", async () => {
    const guarded = await GuardedCluster.open();
    const { watch: _watch, health: _health, inspect: _inspect, ...services } = guarded.at();
    const names = Object.entries(services).flatMap(([service, methods]) =>
      Object.keys(methods).map((method) => `${service}.${method}`),
    );
    const walked = everyMethod(guarded.at()).map(([name]) => name);
    // A stream, which has a test of its own.
    expect(walked.toSorted()).toEqual(names.filter((name) => name !== "election.observe").toSorted());
  });

  test("AG24: while auth is off, every method calls the admission check; with auth on, none does", async () => {
    const cluster = await Cluster.founded(1);
    const guarded = new GuardedCluster(cluster);
    const { member } = await cluster.elected();
    const asked: CallContext[] = [];
    const services = createServices(member, { passwords: PLAIN }, (context) => {
      asked.push(context);
      if (context.token !== "the owner's") throw new EtcdError(GrpcCode.Unauthenticated, "closed");
    });
    for (const token of ["", "another"]) {
      const refused = await Promise.all(
        everyMethod(services).map(async ([name, call]) => [name, await guarded.answer(call({ ...CALL, token }))]),
      );
      expect(refused.filter(([, answer]) => answer !== "closed")).toEqual([]);
    }
    for (const token of ["", "another"]) {
      const stream = services.watch.watch({ ...CALL, token });
      stream.request({ type: "create", create: watchCreateRequest({ key: A }) });
      expect(await next(guarded, stream)).toMatchObject({
        canceled: true,
        cancelReason: expect.stringMatching("closed"),
      });
    }
    expect(member.machine.store.revision).toBe(1);

    const owner = { ...CALL, token: "the owner's" };
    const root = authUserAddRequest({ name: "root", password: "root" });
    expect(await guarded.answer(services.auth.userAdd(root, owner))).toBe(OK);
    expect(await guarded.answer(services.auth.userGrantRole({ user: "root", role: "root" }, owner))).toBe(OK);
    expect(await guarded.answer(services.auth.authEnable({}, owner))).toBe(OK);
    asked.length = 0;
    const { token } = await guarded.settled(services.auth.authenticate({ name: "root", password: "root" }, CALL));
    expect(await guarded.answer(services.kv.range(rangeRequest({ key: A }), { ...CALL, token }))).toBe(OK);
    expect(await guarded.answer(services.kv.range(rangeRequest({ key: A }), owner))).toBe(errInvalidAuthToken.message);
    expect(asked).toEqual([]);
  });

  test("AG4: a caller set by an API layer is ignored", async () => {
    const guarded = await GuardedCluster.open();
    const forged: CallContext = { ...CALL, caller: { username: "root", revision: 99 } };
    const answers = await Promise.all(everyMethod(guarded.at()).map(([, call]) => guarded.answer(call(forged))));
    expect(answers.filter((answer) => answer !== errUserEmpty.message)).toEqual([OK, errAuthFailed.message]);
  });

  test("AG5: a request is validated before its token, and its size after", async () => {
    const guarded = await GuardedCluster.open(1, { limits: { requestBytes: 1000 } });
    const context = { ...CALL, token: "forged.1" };
    const { kv } = guarded.at();
    expect(await guarded.answer(kv.put(putRequest(), context))).toBe(errEmptyKey.message);
    expect(await guarded.answer(kv.range(rangeRequest(), context))).toBe(errEmptyKey.message);
    const large = putRequest({ key: A, value: new Uint8Array(2000) });
    expect(await guarded.answer(kv.put(large, context))).toBe(errInvalidAuthToken.message);
    expect(await guarded.answer(kv.put(large, await guarded.as("root")))).toBe(errRequestTooLarge.message);
  });

  test("AG6a: of Maintenance and Cluster only root may use more than the methods that report state", async () => {
    const guarded = await GuardedCluster.open();
    const amy = await guarded.as("amy");
    const walked = everyMethod(guarded.at()).filter(([name]) => /^(cluster|maintenance)/.test(name));
    const answers = await Promise.all(walked.map(async ([name, call]) => [name, await guarded.answer(call(amy))]));
    const open = Object.fromEntries(answers.filter(([, answer]) => answer !== errPermissionDenied.message));
    expect(Object.keys(open).toSorted()).toEqual(["cluster.memberList", "maintenance.alarm", "maintenance.status"]);
    const { maintenance } = guarded.at();
    for (const action of ["ACTIVATE", "DEACTIVATE", 7] as const) {
      const request = alarmRequest({ action });
      expect(await guarded.answer(maintenance.alarm(request, amy))).toBe(errPermissionDenied.message);
    }
  });

  test("AG6: any user may list members, see the status and grant a lease; only root may compact", async () => {
    const guarded = await GuardedCluster.open();
    const amy = await guarded.as("amy");
    const { cluster, maintenance, lease, kv } = guarded.at();
    expect(await guarded.answer(cluster.memberList({ linearizable: true }, amy))).toBe(OK);
    expect(await guarded.answer(maintenance.status({}, amy))).toBe(OK);
    expect(await guarded.answer(lease.grant(leaseGrantRequest({ ttl: 60 }), amy))).toBe(OK);
    expect(await guarded.answer(kv.compact(compactionRequest({ revision: 1 }), amy))).toBe(errPermissionDenied.message);
  });
});

describe("authorization", () => {
  test("AG7: a serializable range needs permission like any other", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("READ", "a");
    const amy = await guarded.as("amy");
    const { kv } = guarded.at();
    for (const serializable of [true, false]) {
      expect(await guarded.answer(kv.range(rangeRequest({ key: A, serializable }), amy))).toBe(OK);
      expect(await guarded.answer(kv.range(rangeRequest({ key: B, serializable }), amy))).toBe(
        errPermissionDenied.message,
      );
      const read = { type: "range", range: rangeRequest({ key: B, serializable }) } as const;
      expect(await guarded.answer(kv.txn(txnRequest({ failure: [read] }), amy))).toBe(errPermissionDenied.message);
    }
  });

  test("AG8: a nested txn, prev_kv and a lease's other keys do not bypass a permission", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("WRITE", "a");
    const root = await guarded.as("root");
    const amy = await guarded.as("amy");
    const { kv, lease } = guarded.at();
    const hidden = { type: "put", put: putRequest({ key: B }) } as const;
    const nested = { type: "txn", txn: txnRequest({ failure: [hidden] }) } as const;
    expect(await guarded.answer(kv.txn(txnRequest({ success: [nested] }), amy))).toBe(errPermissionDenied.message);
    expect(await guarded.answer(kv.put(putRequest({ key: A, prevKv: true }), amy))).toBe(errPermissionDenied.message);
    expect(await guarded.answer(kv.deleteRange(deleteRangeRequest({ key: A, prevKv: true }), amy))).toBe(
      errPermissionDenied.message,
    );
    await guarded.settled(lease.grant(leaseGrantRequest({ id: 7n, ttl: 60 }), root));
    await guarded.settled(kv.put(putRequest({ key: B, lease: 7n }), root));
    expect(await guarded.answer(kv.put(putRequest({ key: A, lease: 7n }), amy))).toBe(errPermissionDenied.message);
    expect(await guarded.answer(kv.put(putRequest({ key: A, lease: 8n }), amy))).toBe(errLeaseNotFound.message);
    expect(await guarded.answer(kv.put(putRequest({ key: A }), amy))).toBe(OK);
  });

  test("AG9: only a caller with permission for its keys may revoke, keep alive and fully read a lease", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("READ", "a");
    const root = await guarded.as("root");
    const amy = await guarded.as("amy");
    const { kv, lease } = guarded.at();
    await guarded.settled(lease.grant(leaseGrantRequest({ id: 7n, ttl: 60 }), root));
    await guarded.settled(kv.put(putRequest({ key: A, lease: 7n }), root));
    expect(await guarded.answer(lease.revoke({ id: 7n }, amy))).toBe(errPermissionDenied.message);
    expect(await guarded.answer(lease.keepAlive({ id: 7n }, amy))).toBe(errPermissionDenied.message);
    expect(await guarded.answer(lease.timeToLive(leaseTimeToLiveRequest({ id: 7n, keys: true }), amy))).toBe(OK);
    expect(await guarded.answer(lease.leases({}, amy))).toBe(OK);
    await guarded.settled(kv.put(putRequest({ key: B, lease: 7n }), root));
    expect(await guarded.answer(lease.timeToLive(leaseTimeToLiveRequest({ id: 7n, keys: true }), amy))).toBe(
      errPermissionDenied.message,
    );
    expect(await guarded.answer(lease.timeToLive(leaseTimeToLiveRequest({ id: 7n }), amy))).toBe(OK);
    expect(await guarded.answer(lease.leases({}, amy))).toBe(errPermissionDenied.message);
    expect(await guarded.answer(lease.keepAlive({ id: 7n }, root))).toBe(OK);
  });

  test("AG10: a lock and an election need permission for their keys, and so does observing one", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("READWRITE", "mine/", "mine0");
    const amy = await guarded.as("amy");
    const { lock, election } = guarded.at();
    expect(await guarded.answer(lock.lock(lockRequest({ name: utf8Encode("mine") }), amy))).toBe(OK);
    expect(await guarded.answer(lock.lock(lockRequest({ name: utf8Encode("yours") }), amy))).not.toBe(OK);
    const stream = election.observe({ name: utf8Encode("yours") }, amy);
    expect(await guarded.answer(stream.next())).not.toBe(OK);
  });

  test("AG29: a caller queued since before auth was on gets a read's error at its turn", async () => {
    const guarded = await GuardedCluster.open();
    const services = guarded.at();
    const { lock, auth, lease } = services;
    const root = await guarded.as("root");
    for (const id of [16n, 17n]) await guarded.settled(lease.grant(leaseGrantRequest({ id, ttl: 600 }), root));
    await guarded.settled(auth.authDisable({}, root));
    const { key } = await guarded.settled(lock.lock(lockRequest({ name: A, lease: 16n }), CALL));
    const waiting = lock.lock(lockRequest({ name: A, lease: 17n }), CALL).catch((error: unknown) => error);
    await guarded.cluster.clock.advance(100);
    await guarded.settled(auth.authEnable({}, CALL));
    await guarded.settled(lock.unlock({ key }, await guarded.as("root")));
    expect(await guarded.settled(waiting)).toMatchObject({ code: GrpcCode.Unknown, message: errUserEmpty.message });
  });

  test("AG11: the expiry of a lease needs no permission", async () => {
    const guarded = await GuardedCluster.open();
    const root = await guarded.as("root");
    const { kv, lease } = guarded.at();
    await guarded.settled(lease.grant(leaseGrantRequest({ id: 7n, ttl: 2 }), root));
    await guarded.settled(kv.put(putRequest({ key: A, lease: 7n }), root));
    await guarded.cluster.clock.advance(10_000);
    const { kvs } = await guarded.settled(kv.range(rangeRequest({ key: A }), root));
    expect(kvs).toEqual([]);
  });
});

describe("watches", () => {
  test("AG12: a refused watch gets etcd's error text, in order of the responses", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("READ", "a");
    const { watch } = guarded.at();
    const reason = async (context: CallContext): Promise<WatchResponse> => {
      const stream = watch.watch(context);
      stream.request({ type: "create", create: watchCreateRequest({ key: B }) });
      return next(guarded, stream);
    };
    expect(await reason(CALL)).toMatchObject({
      created: true,
      canceled: true,
      watchId: -1,
      cancelReason: rpcErrorText(errUserEmpty),
    });
    expect((await reason({ ...CALL, token: "forged.1" })).cancelReason).toBe(rpcErrorText(errInvalidAuthToken));
    const amy = await guarded.as("amy");
    expect((await reason(amy)).cancelReason).toBe(rpcErrorText(errPermissionDenied));
    const stream = watch.watch(amy);
    for (const key of [A, B, A]) stream.request({ type: "create", create: watchCreateRequest({ key }) });
    const answers = [await next(guarded, stream), await next(guarded, stream), await next(guarded, stream)];
    expect(answers.map(({ watchId, canceled }) => [watchId, canceled])).toEqual([
      [0, false],
      [-1, true],
      [1, false],
    ]);
  });

  test("AG13: the whole range must be readable, also for from-key and the empty key", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("READ", "a", "c");
    const amy = await guarded.as("amy");
    const stream = guarded.at().watch.watch(amy);
    const ask = async (key: string, rangeEnd: string): Promise<boolean> => {
      const create = watchCreateRequest({ key: utf8Encode(key), rangeEnd: utf8Encode(rangeEnd) });
      stream.request({ type: "create", create });
      return !(await next(guarded, stream)).canceled;
    };
    expect(await ask("a", "c")).toBe(true);
    expect(await ask("a", "d")).toBe(false);
    expect(await ask("a", "\0")).toBe(false);
    expect(await ask("", "\0")).toBe(false);
  });

  test("AG14: an open watch whose permission is revoked is cancelled at its next event, and does not reveal it", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("READ", "a");
    const root = await guarded.as("root");
    const stream = guarded.at().watch.watch(await guarded.as("amy"));
    stream.request({ type: "create", create: watchCreateRequest({ key: A }) });
    await next(guarded, stream);
    await guarded.settled(guarded.at().kv.put(putRequest({ key: A }), root));
    expect((await next(guarded, stream)).events).toHaveLength(1);
    const revoked = guarded.at().auth.roleRevokePermission({ role: "r", key: A, rangeEnd: EMPTY_BYTES }, root);
    await guarded.settled(revoked);
    await guarded.settled(guarded.at().kv.put(putRequest({ key: A }), root));
    const last = await next(guarded, stream);
    expect(last).toMatchObject({
      watchId: 0,
      canceled: true,
      cancelReason: rpcErrorText(errPermissionDenied),
      events: [],
    });
    // It has no further effect, and the stream continues.
    await guarded.settled(guarded.at().kv.put(putRequest({ key: A }), root));
    stream.request({ type: "create", create: watchCreateRequest({ key: A }) });
    expect(await next(guarded, stream)).toMatchObject({ created: true, canceled: true });
  });

  test("AG15: a watch from before auth was on ends at its next event", async () => {
    const guarded = await GuardedCluster.open();
    const root = await guarded.as("root");
    const { auth, watch, kv } = guarded.at();
    await guarded.settled(auth.authDisable({}, root));
    const stream = watch.watch(CALL);
    stream.request({ type: "create", create: watchCreateRequest({ key: A }) });
    await next(guarded, stream);
    await guarded.settled(auth.authEnable({}, CALL));
    await guarded.settled(kv.put(putRequest({ key: A }), await guarded.as("root")));
    expect((await next(guarded, stream)).cancelReason).toBe(rpcErrorText(errUserEmpty));
  });
});

describe("logging in", () => {
  test("AG16: an unknown user, a wrong password and a user without a password get the same error", async () => {
    const guarded = await GuardedCluster.open();
    const { auth } = guarded.at();
    await guarded.settled(
      auth.userAdd(authUserAddRequest({ name: "cn", options: { noPassword: true } }), await guarded.as("root")),
    );
    const errors = await Promise.all(
      ["nobody", "amy", "cn", ""].map((name) =>
        guarded.settled(auth.authenticate({ name, password: "x" }, CALL).catch((error: unknown) => error)),
      ),
    );
    for (const error of errors) expect(error).toBe(errAuthFailed);
  });

  test("AG17: an unknown user and one without a password cost the same work as a wrong password", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.settled(
      guarded
        .at()
        .auth.userAdd(authUserAddRequest({ name: "cn", options: { noPassword: true } }), await guarded.as("root")),
    );
    const done: string[] = [];
    const passwords: PasswordHasher = {
      ...PLAIN,
      verify: async (password, hashed) => done.push(hashed.slice(0, 6)) > 0 && PLAIN.verify(password, hashed),
    };
    const { auth } = createServices((await guarded.cluster.elected()).member, { passwords });
    for (const name of ["nobody", "amy", "cn"]) await guarded.answer(auth.authenticate({ name, password: "x" }, CALL));
    expect(done).toEqual(["plain:", "plain:", "plain:"]);
    // The password that matches the decoy's hash is not theirs, and nothing is proposed for it.
    const { applied } = (await guarded.cluster.elected()).member;
    for (const password of ["amy", "root"]) {
      expect(await guarded.answer(auth.authenticate({ name: "nobody", password }, CALL))).toBe(errAuthFailed.message);
      expect(await guarded.answer(auth.authenticate({ name: "cn", password }, CALL))).toBe(errAuthFailed.message);
    }
    expect((await guarded.cluster.elected()).member.applied).toBe(applied);
  });

  test("AG30: a caller with too many attempts is refused, and others log in meanwhile", async () => {
    const guarded = await GuardedCluster.open();
    const { auth } = guarded.at();
    const wrong = { name: "amy", password: "x" };
    const flood = Array.from({ length: 50 }, () =>
      guarded.answer(auth.authenticate(wrong, { ...CALL, address: "6.6.6.6" })),
    );
    const honest = guarded.answer(auth.authenticate({ name: "amy", password: "amy" }, { ...CALL, address: "1.1.1.1" }));
    expect(await honest).toBe(OK);
    const answers = await Promise.all(flood);
    expect(answers.filter((answer) => answer === errRequestTooManyRequests.message).length).toBe(50 - 33);
    expect(answers.filter((answer) => answer === errAuthFailed.message).length).toBe(33);
  });

  test("AG18: no user logs in while auth is off, and earlier tokens are invalid when it is on again", async () => {
    const guarded = await GuardedCluster.open();
    const { auth, maintenance } = guarded.at();
    const amy = await guarded.as("amy");
    await guarded.settled(auth.authDisable({}, await guarded.as("root")));
    expect(await guarded.answer(auth.authenticate({ name: "amy", password: "amy" }, CALL))).toBe(
      errAuthNotEnabled.message,
    );
    expect(await guarded.answer(maintenance.status({}, { ...CALL, token: "forged" }))).toBe(OK);
    await guarded.settled(auth.authEnable({}, CALL));
    expect(await guarded.answer(maintenance.status({}, amy))).toBe(errInvalidAuthToken.message);
  });

  test("AG19: a password that is changed while the old one is verified does not admit the old one", async () => {
    const guarded = await GuardedCluster.open();
    const { member } = await guarded.cluster.elected();
    const root = await guarded.as("root");
    const change = authUserChangePasswordRequest({ name: "amy", password: "new" });
    let isChanged = false;
    const passwords: PasswordHasher = {
      ...PLAIN,
      async verify(password, hashed) {
        const isRight = await PLAIN.verify(password, hashed);
        if (!isChanged) await guarded.at().auth.userChangePassword(change, root);
        isChanged = true;
        return isRight;
      },
    };
    const { auth } = createServices(member, { passwords });
    expect(await guarded.answer(auth.authenticate({ name: "amy", password: "amy" }, CALL))).toBe(errAuthFailed.message);
  });

  test("AG20: tokens end with a changed password and with their user", async () => {
    const guarded = await GuardedCluster.open();
    const { auth, maintenance } = guarded.at();
    const root = await guarded.as("root");
    const before = await guarded.as("amy");
    await guarded.settled(
      auth.userChangePassword(authUserChangePasswordRequest({ name: "amy", password: "amy" }), root),
    );
    expect(await guarded.answer(maintenance.status({}, before))).toBe(errInvalidAuthToken.message);
    const after = await guarded.as("amy");
    await guarded.settled(auth.userDelete({ name: "amy" }, root));
    expect(await guarded.answer(maintenance.status({}, after))).toBe(errInvalidAuthToken.message);
  });

  test("AG21: no password is in the log, not even one for a user who has none", async () => {
    const guarded = await GuardedCluster.open();
    const root = await guarded.as("root");
    const request = authUserAddRequest({ name: "cn", password: "secret-1", options: { noPassword: true } });
    await guarded.settled(guarded.at().auth.userAdd(request, root));
    await guarded.settled(guarded.at().auth.userAdd(authUserAddRequest({ name: "eve", password: "secret-2" }), root));
    const { member } = await guarded.cluster.elected();
    const log = member.logReader.entries(1, member.applied + 1, Infinity);
    const text = log.map(({ data }) => String.fromCharCode(...data)).join("\n");
    expect(text).toContain("eve");
    expect(text).not.toContain("secret-");
  });

  test("AG22: a caller that may not add users is refused before anything is hashed", async () => {
    const guarded = await GuardedCluster.open();
    let hashed = 0;
    const passwords: PasswordHasher = { ...PLAIN, hash: async () => `plain:${hashed++}` };
    const { auth } = createServices((await guarded.cluster.elected()).member, { passwords });
    const add = authUserAddRequest({ name: "eve", password: "eve" });
    expect(await guarded.answer(auth.userAdd(add, await guarded.as("amy")))).toBe(errPermissionDenied.message);
    expect(await guarded.answer(auth.userAdd(add, CALL))).toBe(errUserEmpty.message);
    expect(hashed).toBe(0);
  });
});

describe("the cluster", () => {
  test("AG23: every member knows a token at once, whichever issued it", async () => {
    const guarded = await GuardedCluster.open(3);
    const amy = await guarded.as("amy", 1n);
    for (const id of [1n, 2n, 3n]) expect(await guarded.answer(guarded.at(id).maintenance.status({}, amy))).toBe(OK);
  });

  test("AG28: a member that lags waits for the entry that issued the token, instead of refusing it", async () => {
    const guarded = await GuardedCluster.open(3);
    const { network, leader } = guarded.cluster;
    const follower = [1n, 2n, 3n].find((id) => id !== leader?.id) as bigint;
    for (const id of [1n, 2n, 3n]) if (id !== follower) network.setLink(id, follower, false);
    const amy = await guarded.as("amy");
    expect(guarded.cluster.node(follower).member.applied).toBeLessThan(leader?.member.applied ?? 0);
    for (const id of [1n, 2n, 3n]) if (id !== follower) network.setLink(id, follower, true);
    expect(await guarded.answer(guarded.at(follower).maintenance.status({}, amy))).toBe(OK);
  });

  test("AG24: a proposal made at an older auth revision is refused where it is applied", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("READWRITE", "a");
    const { member } = await guarded.cluster.elected();
    const { revision } = member.machine.auth;
    const write = (username: string, at: number): Promise<string> =>
      guarded.answer(
        new Promise((resolve, reject) => {
          member.write(
            { type: "put", put: putRequest({ key: A }) },
            (outcome) => (outcome.ok ? resolve(undefined) : reject(outcome.error)),
            { username, revision: at },
          );
        }),
      );
    expect(await write("amy", revision)).toBe(OK);
    expect(await write("amy", revision - 1)).toBe(errAuthOldRevision.message);
    expect(await write("gone", revision)).toBe(errPermissionDenied.message);
    expect(await write("", 0)).toBe(errUserEmpty.message);
  });

  test("AG25: users, roles and the switch survive a restart; tokens do not", async () => {
    const guarded = await GuardedCluster.open();
    await guarded.grant("READ", "a");
    const amy = await guarded.as("amy");
    const image = guarded.cluster.crash(1n);
    await guarded.cluster.start(1n, { type: "join" }, image);
    await guarded.cluster.elected();
    const { kv } = guarded.at();
    expect(await guarded.answer(kv.range(rangeRequest({ key: A }), CALL))).toBe(errUserEmpty.message);
    expect(await guarded.answer(kv.range(rangeRequest({ key: A }), amy))).toBe(errInvalidAuthToken.message);
    const again = await guarded.as("amy");
    expect(await guarded.answer(kv.range(rangeRequest({ key: A }), again))).toBe(OK);
    expect(await guarded.answer(kv.range(rangeRequest({ key: B }), again))).toBe(errPermissionDenied.message);
  });

  test("AG26: a member that joins by a snapshot authorizes like the others", async () => {
    const guarded = await GuardedCluster.open(3, { limits: { logEntries: 20, catchUpEntries: 5 } });
    const follower = [1n, 2n, 3n].find((id) => id !== guarded.cluster.leader?.id) as bigint;
    const image = guarded.cluster.crash(follower);
    await guarded.grant("READ", "a");
    const root = await guarded.as("root");
    for (let count = 0; count < 60; count++) {
      await guarded.settled(guarded.at().kv.put(putRequest({ key: A }), root));
    }
    await guarded.cluster.start(follower, { type: "join" }, image);
    const services = guarded.at(follower);
    const amy = await guarded.as("amy");
    await guarded.settled(services.cluster.memberList({ linearizable: true }, amy));
    expect(guarded.cluster.leader?.member.snapshotsSent).toBeGreaterThan(0);
    expect(await guarded.answer(services.kv.range(rangeRequest({ key: A }), amy))).toBe(OK);
    expect(await guarded.answer(services.kv.range(rangeRequest({ key: B }), amy))).toBe(errPermissionDenied.message);
  });

  test("AG27: while auth is off every caller may call, and a user's own permissions do not matter", async () => {
    const cluster = await Cluster.founded(1);
    const { services } = await cluster.elected();
    for (const [name, call] of everyMethod(services)) {
      if (!/^(kv|lease|cluster|maintenance)\./.test(name)) continue;
      const answer = await cluster.settled(
        call(CALL).then(
          () => OK,
          (error: unknown) => (error as Error).message,
        ),
      );
      expect([errUserEmpty.message, errPermissionDenied.message, errUserNotFound.message]).not.toContain(answer);
    }
  });
});

type Call = (context: CallContext) => Promise<unknown>;

/** Each unary method with a request that its service would accept. */
function everyMethod(services: Services): readonly (readonly [string, Call])[] {
  const { kv, lease, lock, election, auth, cluster, maintenance } = services;
  const name = { name: "eve" };
  const leader = { name: A, key: A, rev: 1, lease: 7n };
  const perm = { permType: "READ", key: A, rangeEnd: EMPTY_BYTES } as const;
  return [
    ["kv.range", (context) => kv.range(rangeRequest({ key: A }), context)],
    ["kv.put", (context) => kv.put(putRequest({ key: A }), context)],
    ["kv.deleteRange", (context) => kv.deleteRange(deleteRangeRequest({ key: A }), context)],
    ["kv.txn", (context) => kv.txn(txnRequest({ success: [{ type: "put", put: putRequest({ key: A }) }] }), context)],
    ["kv.compact", (context) => kv.compact(compactionRequest({ revision: 1 }), context)],
    ["lease.grant", (context) => lease.grant(leaseGrantRequest({ ttl: 60 }), context)],
    ["lease.revoke", (context) => lease.revoke({ id: 7n }, context)],
    ["lease.keepAlive", (context) => lease.keepAlive({ id: 7n }, context)],
    ["lease.timeToLive", (context) => lease.timeToLive(leaseTimeToLiveRequest({ id: 7n }), context)],
    ["lease.leases", (context) => lease.leases({}, context)],
    ["lock.lock", (context) => lock.lock(lockRequest({ name: A }), context)],
    ["lock.unlock", (context) => lock.unlock(unlockRequest({ key: A }), context)],
    ["election.campaign", (context) => election.campaign({ name: A, lease: 0n, value: A }, context)],
    ["election.proclaim", (context) => election.proclaim({ leader, value: A }, context)],
    ["election.leader", (context) => election.leader({ name: A }, context)],
    ["election.resign", (context) => election.resign({ leader }, context)],
    ["auth.authEnable", (context) => auth.authEnable({}, context)],
    ["auth.authDisable", (context) => auth.authDisable({}, context)],
    ["auth.authStatus", (context) => auth.authStatus({}, context)],
    ["auth.authenticate", (context) => auth.authenticate({ name: "amy", password: "wrong" }, context)],
    ["auth.userAdd", (context) => auth.userAdd(authUserAddRequest(name), context)],
    ["auth.userGet", (context) => auth.userGet({ name: "amy" }, context)],
    ["auth.userList", (context) => auth.userList({}, context)],
    ["auth.userDelete", (context) => auth.userDelete(name, context)],
    ["auth.userChangePassword", (context) => auth.userChangePassword(authUserChangePasswordRequest(name), context)],
    ["auth.userGrantRole", (context) => auth.userGrantRole({ user: "amy", role: "root" }, context)],
    ["auth.userRevokeRole", (context) => auth.userRevokeRole({ name: "amy", role: "r" }, context)],
    ["auth.roleAdd", (context) => auth.roleAdd(name, context)],
    ["auth.roleGet", (context) => auth.roleGet({ role: "r" }, context)],
    ["auth.roleList", (context) => auth.roleList({}, context)],
    ["auth.roleDelete", (context) => auth.roleDelete({ role: "r" }, context)],
    [
      "auth.roleGrantPermission",
      (context) => auth.roleGrantPermission(authRoleGrantPermissionRequest({ name: "r", perm }), context),
    ],
    [
      "auth.roleRevokePermission",
      (context) => auth.roleRevokePermission({ role: "r", key: A, rangeEnd: EMPTY_BYTES }, context),
    ],
    ["kv.rangeStream", (context) => drained(kv.rangeStream(rangeRequest({ key: A }), context))],
    ["cluster.memberAdd", (context) => cluster.memberAdd(memberAddRequest({ peerUrls: ["http://a:1"] }), context)],
    ["cluster.memberRemove", (context) => cluster.memberRemove({ id: 9n }, context)],
    ["cluster.memberUpdate", (context) => cluster.memberUpdate({ id: 9n, peerUrls: ["http://a:1"] }, context)],
    ["cluster.memberPromote", (context) => cluster.memberPromote({ id: 9n }, context)],
    ["cluster.memberList", (context) => cluster.memberList({ linearizable: false }, context)],
    ["maintenance.alarm", (context) => maintenance.alarm(alarmRequest(), context)],
    ["maintenance.defragment", (context) => maintenance.defragment({}, context)],
    ["maintenance.hash", (context) => maintenance.hash({}, context)],
    ["maintenance.hashKv", (context) => maintenance.hashKv({ revision: 0 }, context)],
    ["maintenance.snapshot", (context) => drained(maintenance.snapshot({}, context))],
    ["maintenance.moveLeader", (context) => maintenance.moveLeader({ targetId: 9n }, context)],
    ["maintenance.downgrade", (context) => maintenance.downgrade(downgradeRequest(), context)],
    ["maintenance.status", (context) => maintenance.status({}, context)],
  ];
}

async function drained(parts: AsyncIterable<unknown>): Promise<void> {
  const iterator = parts[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}

async function next(guarded: GuardedCluster, stream: WatchStream): Promise<WatchResponse> {
  const response = await guarded.settled(stream.next());
  if (response === undefined) throw new Error("the stream has ended");
  return response;
}
