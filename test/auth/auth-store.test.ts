import { beforeEach, describe, expect, test } from "vitest";
import { AuthStore, errNoPasswordUser, NOBODY } from "../../src/auth/auth-store.ts";
import type { Caller } from "../../src/auth/auth-store.ts";
import { checkRequest } from "../../src/auth/check-request.ts";
import { EMPTY_BYTES, latin1ToBytes } from "../../src/base/bytes.ts";
import { toBase64 } from "../../src/base/text-codes.ts";
import { MemoryTables } from "../../src/mvcc/tables/memory-tables.ts";
import {
  authRoleGrantPermissionRequest,
  authUserAddRequest,
  authUserChangePasswordRequest,
  permission,
} from "../../src/protocol/api/auth.ts";
import type { PermissionType } from "../../src/protocol/api/auth.ts";
import {
  errAuthFailed,
  errAuthNotEnabled,
  errAuthOldRevision,
  errInvalidAuthMgmt,
  errPermissionDenied,
  errPermissionNotGiven,
  errPermissionNotGranted,
  errRoleAlreadyExist,
  errRoleEmpty,
  errRoleNotFound,
  errRoleNotGranted,
  errRootRoleNotExist,
  errRootUserNotExist,
  errUserAlreadyExist,
  errUserEmpty,
  errUserNotFound,
} from "../../src/protocol/errors.ts";
import type { EtcdError } from "../../src/protocol/errors.ts";
import type { InternalRequest } from "../../src/protocol/peer/internal.ts";
import { compare, deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../src/protocol/api/kv.ts";
import type { RequestOp, TxnRequest } from "../../src/protocol/api/kv.ts";

const bytes = latin1ToBytes;
const HASH = toBase64(bytes("hash"));

let tables: MemoryTables;
let auth: AuthStore;
let notified: string[];
let leases: Map<bigint, string[]>;

beforeEach(() => {
  tables = new MemoryTables();
  notified = [];
  leases = new Map();
  auth = opened();
});

describe("users", () => {
  test("AS1: a user needs a name, and each name exists once", () => {
    expect(thrown(() => addUser(""))).toBe(errUserEmpty);
    addUser("amy");
    expect(thrown(() => addUser("amy"))).toBe(errUserAlreadyExist);
    expect(auth.userList()).toEqual(["amy"]);
  });

  test("AS2: a user that does not exist cannot be changed, granted to or deleted", () => {
    expect(thrown(() => auth.userDelete("amy"))).toBe(errUserNotFound);
    expect(thrown(() => auth.userChangePassword(authUserChangePasswordRequest({ name: "amy" })))).toBe(errUserNotFound);
    expect(thrown(() => auth.userGrantRole({ user: "amy", role: "nope" }))).toBe(errUserNotFound);
    expect(thrown(() => auth.userRevokeRole({ name: "amy", role: "nope" }))).toBe(errUserNotFound);
    expect(thrown(() => auth.userGet(NOBODY, "amy"))).toBe(errUserNotFound);
  });

  test("AS3: the role must exist, except root; granting it again changes nothing, not even the revision", () => {
    addUser("amy");
    expect(thrown(() => auth.userGrantRole({ user: "amy", role: "b" }))).toBe(errRoleNotFound);
    auth.userGrantRole({ user: "amy", role: "root" });
    auth.roleAdd("b");
    auth.userGrantRole({ user: "amy", role: "b" });
    const { revision } = auth;
    auth.userGrantRole({ user: "amy", role: "b" });
    expect(auth.revision).toBe(revision);
    expect(auth.userGet(NOBODY, "amy")).toEqual(["b", "root"]);
  });

  test("AS4: only a granted role can be revoked", () => {
    addUser("amy");
    expect(thrown(() => auth.userRevokeRole({ name: "amy", role: "b" }))).toBe(errRoleNotGranted);
  });

  test("AS5: a hash that is not base64 is rejected with etcd's error, except for users without a password", () => {
    const bad = { hashedPassword: "***" };
    expect(thrown(() => auth.userAdd(authUserAddRequest({ name: "amy", ...bad })))).toBe(errNoPasswordUser);
    auth.userAdd(authUserAddRequest({ name: "amy", options: { noPassword: true }, ...bad }));
    auth.userChangePassword(authUserChangePasswordRequest({ name: "amy", ...bad }));
  });
});

describe("roles", () => {
  test("AS6: a role needs a name, and each name exists once", () => {
    expect(thrown(() => auth.roleAdd(""))).toBe(errRoleEmpty);
    auth.roleAdd("r");
    expect(thrown(() => auth.roleAdd("r"))).toBe(errRoleAlreadyExist);
    expect(auth.roleList()).toEqual(["r"]);
  });

  test("AS7: a bad grant fails for the missing permission first, then for the range, then for the role", () => {
    const grant = (name: string, key?: string, rangeEnd = ""): void =>
      auth.roleGrantPermission(
        authRoleGrantPermissionRequest({
          name,
          ...(key === undefined ? {} : { perm: permission({ key: bytes(key), rangeEnd: bytes(rangeEnd) }) }),
        }),
      );
    expect(thrown(() => grant("r"))).toBe(errPermissionNotGiven);
    expect(thrown(() => grant("r", ""))).toBe(errInvalidAuthMgmt);
    expect(thrown(() => grant("r", "b", "a"))).toBe(errInvalidAuthMgmt);
    expect(thrown(() => grant("r", "b", "b"))).toBe(errInvalidAuthMgmt);
    expect(thrown(() => grant("r", "b", "\0"))).toBe(errRoleNotFound);
  });

  const kept = (role: string): readonly string[] =>
    auth.roleGet(NOBODY, role).map(({ key, rangeEnd, permType }) => `${text(key)}-${text(rangeEnd)} ${permType}`);

  test("AS8: a permission that is granted again counts as granted last", () => {
    auth.roleAdd("r");
    grantRange("r", "b", "c", "READWRITE");
    grantRange("r", "a", "c", "WRITE");
    grantRange("r", "b", "c", "READ");
    expect(kept("r")).toEqual(["a-c WRITE", "b-c READ"]);
  });

  test("AS8: ranges of one key are kept as granted, and only the first is found again, as in etcd", () => {
    auth.roleAdd("r");
    grantRange("r", "a", "c", "READWRITE");
    grantRange("r", "a", "b", "WRITE");
    grantRange("r", "a", "c", "READ");
    grantRange("r", "a", "b", "READ");
    expect(kept("r")).toEqual(["a-c READ", "a-b WRITE", "a-b READ"]);
    auth.roleRevokePermission({ role: "r", key: bytes("a"), rangeEnd: bytes("b") });
    expect(kept("r")).toEqual(["a-c READ"]);
  });

  test("AS9: revoking needs the exact range", () => {
    auth.roleAdd("r");
    grantRange("r", "a", "c", "READ");
    const revoke = (role: string, key: string, rangeEnd: string): void =>
      auth.roleRevokePermission({ role, key: bytes(key), rangeEnd: bytes(rangeEnd) });
    expect(thrown(() => revoke("nope", "a", "c"))).toBe(errRoleNotFound);
    expect(thrown(() => revoke("r", "a", "b"))).toBe(errPermissionNotGranted);
    revoke("r", "a", "c");
    expect(auth.roleGet(NOBODY, "r")).toEqual([]);
  });

  test("AS10: a deleted role is removed from its users", () => {
    auth.roleAdd("r");
    addUser("amy");
    auth.userGrantRole({ user: "amy", role: "r" });
    auth.roleDelete("r");
    expect(auth.userGet(NOBODY, "amy")).toEqual([]);
    expect(thrown(() => auth.roleDelete("r"))).toBe(errRoleNotFound);
  });

  test("AS11: the role root covers all keys, whatever was granted to it", () => {
    auth.roleAdd("root");
    expect(auth.roleGet(NOBODY, "root")).toEqual([
      { permType: "READWRITE", key: EMPTY_BYTES, rangeEnd: Uint8Array.of(0) },
    ]);
  });
});

describe("enabling and disabling", () => {
  test("AS12: enabling needs the user root, then its role root", () => {
    expect(thrown(() => auth.enable())).toBe(errRootUserNotExist);
    addUser("root");
    expect(thrown(() => auth.enable())).toBe(errRootRoleNotExist);
    auth.userGrantRole({ user: "root", role: "root" });
    auth.enable();
    auth.enable();
    expect(auth.enabled).toBe(true);
  });

  test("AS13: while auth is on, root can neither be deleted nor lose its role", () => {
    enableWithRoot();
    expect(thrown(() => auth.userDelete("root"))).toBe(errInvalidAuthMgmt);
    expect(thrown(() => auth.roleDelete("root"))).toBe(errInvalidAuthMgmt);
    expect(thrown(() => auth.userRevokeRole({ name: "root", role: "root" }))).toBe(errInvalidAuthMgmt);
    auth.disable();
    auth.userDelete("root");
  });

  test("AS14: each change raises the revision by one, from 1; enabling does not, disabling does", () => {
    expect(auth.revision).toBe(1);
    enableWithRoot();
    expect(auth.revision).toBe(3);
    auth.disable();
    auth.disable();
    expect(auth.revision).toBe(4);
    expect(thrown(() => auth.roleDelete("nope"))).toBe(errRoleNotFound);
    expect(auth.revision).toBe(4);
  });

  test("AS15: all state is in the tables: a store that is opened on them behaves the same", () => {
    enableWithRoot();
    addUser("amy", "r");
    const again = opened();
    expect(again.enabled).toBe(true);
    expect(again.revision).toBe(auth.revision);
    expect(again.userList()).toEqual(["amy", "root"]);
    expect(again.roleList()).toEqual(["r"]);
    expect(again.hashedPassword("amy")?.hash).toEqual(bytes("hash"));
  });
});

describe("tokens", () => {
  test("AS16: authentication fails while auth is off; an unknown user and a missing password fail alike", () => {
    const authenticate = (name: string): unknown => auth.authenticate({ name, password: "", simpleToken: "t" }, 9);
    expect(thrown(() => authenticate("root"))).toBe(errAuthNotEnabled);
    expect(thrown(() => auth.hashedPassword("root"))).toBe(errAuthNotEnabled);
    enableWithRoot();
    auth.userAdd(authUserAddRequest({ name: "cn", options: { noPassword: true } }));
    expect(thrown(() => authenticate("nobody"))).toBe(errAuthFailed);
    expect(thrown(() => authenticate("cn"))).toBe(errAuthFailed);
    expect(auth.hashedPassword("nobody")).toBeUndefined();
    expect(auth.hashedPassword("cn")).toBeUndefined();
    expect(authenticate("root")).toEqual({ token: "t.9", revision: auth.revision });
    expect(notified).toEqual(["root has t.9"]);
  });

  test("AS17: tokens are invalidated when their user, its password or auth itself goes", () => {
    enableWithRoot();
    addUser("amy");
    auth.userChangePassword(authUserChangePasswordRequest({ name: "amy", hashedPassword: HASH }));
    auth.userDelete("amy");
    auth.disable();
    expect(notified).toEqual(["amy out", "amy out", "all out"]);
  });
});

describe("the check of each request in the log", () => {
  const amy = (): Caller => ({ username: "amy", revision: auth.revision });

  beforeEach(() => {
    enableWithRoot();
    addUser("amy", "r");
    grantRange("r", "a", "b", "READ");
    grantRange("r", "c", "d", "WRITE");
    grantRange("r", "e", "f", "READWRITE");
  });

  test("AC1: fails without a name, with an old revision, for a deleted user, in this order", () => {
    const get = range("a1");
    expect(checked(get, NOBODY)).toBe(errUserEmpty);
    expect(checked(get, { username: "gone", revision: auth.revision - 1 })).toBe(errAuthOldRevision);
    expect(checked(get, { username: "gone", revision: auth.revision })).toBe(errPermissionDenied);
    expect(checked(get)).toBeUndefined();
  });

  test("AC2: range reads, put and delete write, and each fails for a caller with only the other permission", () => {
    expect(checked(range("c1"))).toBe(errPermissionDenied);
    expect(checked(range("a", "b"))).toBeUndefined();
    expect(checked(range("a", "b\0"))).toBe(errPermissionDenied);
    expect(checked(put("a1"))).toBe(errPermissionDenied);
    expect(checked(put("c1"))).toBeUndefined();
    expect(checked(del("a1"))).toBe(errPermissionDenied);
    expect(checked(del("c", "d"))).toBeUndefined();
  });

  test("AC3: prev_kv returns a value, so it needs read permission", () => {
    expect(checked(put("c1", { prevKv: true }))).toBe(errPermissionDenied);
    expect(checked(put("e1", { prevKv: true }))).toBeUndefined();
    expect(checked({ type: "deleteRange", deleteRange: deletion("c", "d", true) })).toBe(errPermissionDenied);
    expect(checked({ type: "deleteRange", deleteRange: deletion("e", "f", true) })).toBeUndefined();
  });

  test.each<[string, Partial<TxnRequest>]>([
    ["a comparison", { compare: [compare({ key: bytes("c1") })] }],
    ["the branch that runs", { success: [opPut("a1")] }],
    ["the branch that does not run", { failure: [opPut("a1")] }],
    ["prev_kv of a put", { success: [{ type: "put", put: putRequest({ key: bytes("c1"), prevKv: true }) }] }],
    ["prev_kv of a deletion", { failure: [{ type: "deleteRange", deleteRange: deletion("c1", "", true) }] }],
    ["a nested txn", { success: [nested({ failure: [opPut("a1")] })] }],
    ["a comparison of a nested txn", { failure: [nested({ compare: [compare({ key: bytes("c1") })] })] }],
    ["a txn nested twice", { success: [nested({ success: [nested({ failure: [opPut("a1")] })] })] }],
    ["a range", { success: [{ type: "range", range: rangeRequest({ key: bytes("c1") }) }] }],
  ])("AC4 (CVE-2026-33343): what a txn may not do fails in %s too", (_what, set) => {
    expect(checked({ type: "txn", txn: txnRequest(set) })).toBe(errPermissionDenied);
    const allowed = {
      compare: [compare({ key: bytes("a1") })],
      success: [opPut("c1"), nested({ failure: [opPut("e1")] })],
    };
    expect(checked({ type: "txn", txn: txnRequest(allowed) })).toBeUndefined();
  });

  test("AC5: attaching a key to a lease needs write permission for all keys of the lease", () => {
    leases.set(7n, ["c1", "a1"]);
    leases.set(8n, ["c1"]);
    expect(checked(put("c2", { lease: 7n }))).toBe(errPermissionDenied);
    expect(checked(put("c2", { lease: 8n }))).toBeUndefined();
    expect(checked(put("c2", { lease: 9n }))).toBeUndefined();
    const op: RequestOp = { type: "put", put: putRequest({ key: bytes("c2"), lease: 7n }) };
    expect(checked({ type: "txn", txn: txnRequest({ failure: [nested({ success: [op] })] }) })).toBe(
      errPermissionDenied,
    );
  });

  test("AC6: revoking a lease needs write permission for all its keys", () => {
    leases.set(7n, ["a1"]);
    expect(checked({ type: "leaseRevoke", leaseRevoke: { id: 7n } })).toBe(errPermissionDenied);
    expect(checked({ type: "leaseRevoke", leaseRevoke: { id: 7n } }, NOBODY)).toBe(errUserEmpty);
    expect(checked({ type: "leaseRevoke", leaseRevoke: { id: 7n } }, root())).toBeUndefined();
    expect(checked({ type: "leaseRevoke", leaseRevoke: { id: 8n } })).toBeUndefined();
  });

  test("AC7: only root changes users and roles: no name, an unknown name and another name fail differently", () => {
    const add: InternalRequest = { type: "authUserAdd", authUserAdd: authUserAddRequest({ name: "eve" }) };
    expect(checked(add, NOBODY)).toBe(errUserEmpty);
    expect(checked(add, { username: "gone", revision: 1 })).toBe(errUserNotFound);
    expect(checked(add)).toBe(errPermissionDenied);
    expect(checked(add, root())).toBeUndefined();
    expect(checked({ type: "compaction", compaction: { revision: 1, physical: false } })).toBe(errPermissionDenied);
  });

  test("AC8: a user may read itself and its roles", () => {
    expect(auth.userGet(amy(), "amy")).toEqual(["r"]);
    expect(thrown(() => auth.userGet(amy(), "root"))).toBe(errPermissionDenied);
    expect(auth.roleGet(amy(), "r")).toHaveLength(3);
    expect(thrown(() => auth.roleGet(amy(), "other"))).toBe(errPermissionDenied);
    expect(thrown(() => auth.roleGet(NOBODY, "r"))).toBe(errUserEmpty);
  });

  test("AC9: a revoked permission, or one of a deleted role, has no effect", () => {
    auth.roleRevokePermission({ role: "r", key: bytes("a"), rangeEnd: bytes("b") });
    expect(checked(range("a1"))).toBe(errPermissionDenied);
    auth.userRevokeRole({ name: "amy", role: "r" });
    expect(checked(range("e1"))).toBe(errPermissionDenied);
  });

  test("AC10: any user with the role root may do everything", () => {
    auth.userGrantRole({ user: "amy", role: "root" });
    expect(checked(range("\0", "\0"))).toBeUndefined();
    expect(checked({ type: "authRoleList", authRoleList: {} })).toBeUndefined();
  });

  test("AC11: while auth is off every request is allowed", () => {
    auth.disable();
    expect(checked(put("zz"), NOBODY)).toBeUndefined();
    expect(checked({ type: "authUserList", authUserList: {} }, NOBODY)).toBeUndefined();
  });

  function checked(request: InternalRequest, caller: Caller = amy()): EtcdError | undefined {
    const keysOfLease = (id: bigint): Uint8Array[] => (leases.get(id) ?? []).map(bytes);
    return thrown(() => checkRequest({ auth, caller, keysOfLease }, request));
  }

  function root(): Caller {
    return { username: "root", revision: auth.revision };
  }
});

function opened(): AuthStore {
  return new AuthStore(tables, {
    assign: (name, token) => notified.push(`${name} has ${token}`),
    invalidateUser: (name) => notified.push(`${name} out`),
    invalidateAll: () => notified.push("all out"),
  });
}

function addUser(name: string, role?: string): void {
  auth.userAdd(authUserAddRequest({ name, hashedPassword: HASH }));
  if (role === undefined) return;
  auth.roleAdd(role);
  auth.userGrantRole({ user: name, role });
}

function enableWithRoot(): void {
  addUser("root");
  auth.userGrantRole({ user: "root", role: "root" });
  auth.enable();
}

function grantRange(role: string, key: string, rangeEnd: string, permType: PermissionType): void {
  auth.roleGrantPermission({ name: role, perm: { permType, key: bytes(key), rangeEnd: bytes(rangeEnd) } });
}

function range(key: string, rangeEnd = ""): InternalRequest {
  return { type: "range", range: rangeRequest({ key: bytes(key), rangeEnd: bytes(rangeEnd) }) };
}

function put(key: string, set: Parameters<typeof putRequest>[0] = {}): InternalRequest {
  return { type: "put", put: putRequest({ key: bytes(key), ...set }) };
}

function del(key: string, rangeEnd = ""): InternalRequest {
  return { type: "deleteRange", deleteRange: deletion(key, rangeEnd, false) };
}

function deletion(key: string, rangeEnd: string, prevKv: boolean): ReturnType<typeof deleteRangeRequest> {
  return deleteRangeRequest({ key: bytes(key), rangeEnd: bytes(rangeEnd), prevKv });
}

function opPut(key: string): RequestOp {
  return { type: "put", put: putRequest({ key: bytes(key) }) };
}

function nested(set: Partial<TxnRequest>): RequestOp {
  return { type: "txn", txn: txnRequest(set) };
}

function text(value: Uint8Array): string {
  return String.fromCharCode(...value);
}

function thrown(run: () => unknown): EtcdError | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error as EtcdError;
  }
}
