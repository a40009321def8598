/**
 * Locks and elections, as etcd's services have them. Loaded with the first call.
 *
 *   const { key } = await client.lock.lock("migration", { lease: id });
 *   try { … } finally { await client.lock.unlock(key); }
 *
 * The lease of a slow holder expires, and the lock with it. A write that two holders must not both make belongs in a
 * txn that compares the create revision of the lock's key.
 */
import type { CallContext, Services } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { CampaignResponse, LeaderKey as WireLeaderKey, LeaderResponse } from "../../protocol/api/election.ts";
import type { Call, CallOptions } from "../common/call.ts";
import { count, headerOf, idOf, keyValueOf, toBytes } from "../common/convert.ts";
import type { Bytes, Header, Id, KeyValue } from "../common/types.ts";

/** Options of calls that wait for a lock or an election. */
export interface WaitOptions extends CallOptions {
  /** Lease of the key in the queue. Without one the server grants a lease of 60 seconds, which is not kept alive. */
  readonly lease?: Id | undefined;
}

/** etcd's Lock service. `client.withLock` and `client.acquire` bring a lease along. */
export interface LockClient {
  /** Waits until the lock is acquired. It is held as long as the returned key exists. */
  lock(name: Bytes, options?: WaitOptions): Promise<{ readonly header: Header; readonly key: Uint8Array }>;
  /** Releases a lock by deleting its key, and so lets the next caller in the queue acquire it. */
  unlock(key: Bytes, options?: CallOptions): Promise<{ readonly header: Header }>;
}

/** Identifies a won election, for `proclaim` and `resign`. */
export interface LeaderKey {
  readonly name: Uint8Array;
  readonly key: Uint8Array;
  readonly revision: number;
  readonly lease: string;
}

/** The present leader of an election, as etcd returns it. */
export interface Leader {
  readonly header: Header;
  /** The leader's key; its value is the proclaimed one. */
  readonly kv: KeyValue;
}

/** etcd's Election service. `client.lead` and `client.elect` bring a lease along. */
export interface ElectionClient {
  /** Waits until elected, with `value` as the proclaimed value. */
  campaign(
    name: Bytes,
    value: Bytes,
    options?: WaitOptions,
  ): Promise<{ readonly header: Header; readonly leader: LeaderKey }>;
  /** Replaces the proclaimed value. Rejects if `leader` does not lead any more. */
  proclaim(leader: LeaderKey, value: Bytes, options?: CallOptions): Promise<{ readonly header: Header }>;
  /** Returns the present leader. Rejects if there is none. */
  leader(name: Bytes, options?: CallOptions): Promise<Leader>;
  /**
   * Yields the present leader, each later leader and each later value. Ends with the loop or when the signal aborts.
   */
  observe(
    name: Bytes,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterableIterator<Leader, undefined>;
  /** Gives up leadership by deleting its key. */
  resign(leader: LeaderKey, options?: CallOptions): Promise<{ readonly header: Header }>;
}

export function lockClient({ lock }: Pick<Services, "lock">, call: Call): LockClient {
  return {
    async lock(name, options = {}) {
      const request = { name: toBytes(name), lease: idOf(options.lease) };
      const { header, key } = await call(options, (context) => lock.lock(request, context));
      return { header: headerOf(header), key };
    },
    async unlock(key, options) {
      const request = { key: toBytes(key) };
      const { header } = await call(options, (context) => lock.unlock(request, context));
      return { header: headerOf(header) };
    },
  };
}

export function electionClient(
  { election }: Pick<Services, "election">,
  context: CallContext,
  call: Call,
): ElectionClient {
  return {
    async campaign(name, value, options = {}) {
      const request = { name: toBytes(name), value: toBytes(value), lease: idOf(options.lease) };
      return campaignResult(await call(options, (named) => election.campaign(request, named)));
    },
    async proclaim(leader, value, options) {
      const request = { leader: wireKey(leader), value: toBytes(value) };
      const { header } = await call(options, (named) => election.proclaim(request, named));
      return { header: headerOf(header) };
    },
    async leader(name, options) {
      const request = { name: toBytes(name) };
      return leaderOf(await call(options, (named) => election.leader(request, named)));
    },
    observe(name, { signal } = {}) {
      const stream = election.observe({ name: toBytes(name) }, { ...context, signal });
      return {
        [Symbol.asyncIterator]() {
          return this;
        },
        async next() {
          const response = await stream.next();
          return response === undefined ? { done: true, value: undefined } : { done: false, value: leaderOf(response) };
        },
        async return() {
          stream.close();
          return { done: true, value: undefined };
        },
      };
    },
    async resign(leader, options) {
      const request = { leader: wireKey(leader) };
      const { header } = await call(options, (named) => election.resign(request, named));
      return { header: headerOf(header) };
    },
  };
}

function campaignResult({ header, leader }: CampaignResponse): { readonly header: Header; readonly leader: LeaderKey } {
  if (leader === undefined) throw new EtcdError(GrpcCode.Internal, "a won election came without its proof");
  const { name, key, rev, lease } = leader;
  return { header: headerOf(header), leader: { name, key, revision: rev, lease: lease.toString() } };
}

function leaderOf({ header, kv }: LeaderResponse): Leader {
  if (kv === undefined) throw new EtcdError(GrpcCode.Internal, "a leader came without its key");
  return { header: headerOf(header), kv: keyValueOf(kv) };
}

function wireKey({ name, key, revision, lease }: LeaderKey): WireLeaderKey {
  return { name, key, rev: count("revision", revision), lease: idOf(lease) };
}
