/**
 * The package `quorate`: the client for an endpoint, anywhere that has `fetch`.
 *
 * ```ts
 * import { connect } from "quorate";
 *
 * const client = connect({ endpoint: "http://localhost:8787" });
 * await client.kv.put("flags/dark", "on");
 * for await (const { events } of client.watch("flags/", { prefix: true })) console.log(events);
 * ```
 */
export { connect } from "../client/app/connect.ts";
export type { ConnectOptions } from "../client/app/connect.ts";
export type { ApplicationClient } from "../client/app/application-client.ts";
export { bytes, json, text } from "../client/app/codec.ts";
export type { Codec } from "../client/app/codec.ts";
export type { ConnectionSnapshot, ConnectionState } from "../client/app/connection.ts";
export type { Entry } from "../client/app/entry.ts";
export { ConflictError, InvalidValueError, isRetryable, LeaseLostError } from "../client/app/errors.ts";
export type { SchemaIssue } from "../client/app/errors.ts";
export type { HeldLock, LockOptions } from "../client/app/held-lock.ts";
export type { Election, LeaderInfo, Leadership } from "../client/app/leadership.ts";
export type { Live } from "../client/app/live.ts";
export type { LiveSnapshot } from "../client/app/live-snapshot.ts";
export type { Created, LiveOptions, Namespace, WriteOptions } from "../client/app/namespace.ts";
export type { NamespaceOutbox, ValueHandler } from "../client/app/namespace-outbox.ts";
export type { List, PendingReadOptions, ReadOptions } from "../client/app/namespace-types.ts";
export { OutboxFullError } from "../client/outbox/errors.ts";
export { memoryOutboxStore } from "../client/outbox/memory-store.ts";
export type {
  NewEntry,
  OutboxChange,
  OutboxData,
  OutboxIdentity,
  OutboxLimits,
  OutboxMeta,
  OutboxStore,
  StoredEntry,
} from "../client/outbox/outbox-store.ts";
export type {
  HandlerContext,
  Outbox,
  OutboxEntry,
  OutboxHandler,
  OutboxOptions,
  OutboxSnapshot,
  OutboxState,
  QueuedDeleteOptions,
  QueuedPutOptions,
  QueuedTxn,
  QueuedUpdateOptions,
  QueuedWrite,
  QueueOptions,
} from "../client/outbox/outbox-types.ts";
export type { OutboxVerdict } from "../client/outbox/verdict.ts";
export type { Presence, PresenceOptions } from "../client/app/presence.ts";
export type { StandardSchema, ValueOptions } from "../client/app/schema.ts";
export type { Transaction, TransactionOptions } from "../client/app/transaction.ts";
export { EtcdError, GrpcCode, toText } from "../client/client.ts";
export { CompactedError } from "../client/facade/compacted-error.ts";
export type { CallOptions } from "../client/common/call.ts";
export type { AuthClient, AuthStatus, PermissionKind, RolePermission } from "../client/facade/auth.ts";
export type { ClusterClient, ClusterMember } from "../client/facade/cluster.ts";
export type { Client, KvClient, Status } from "../client/client.ts";
export { compare, op } from "../client/facade/txn.ts";
export type { Compare, CompareHelpers, Comparison, OpHelpers, RequestOp, Txn } from "../client/facade/txn.ts";
export type { KeepAliveOptions, KeptAlive, KeptAliveEnd, LeaseClient, LeaseGrant } from "../client/facade/lease.ts";
export type { KeepAliveResult, LeaseTimeToLive } from "../client/facade/lease.ts";
export type { ElectionClient, Leader, LeaderKey, LockClient, WaitOptions } from "../client/facade/lock.ts";
export type { Alarm, HashKv, MaintenanceClient, MemberStatus } from "../client/facade/maintenance.ts";
export type { User } from "../client/facade/authenticated.ts";
export type { Watcher } from "../client/facade/lazy-watcher.ts";
export type { WebSocketConstructor, WebSocketLike } from "../client/common/web-socket-like.ts";
export type {
  Bytes,
  CompactOptions,
  CompactResult,
  DeleteRangeOptions,
  DeleteRangeResult,
  Header,
  Id,
  KeyRange,
  KeyValue,
  OpResult,
  PutOptions,
  PutResult,
  RangeOptions,
  RangeResult,
  SortBy,
  TxnResult,
  WatchEvent,
  WatchOptions,
  WatchResponse,
} from "../client/common/types.ts";
