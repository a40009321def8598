/**
 * Locks and elections, as etcd's services have them.
 *
 *   const { key } = await client.lock.lock("migration", { lease: id });
 *   try { … } finally { await client.lock.unlock(key); }
 *
 * A lease ends when its holder is too slow to keep it alive, and the lock with it. What must not be written by two is
 * written in a txn that compares the create revision of the lock's key.
 */
import type { CallContext, Services } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { CampaignResponse, LeaderKey as WireLeaderKey, LeaderResponse } from "../../protocol/api/election.ts";
import { count, headerOf, idOf, keyValueOf, toBytes } from "../common/convert.ts";
import type { Bytes, Header, Id, KeyValue } from "../common/types.ts";

export interface WaitOptions {
  /** Holds the place; without one the server makes one of 60 seconds, which nobody keeps alive. */
  readonly lease?: Id | undefined;
  /** Gives up waiting, and the place with it. */
  readonly signal?: AbortSignal | undefined;
}

export interface LockClient {
  /** Waits until the lock is had; it is held as long as the key is there. */
  lock(name: Bytes, options?: WaitOptions): Promise<{ readonly header: Header; readonly key: Uint8Array }>;
  unlock(key: Bytes): Promise<{ readonly header: Header }>;
}

/** Proof of a won election, for `proclaim` and `resign`. */
export interface LeaderKey {
  readonly name: Uint8Array;
  readonly key: Uint8Array;
  readonly revision: number;
  readonly lease: string;
}

export interface Leader {
  readonly header: Header;
  /** The key that leads, and what it has proclaimed. */
  readonly kv: KeyValue;
}

export interface ElectionClient {
  /** Waits until it is elected. */
  campaign(
    name: Bytes,
    value: Bytes,
    options?: WaitOptions,
  ): Promise<{ readonly header: Header; readonly leader: LeaderKey }>;
  proclaim(leader: LeaderKey, value: Bytes): Promise<{ readonly header: Header }>;
  leader(name: Bytes): Promise<Leader>;
  /** Each leader and each value, from the present ones on; leaving the loop or the signal ends it. */
  observe(
    name: Bytes,
    options?: { readonly signal?: AbortSignal | undefined },
  ): AsyncIterableIterator<Leader, undefined>;
  resign(leader: LeaderKey): Promise<{ readonly header: Header }>;
}

export function lockClient({ lock }: Services, context: CallContext, checkOpen: () => void): LockClient {
  return {
    async lock(name, { lease, signal } = {}) {
      checkOpen();
      const request = { name: toBytes(name), lease: idOf(lease) };
      const { header, key } = await lock.lock(request, { ...context, signal });
      return { header: headerOf(header), key };
    },
    async unlock(key) {
      checkOpen();
      const { header } = await lock.unlock({ key: toBytes(key) }, context);
      return { header: headerOf(header) };
    },
  };
}

export function electionClient({ election }: Services, context: CallContext, checkOpen: () => void): ElectionClient {
  return {
    async campaign(name, value, { lease, signal } = {}) {
      checkOpen();
      const request = { name: toBytes(name), value: toBytes(value), lease: idOf(lease) };
      return campaignResult(await election.campaign(request, { ...context, signal }));
    },
    async proclaim(leader, value) {
      checkOpen();
      const { header } = await election.proclaim({ leader: wireKey(leader), value: toBytes(value) }, context);
      return { header: headerOf(header) };
    },
    async leader(name) {
      checkOpen();
      return leaderOf(await election.leader({ name: toBytes(name) }, context));
    },
    observe(name, { signal } = {}) {
      checkOpen();
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
    async resign(leader) {
      checkOpen();
      const { header } = await election.resign({ leader: wireKey(leader) }, context);
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
