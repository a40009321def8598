/**
 * Locks on a lease that is kept alive for as long as the lock is held.
 *
 *   await client.withLock("refresh", async ({ signal, fence }) => { … });
 *
 *   await using lock = await client.acquire("migration");
 *
 * As in etcd, the queue of a lock is the set of keys under `name/`. An application's own key under that prefix would
 * wait in the queue for ever and block it.
 *
 * A slow or frozen holder may have lost the lock without knowing it. `signal` aborts as soon as the loss can be known.
 * A write that two holders must not both make compares the lock key's create revision with `fence` in the same txn.
 */
import type { KvClient } from "../client.ts";
import { toText } from "../common/convert.ts";
import type { LockClient } from "../facade/lock.ts";
import { compare, type Compare } from "../facade/txn.ts";
import { LeaseLostError } from "./errors.ts";
import { Session, type SessionHost } from "./session.ts";

/** Options of `acquire`, `withLock`, `lead` and `campaign`. */
export interface LockOptions {
  /** Time to live of the lease in seconds: after it the lock of a vanished holder is free. Default 15. */
  readonly ttl?: number | undefined;
  /** Stops waiting and leaves the queue when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** A lock that is held, on a lease that is kept alive until it is released or lost. */
export interface HeldLock extends AsyncDisposable {
  readonly name: string;
  /** The key that holds the lock. */
  readonly key: string;
  /** Fencing token: the create revision of `key`. It grows from holder to holder. */
  readonly fence: number;
  /** Aborts with LeaseLostError when the lock is lost. */
  readonly signal: AbortSignal;
  /** Returns a comparison for a txn that must only be executed while the lock is held. */
  readonly isHeld: () => Compare;
  /** Releases the lock by revoking its lease. Never rejects. */
  release(): Promise<void>;
}

export interface LockHost extends SessionHost {
  readonly kv: KvClient;
  readonly lock: LockClient;
}

/** Waits until the lock is held. Rejects with the signal's reason when `signal` aborts. */
export async function acquire(host: LockHost, name: string, { ttl, signal }: LockOptions = {}): Promise<HeldLock> {
  const session = await Session.open(host, { ttl, what: `the lock ${JSON.stringify(name)}`, signal });
  try {
    const waiting = AbortSignal.any([session.signal, ...(signal === undefined ? [] : [signal])]);
    const { key } = await host.lock.lock(name, { lease: session.id, signal: waiting });
    const { kvs } = await host.kv.range(key, { signal: waiting });
    const fence = kvs[0]?.createRevision;
    session.signal.throwIfAborted();
    if (fence === undefined) throw new LeaseLostError(`the lock ${JSON.stringify(name)} is lost: its key is gone`);
    return held(session, name, key, fence);
  } catch (error) {
    await session.close();
    session.signal.throwIfAborted();
    signal?.throwIfAborted();
    throw error;
  }
}

/** Runs `use` while the lock is held, and releases it however `use` ends. */
export async function withLock<Result>(
  host: LockHost,
  name: string,
  use: (lock: HeldLock) => Promise<Result> | Result,
  options?: LockOptions,
): Promise<Result> {
  const lock = await acquire(host, name, options);
  try {
    return await use(lock);
  } finally {
    await lock.release();
  }
}

function held(session: Session, name: string, key: Uint8Array, fence: number): HeldLock {
  return {
    name,
    key: toText(key),
    fence,
    get signal() {
      return session.signal;
    },
    isHeld: () => compare.createRevision(key).equals(fence),
    release: () => session.close(),
    [Symbol.asyncDispose]: () => session.close(),
  };
}
