/**
 * Lists the methods without their messages, for code that counts or forwards calls and need not load the tables of
 * rpc-table.ts. The compiler checks that the two agree.
 */
import type { Rpc, RpcKind } from "./rpc.ts";
import type { RpcTable } from "./rpc-table.ts";

type KindOf<Described> = Described extends Rpc<infer _Request, infer _Response, infer Kind> ? Kind : never;

export type RpcKinds = {
  readonly [Service in keyof RpcTable]: {
    readonly [Name in keyof RpcTable[Service]]: KindOf<RpcTable[Service][Name]>;
  };
};

/** By service and method, as in `RpcTable`. */
export type AnyRpcKinds = Readonly<Record<string, Readonly<Record<string, RpcKind>>>>;

export const RPC_KINDS: RpcKinds = {
  kv: {
    range: "unary",
    rangeStream: "serverStream",
    put: "unary",
    deleteRange: "unary",
    txn: "unary",
    compact: "unary",
  },
  watch: { watch: "bidi" },
  lease: { grant: "unary", revoke: "unary", keepAlive: "bidi", timeToLive: "unary", leases: "unary" },
  cluster: {
    memberAdd: "unary",
    memberRemove: "unary",
    memberUpdate: "unary",
    memberList: "unary",
    memberPromote: "unary",
  },
  maintenance: {
    alarm: "unary",
    status: "unary",
    defragment: "unary",
    hash: "unary",
    hashKv: "unary",
    snapshot: "serverStream",
    moveLeader: "unary",
    downgrade: "unary",
  },
  auth: {
    authEnable: "unary",
    authDisable: "unary",
    authStatus: "unary",
    authenticate: "unary",
    userAdd: "unary",
    userGet: "unary",
    userList: "unary",
    userDelete: "unary",
    userChangePassword: "unary",
    userGrantRole: "unary",
    userRevokeRole: "unary",
    roleAdd: "unary",
    roleGet: "unary",
    roleList: "unary",
    roleDelete: "unary",
    roleGrantPermission: "unary",
    roleRevokePermission: "unary",
  },
  lock: { lock: "unary", unlock: "unary" },
  election: {
    campaign: "unary",
    proclaim: "unary",
    leader: "unary",
    observe: "serverStream",
    resign: "unary",
  },
};
