/**
 * A queue of keys under a prefix, the oldest first, from which etcd's locks and elections are built. A client queues
 * with a key attached to its lease. The key created first holds the lock, or leads.
 *
 * All of it uses the public services, as etcd's own client does, so there is no rule that a client could not follow by
 * itself. Only keys of callers that are gone are removed by the member (places.ts).
 */
import { concatBytes, latin1ToBytes, prefixEnd } from "../../../base/bytes.ts";
import { EtcdError, GrpcCode, errCompacted } from "../../../protocol/errors.ts";
import { compare, rangeRequest } from "../../../protocol/api/kv.ts";
import type { Compare, RangeRequest, RangeResponse } from "../../../protocol/api/kv.ts";
import { leaseGrantRequest } from "../../../protocol/api/lease.ts";
import { watchCreateRequest } from "../../../protocol/api/watch.ts";
import type { WatchCreateRequest, WatchResponse } from "../../../protocol/api/watch.ts";
import type { Places } from "./places.ts";
import type { CallContext, KvService, LeaseService, WatchService } from "../../api/services.ts";

export interface SessionServices {
  readonly kv: KvService;
  readonly watch: WatchService;
  readonly lease: LeaseService;
  readonly places: Pick<Places, "enter" | "remove" | "endLease">;
}

/** etcd's TTL for a caller without a lease. It is not kept alive. */
const SESSION_TTL_SECONDS = 60;

/** Returns the lease for the key: the caller's, or a new one. */
export async function sessionLease(services: SessionServices, lease: bigint, context: CallContext): Promise<bigint> {
  if (lease !== 0n) return lease;
  return (await services.lease.grant(leaseGrantRequest({ ttl: SESSION_TTL_SECONDS }), context)).id;
}

/** A call's position in the queue. */
export interface Place {
  readonly key: Uint8Array;
  readonly lease: bigint;
  /** Create revision of the key; 0 until it is known, and for a lock that the lease held before the call. */
  revision: number;
}

/**
 * Runs a call that takes a position in the queue. If its caller is gone by the end, however it ends, the call gives the
 * position up: a lease granted for this call is revoked, because no client knows its id; with the caller's own lease
 * the key is deleted. etcd does the same, except for a caller that leaves before it waits or just before its response:
 * there etcd keeps the key until the lease expires.
 */
export async function withPlace<R>(
  services: SessionServices,
  prefix: Uint8Array,
  requestedLease: bigint,
  context: CallContext,
  run: (place: Place) => Promise<R>,
): Promise<R> {
  const { places } = services;
  const lease = await sessionLease(services, requestedLease, context);
  const place: Place = { key: sessionKey(prefix, lease), lease, revision: 0 };
  const leave = places.enter(place.key);
  try {
    checkThere(context);
    const result = await run(place);
    checkThere(context);
    return result;
  } catch (error) {
    if (isGone(context)) {
      if (requestedLease === 0n) await places.endLease(lease);
      else if (place.revision > 0) await places.remove(place.key, place.revision);
    }
    throw error;
  } finally {
    leave();
  }
}

function checkThere(context: CallContext): void {
  if (isGone(context)) throw errContextCanceled;
}

function isGone({ signal }: CallContext): boolean {
  return signal?.aborted === true;
}

export function electionPrefix(name: Uint8Array): Uint8Array {
  return concatBytes(name, latin1ToBytes("/"));
}

/** Formats the lease as Go does: a negative one with a sign. */
export function sessionKey(prefix: Uint8Array, lease: bigint): Uint8Array {
  return concatBytes(prefix, latin1ToBytes(lease.toString(16)));
}

export function oldestKey(prefix: Uint8Array): RangeRequest {
  return rangeRequest({
    key: prefix,
    rangeEnd: prefixEnd(prefix),
    limit: 1,
    sortOrder: "ASCEND",
    sortTarget: "CREATE",
  });
}

/** Compares that the key was created at this revision; 0: that it does not exist. */
export function createdAt(key: Uint8Array, createRevision: number): Compare {
  return compare({ key, target: "CREATE", targetUnion: { type: "createRevision", createRevision } });
}

/**
 * Waits until all keys of the queue that were created before `revision` are deleted. Then waits until the API layer has
 * verified that the caller is still there: a caller that is gone must not get what others wait for.
 */
export async function waitDeletes(
  services: SessionServices,
  prefix: Uint8Array,
  revision: number,
  context: CallContext,
): Promise<void> {
  let hasWaited = false;
  for (;;) {
    const before = await lastKeyBefore(services, prefix, revision, context);
    const [last] = before.kvs;
    if (last === undefined) break;
    hasWaited = true;
    await waitDelete(services, last.key, before.header.revision, context);
  }
  if (hasWaited) await context.confirmWaiting?.();
  checkThere(context);
}

function lastKeyBefore(
  services: SessionServices,
  prefix: Uint8Array,
  revision: number,
  context: CallContext,
): Promise<RangeResponse> {
  const request = rangeRequest({
    key: prefix,
    rangeEnd: prefixEnd(prefix),
    limit: 1,
    sortOrder: "DESCEND",
    sortTarget: "CREATE",
    maxCreateRevision: revision - 1,
  });
  return services.kv.range(request, context);
}

async function waitDelete(
  services: SessionServices,
  key: Uint8Array,
  startRevision: number,
  context: CallContext,
): Promise<void> {
  const watch = new KeyWatch(services, watchCreateRequest({ key, startRevision }), context);
  try {
    for (;;) {
      const response = await watch.next();
      if (response.events.some(({ type }) => type === "DELETE")) return;
    }
  } finally {
    watch.close();
  }
}

/** A watch on one range. It fails when the caller no longer waits. */
export class KeyWatch {
  readonly #stream: ReturnType<WatchService["watch"]>;
  readonly #signal: AbortSignal | undefined;
  readonly #abort: () => void = () => this.#stream.close();

  constructor({ watch }: SessionServices, create: WatchCreateRequest, context: CallContext) {
    this.#signal = context.signal;
    if (this.#signal?.aborted === true) throw errContextCanceled;
    this.#stream = watch.watch(context);
    this.#signal?.addEventListener("abort", this.#abort, { once: true });
    this.#stream.request({ type: "create", create });
  }

  async next(): Promise<WatchResponse> {
    const response = await this.#stream.next();
    if (this.#signal?.aborted === true) throw errContextCanceled;
    if (response === undefined) throw serviceError("lost watcher waiting for delete");
    if (response.canceled) throw serviceError(reasonOf(response) || errCompacted.message);
    return response;
  }

  close(): void {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#stream.close();
  }
}

/**
 * If the watch was refused, etcd returns the reason with its code. A client that loses its permission later gets the
 * error at its next read, without a code; here the watch reports it.
 */
function reasonOf({ created, cancelReason }: WatchResponse): string {
  return created ? cancelReason : cancelReason.replace(/^rpc error: code = \w+ desc = /, "");
}

/** Error of Go's client for a call that its caller cancelled. */
export const errContextCanceled: EtcdError = new EtcdError(GrpcCode.Canceled, "context canceled");

/** Creates an error without its code, as etcd returns errors here. */
export function serviceError(message: string): EtcdError {
  return new EtcdError(GrpcCode.Unknown, message);
}

/** Runs what etcd's own client would do, and converts errors as etcd's service does. */
export async function withServiceErrors<R>(run: () => Promise<R>): Promise<R> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof EtcdError) || error === errContextCanceled) throw error;
    throw serviceError(error.message);
  }
}
