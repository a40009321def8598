/**
 * The client: what applications import, and what `window.quorate` is.
 *
 *   import { createClient } from "./client.ts";
 *   import { httpServices } from "./http-services.ts";
 *
 *   const client = createClient(httpServices({ endpoint: "http://localhost:8787" }));
 *   await client.kv.put("colour", "blue");
 *   const { kvs } = await client.kv.range("col", { prefix: true });
 *   for await (const { events } of client.watch("colour", { startRevision: 1 })) console.log(events);
 *
 * It is one layer over `Services`, so it is the same for a member in this tab and for one behind HTTP. Every method
 * rejects with an EtcdError (gRPC code, and etcd's own text where the server sent it) and with nothing else. After
 * `close()` every call fails with code Canceled.
 *
 * Limits of a server, unless its operator changed them: 1.5 MiB for a request, 128 operations in a branch of a txn.
 */
/// <reference lib="esnext.disposable" preserve="true" />
import type { CallContext, MemberView, Services } from "../member/api/services.ts";
import { EtcdError, GrpcCode } from "../protocol/etcd-error.ts";
import type { User } from "./facade/authenticated.ts";
import { clientServices } from "./common/client-services.ts";
import type { ClientServices } from "./common/client-services.ts";
import { count, headerOf, toText } from "./common/convert.ts";
import { lazyFacades } from "./facade/lazy-facades.ts";
import type { LazyFacades } from "./facade/lazy-facades.ts";
import { lazyUser } from "./facade/lazy-user.ts";
import { callIn } from "./common/call.ts";
import type { Call, CallOptions } from "./common/call.ts";
import { SYSTEM_BACKOFF } from "./common/backoff.ts";
import type { BackoffTimer } from "./common/backoff.ts";
import {
  deleteRangeOf,
  deleteRangeResult,
  putOf,
  putResult,
  rangeOf,
  rangeResult,
  txnResult,
} from "./facade/requests.ts";
import { compare, op, Txn } from "./facade/txn.ts";
import type { CompareHelpers, OpHelpers } from "./facade/txn.ts";
import type {
  Bytes,
  CompactOptions,
  CompactResult,
  DeleteRangeOptions,
  DeleteRangeResult,
  PutOptions,
  PutResult,
  RangeOptions,
  RangeResult,
} from "./common/types.ts";

export { EtcdError, GrpcCode } from "../protocol/etcd-error.ts";
export { toText } from "./common/convert.ts";

/** Result of `status()`. `MemberView` describes the fields. */
export type Status = MemberView;

export interface ClientOptions {
  /** Sent with each call. A server with auth enabled needs it. */
  readonly token?: string;
  /**
   * The user in whose name calls are made. The client authenticates before the first call, and again when the server
   * rejects its token.
   */
  readonly user?: User | undefined;
  /** Makes a member without a leader reject calls and end watches at once. Default false. */
  readonly requireLeader?: boolean;
  /** Resolves when the services can serve calls. Default: at once. */
  readonly ready?: Promise<void>;
  /** For tests. */
  readonly backoff?: BackoffTimer;
}

/** Keys and values, as in etcd's KV service. */
export interface KvClient {
  /** Puts a key. Rejects with NotFound if the lease does not exist, with ResourceExhausted if the database is full. */
  put(key: Bytes, value: Bytes, options?: PutOptions & CallOptions): Promise<PutResult>;
  /**
   * Reads a key, or the range that `options` defines. Rejects with OutOfRange if `options.revision` is compacted or in
   * the future.
   */
  range(key: Bytes, options?: RangeOptions & CallOptions): Promise<RangeResult>;
  /** Deletes a key, or the range that `options` defines, in one revision. */
  deleteRange(key: Bytes, options?: DeleteRangeOptions & CallOptions): Promise<DeleteRangeResult>;
  /** Returns a builder of a transaction. `commit()` sends it. */
  txn(): Txn;
  /**
   * Compacts the history up to `revision`. Later reads below it reject with OutOfRange, watches with CompactedError.
   * Rejects with OutOfRange if `revision` is compacted or in the future.
   */
  compact(revision: number, options?: CompactOptions & CallOptions): Promise<CompactResult>;
}

/** etcd's calls, as `createClient` makes them for any transport. */
export interface Client extends LazyFacades, AsyncDisposable {
  /** Resolves when the services can serve calls. */
  readonly ready: Promise<void>;
  readonly kv: KvClient;
  /**
   * Ends all watches and all keep-alives, and makes further calls reject with Canceled. Leases are not revoked. `await using`
   * does the same.
   */
  close(): void;
  /** Comparisons for txns: `compare.version(key).equals(3)`. */
  readonly compare: CompareHelpers;
  /** Operations for txns: `op.put(key, value)`. */
  readonly op: OpHelpers;
  /** Decodes UTF-8, with U+FFFD for invalid bytes. */
  readonly toText: (bytes: Uint8Array) => string;
}

export function createClient(given: Services | ClientServices, options: ClientOptions = {}): Client {
  const asked = clientServices(given);
  const services = options.user === undefined ? asked : lazyUser(asked, options.user);
  const context: CallContext = { token: options.token ?? "", requireLeader: options.requireLeader === true };
  const closed = new AbortController();
  const checkOpen = (): void => {
    if (closed.signal.aborted) throw new EtcdError(GrpcCode.Canceled, "the client is closed");
  };
  const backoff = options.backoff ?? SYSTEM_BACKOFF;
  return {
    ready: options.ready ?? Promise.resolve(),
    kv: kvClient(services, callIn(context, checkOpen)),
    ...lazyFacades({ services, context, backoff, checkOpen, closed: closed.signal }),
    close: () => closed.abort(),
    [Symbol.asyncDispose]: async () => closed.abort(),
    compare,
    op,
    toText,
  };
}

function kvClient({ kv }: ClientServices, call: Call): KvClient {
  return {
    async put(key, value, options = {}) {
      const request = putOf(key, value, options);
      return putResult(await call(options, (context) => kv.put(request, context)));
    },
    async range(key, options = {}) {
      const request = rangeOf(key, options);
      return rangeResult(await call(options, (context) => kv.range(request, context)));
    },
    async deleteRange(key, options = {}) {
      const request = deleteRangeOf(key, options);
      return deleteRangeResult(await call(options, (context) => kv.deleteRange(request, context)));
    },
    txn: () =>
      new Txn(async (request, options) => txnResult(await call(options, (context) => kv.txn(request, context)))),
    async compact(revision, options = {}) {
      const request = { revision: count("revision", revision), physical: options.physical === true };
      const { header } = await call(options, (context) => kv.compact(request, context));
      return { header: headerOf(header) };
    },
  };
}
