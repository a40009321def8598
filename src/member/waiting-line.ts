/**
 * Keys under a prefix as a line in which the oldest is first: what etcd's locks and elections are made of. Whoever hangs
 * a key on its lease stands in line; the one whose key was created first has the lock, or leads.
 *
 * All of it is done with the services that everybody has, as etcd's own client does it, so there is no state here and
 * no rule that a client could not follow by itself.
 */
import { concatBytes, latin1ToBytes, prefixEnd } from "../base/bytes.ts";
import { EtcdError, GrpcCode, errCompacted } from "../protocol/errors.ts";
import { compare, rangeRequest } from "../protocol/kv.ts";
import type { Compare, RangeRequest, RangeResponse } from "../protocol/kv.ts";
import { leaseGrantRequest } from "../protocol/lease.ts";
import { watchCreateRequest } from "../protocol/watch.ts";
import type { WatchCreateRequest, WatchResponse } from "../protocol/watch.ts";
import type { CallContext, KvService, LeaseService, WatchService } from "./services.ts";

export interface LineServices {
  readonly kv: KvService;
  readonly watch: WatchService;
  readonly lease: LeaseService;
}

/** etcd's, for who brings no lease; nobody keeps it alive. */
const SESSION_TTL_SECONDS = 60;

/** The lease to stand in line with: the caller's, or one made for it. */
export async function sessionLease(services: LineServices, lease: bigint, context: CallContext): Promise<bigint> {
  if (lease !== 0n) return lease;
  return (await services.lease.grant(leaseGrantRequest({ ttl: SESSION_TTL_SECONDS }), context)).id;
}

export function linePrefix(name: Uint8Array): Uint8Array {
  return concatBytes(name, latin1ToBytes("/"));
}

/** As Go prints the lease: a negative one with a sign. */
export function placeKey(prefix: Uint8Array, lease: bigint): Uint8Array {
  return concatBytes(prefix, latin1ToBytes(lease.toString(16)));
}

export function firstInLine(prefix: Uint8Array): RangeRequest {
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

/** Until all keys of the line that were created before `revision` are deleted. */
export async function waitForTurn(
  services: LineServices,
  prefix: Uint8Array,
  revision: number,
  context: CallContext,
): Promise<void> {
  for (;;) {
    const before = await lastBefore(services, prefix, revision, context);
    const [last] = before.kvs;
    if (last === undefined) return;
    await deleted(services, last.key, before.header.revision, context);
  }
}

function lastBefore(
  services: LineServices,
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

async function deleted(
  services: LineServices,
  key: Uint8Array,
  startRevision: number,
  context: CallContext,
): Promise<void> {
  const watch = new LineWatch(services, watchCreateRequest({ key, startRevision }), context);
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
export class LineWatch {
  readonly #stream: ReturnType<WatchService["watch"]>;
  readonly #signal: AbortSignal | undefined;
  readonly #abort: () => void = () => this.#stream.close();

  constructor({ watch }: LineServices, create: WatchCreateRequest, context: CallContext) {
    this.#signal = context.signal;
    if (this.#signal?.aborted === true) throw errGone;
    this.#stream = watch.watch(context);
    this.#signal?.addEventListener("abort", this.#abort, { once: true });
    this.#stream.request({ type: "create", create });
  }

  async next(): Promise<WatchResponse> {
    const response = await this.#stream.next();
    if (this.#signal?.aborted === true) throw errGone;
    if (response === undefined) throw lineError("lost watcher waiting for delete");
    if (response.canceled) throw lineError(reasonOf(response) || errCompacted.message);
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
export const errGone: EtcdError = new EtcdError(GrpcCode.Canceled, "context canceled");

/** etcd passes errors on in this place without their code. */
export function lineError(message: string): EtcdError {
  return new EtcdError(GrpcCode.Unknown, message);
}

/** Runs what etcd's own client would do, and tells errors as its service does. */
export async function asLineError<R>(run: () => Promise<R>): Promise<R> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof EtcdError) || error === errGone) throw error;
    throw lineError(error.message);
  }
}

/** The caller may be gone, and its token with it, but what it left behind must go. */
export function cleaningUp(context: CallContext): CallContext {
  return { ...context, signal: undefined };
}
