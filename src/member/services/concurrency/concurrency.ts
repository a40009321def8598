/**
 * Keys under a prefix as a line in which the oldest is first: what etcd's locks and elections are made of. Whoever hangs
 * a key on its lease stands in line; the one whose key was created first has the lock, or leads.
 *
 * All of it is done with the services that everybody has, as etcd's own client does it, so there is no rule here that a
 * client could not follow by itself. Only what a caller that is gone leaves behind is the member's to remove (places.ts).
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
  readonly places: Places;
}

/** etcd's, for who brings no lease; nobody keeps it alive. */
const SESSION_TTL_SECONDS = 60;

/** The lease to stand in line with: the caller's, or one made for it. */
export async function sessionLease(services: SessionServices, lease: bigint, context: CallContext): Promise<bigint> {
  if (lease !== 0n) return lease;
  return (await services.lease.grant(leaseGrantRequest({ ttl: SESSION_TTL_SECONDS }), context)).id;
}

/** What a call holds in the queue while it waits. */
export interface Place {
  readonly key: Uint8Array;
  readonly lease: bigint;
  /** Create revision of the key; 0 until it is known, and for a lock that the lease held before the call. */
  revision: number;
}

/**
 * Runs a call that takes a place in the queue. When its caller is gone by the end, whatever the end is, the call takes
 * the place back: a lease that was made for this call ends, because nobody else knows its id; with the caller's own
 * lease the key is deleted. etcd does the same, but for a caller that leaves before it waits or when it is about to be
 * answered: there etcd leaves the key until the lease ends.
 */
export async function withPlace<R>(
  services: SessionServices,
  prefix: Uint8Array,
  askedLease: bigint,
  context: CallContext,
  run: (place: Place) => Promise<R>,
): Promise<R> {
  const { places } = services;
  const lease = await sessionLease(services, askedLease, context);
  const place: Place = { key: sessionKey(prefix, lease), lease, revision: 0 };
  const leave = places.enter(place.key);
  try {
    checkThere(context);
    const result = await run(place);
    checkThere(context);
    return result;
  } catch (error) {
    if (isGone(context)) {
      if (askedLease === 0n) await places.endLease(lease);
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

/** As Go prints the lease: a negative one with a sign. */
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

/** The key is the one that was created then; 0: there is none. */
export function createdAt(key: Uint8Array, createRevision: number): Compare {
  return compare({ key, target: "CREATE", targetUnion: { type: "createRevision", createRevision } });
}

/**
 * Waits until all keys of the line that were created before `revision` are deleted, and then until the front has made
 * sure that the caller is still there: whoever is gone must not get what others wait for.
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

/** A watch on one range that ends, with an error, when the caller does not wait any more. */
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
 * A watch that etcd does not make says why with its code. Who loses the permission later is told when it next reads, which
 * is without one; here the watch says so.
 */
function reasonOf({ created, cancelReason }: WatchResponse): string {
  return created ? cancelReason : cancelReason.replace(/^rpc error: code = \w+ desc = /, "");
}

/** What Go's client says about a call that its caller gave up. */
export const errContextCanceled: EtcdError = new EtcdError(GrpcCode.Canceled, "context canceled");

/** etcd passes errors on in this place without their code. */
export function serviceError(message: string): EtcdError {
  return new EtcdError(GrpcCode.Unknown, message);
}

/** Runs what etcd's own client would do, and tells errors as its service does. */
export async function withServiceErrors<R>(run: () => Promise<R>): Promise<R> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof EtcdError) || error === errContextCanceled) throw error;
    throw serviceError(error.message);
  }
}
