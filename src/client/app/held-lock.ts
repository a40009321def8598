/**
 * Locks that are always on a lease which is kept alive.
 *
 *   await client.withLock("refresh", async ({ signal, fence }) => { … });
 *
 *   await using lock = await client.acquire("migration");
 *
 * As in etcd, the queue of a lock is the keys under `name/`: a key of the application's own there would stand in it for ever.
 *
 * A holder that was slow or frozen may have lost the lock without knowing. `signal` says so as soon as it can be known; a
 * write that must not be made by two holders compares the lock key's create revision with `fence` in the same txn.
 */
import type { KvClient } from "../client.ts";
import { toText } from "../common/convert.ts";
import type { LockClient } from "../facade/lock.ts";
import { compare, type Compare } from "../facade/txn.ts";
import { LeaseLostError } from "./errors.ts";
import { Session, type SessionHost } from "./session.ts";

export interface LockOptions {
  /** Seconds after which the lock is free when its holder is gone. Default 15. */
  readonly ttl?: number | undefined;
  /** Gives up waiting, and the place in the queue with it. */
  readonly signal?: AbortSignal | undefined;
}

export interface HeldLock extends AsyncDisposable {
  readonly name: string;
  /** The key that holds the lock. */
  readonly key: string;
  /** Grows from holder to holder: the create revision of `key`. */
  readonly fence: number;
  /** Aborts when the lock is lost, with LeaseLostError. */
  readonly signal: AbortSignal;
  /** For a txn that is to be done only while the lock is held. */
  readonly isHeld: () => Compare;
  release(): Promise<void>;
}

export interface LockHost extends SessionHost {
  readonly kv: KvClient;
  readonly lock: LockClient;
}

/** Waits until the lock is held. Rejects when `signal` aborts. */
export async function acquire(host: LockHost, name: string, { ttl, signal }: LockOptions = {}): Promise<HeldLock> {
  signal?.throwIfAborted();
  const session = await Session.open(host, { ttl, what: `the lock ${JSON.stringify(name)}` });
  try {
    const waiting = AbortSignal.any([session.signal, ...(signal === undefined ? [] : [signal])]);
    const { key } = await host.lock.lock(name, { lease: session.id, signal: waiting });
    const { kvs } = await host.kv.range(key);
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

/** Runs `use` while the lock is held, and releases it whatever comes of it. */
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
