/** The client of an application: all of etcd's calls, and above them what applications need first. */
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { Client } from "../client.ts";
import { lazyFacade } from "../facade/lazy-facade.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import type { Connection } from "./connection.ts";
import type { HeldLock, LockOptions } from "./held-lock.ts";
import type { Election, Leadership } from "./leadership.ts";
import { namespace, type Namespace } from "./namespace.ts";
import type { LocalCopy } from "./live-snapshot.ts";
import type { Presence, PresenceOptions } from "./presence.ts";
import type { ValueOptions } from "./schema.ts";
import type { Bytes, RangeOptions } from "../common/types.ts";
import { lazyOutbox } from "../outbox/lazy-outbox.ts";
import type { Outbox, OutboxOptions } from "../outbox/outbox-types.ts";
import type { Transaction, TransactionOptions } from "./transaction.ts";

/**
 * Client of an application: etcd's calls, and above them namespaces, locks, elections, transactions and presence. Every call
 * rejects with an EtcdError, or with the reason of an AbortSignal.
 */
export interface ApplicationClient extends Omit<Client, "close">, AsyncDisposable {
  /**
   * Ends everything: watches, live maps, keep-alives, what is held on leases. Later calls reject with Canceled. Resolves
   * when locks, leaderships and presences are given back, or after a second. Does not reject.
   */
  close(): Promise<void>;
  /** State of the connection; `subscribe` and `getSnapshot` have the form that `useSyncExternalStore` expects. */
  readonly connection: Pick<Connection, "getSnapshot" | "subscribe">;
  /** Writes that are queued on this device and sent when the cluster is there, each exactly once. */
  readonly outbox: Outbox;
  /** Returns the keys with a prefix, as values of one type. Sends nothing. */
  namespace<Value = unknown>(prefix: string, options?: ValueOptions<Value>): Namespace<Value>;
  /**
   * Waits for the lock, runs `use` while the lock is held, and releases it. Returns what `use` returned. Rejects with
   * LeaseLostError if the lease ends first; `use` is notified by `lock.signal`.
   */
  withLock<Result>(
    name: string,
    use: (lock: HeldLock) => Promise<Result> | Result,
    options?: LockOptions,
  ): Promise<Result>;
  /** Waits until the lock is held. The caller releases it, with `release()` or `await using`. */
  acquire(name: string, options?: LockOptions): Promise<HeldLock>;
  /**
   * Waits until elected, with `value` as the proclaimed value. The caller resigns, with `resign()` or `await using`.
   */
  lead(name: string, value: string, options?: LockOptions): Promise<Leadership>;
  /** Returns the election with this name. Sends nothing. */
  elect(name: string): Election;
  /**
   * Runs `run` as if no other client wrote meanwhile, and runs it again when another client changed what it had read.
   * Rejects with ConflictError after `attempts` attempts (default 100).
   */
  transaction<Result>(
    run: (tx: Transaction) => Promise<Result> | Result,
    options?: TransactionOptions,
  ): Promise<Result>;
  /** Shows this participant to the others under the prefix until the returned presence is closed. */
  presence<Me>(prefix: string, me: Me, options?: PresenceOptions): Promise<Presence<Me>>;
}

/** Time for what was held to be given back when a client closes. */
const LAST_CALLS_MS = 1_000;

export interface ApplicationParts {
  readonly backoff: BackoffTimer;
  readonly connection: Connection;
  /** Names the outbox in this browser profile: what is written to, and as whom. */
  readonly place?: string;
  readonly outbox?: OutboxOptions | undefined;
  /** Called last when the client is closed. */
  readonly onClose?: () => void;
  /** The copy of a room's member in this tab, which live maps follow. */
  readonly local?: LocalCopy;
}

const appParts = /* @__PURE__ */ loadedOnce(() => import("./app-parts.ts"));

export function applicationClient(client: Client, parts: ApplicationParts): ApplicationClient {
  const { backoff, connection, place = "", onClose } = parts;
  const closed = new AbortController();
  const { kv, lock, election } = client;
  const revocations = new Set<Promise<unknown>>();
  const lease: Client["lease"] = {
    ...client.lease,
    revoke(id, options) {
      const revocation = client.lease.revoke(id, options);
      revocations.add(revocation);
      const forget = (): void => void revocations.delete(revocation);
      revocation.then(forget, forget);
      return revocation;
    },
  };
  const onReachable = (listener: () => void): void =>
    void connection.subscribe(() => {
      if (connection.getSnapshot().state === "connected") listener();
    });
  const outbox = lazyOutbox({ kv, lease, backoff, closed: closed.signal, place, onReachable }, parts.outbox);
  const host = {
    outbox,
    local: parts.local,
    kv,
    lease,
    lock,
    election,
    backoff,
    closed: closed.signal,
    range: (key: Bytes, options: RangeOptions) => kv.range(key, options),
    watch: (key: string, options: Parameters<Client["watch"]>[1]) => client.watch(key, options),
  };
  let closing: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    // Sessions revoke their leases now, as long as calls are still made.
    closed.abort();
    client.close();
    connection.close();
    const limit = new AbortController();
    await Promise.race([Promise.allSettled(revocations), backoff.sleep(LAST_CALLS_MS, limit.signal)]);
    limit.abort();
    onClose?.();
  };
  const close = (): Promise<void> => (closing ??= end());
  return {
    ...client,
    connection,
    outbox,
    namespace: (prefix, options) => namespace(host, prefix, options),
    withLock: async (name, use, options) => (await appParts()).withLock(host, name, use, options),
    acquire: async (name, options) => (await appParts()).acquire(host, name, options),
    lead: async (name, value, options) => (await appParts()).electionOf(host, name).campaign(value, options),
    elect: (name) => ({
      ...lazyFacade<Election>({ campaign: 1, leader: 1 }, async () => (await appParts()).electionOf(host, name)),
      async *observe(observed) {
        yield* (await appParts()).electionOf(host, name).observe(observed);
      },
    }),
    transaction: async (run, options) => (await appParts()).transaction(host, run, options),
    presence: async (prefix, me, options) => (await appParts()).presence(host, prefix, me, options),
    close,
    [Symbol.asyncDispose]: close,
  };
}
