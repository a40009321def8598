/**
 * The outbox in IndexedDB. Every transaction is strict: what is confirmed has been flushed to the device.
 *
 * The metadata is written first. In Firefox a transaction that the quota aborts may leave the rows after the failing one.
 * Those are entries beyond `nextSeq`, which are not read and are overwritten by the next append, or verdicts, which are
 * true all the same.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { fullDiskText, storageUsage } from "../common/storage-usage.ts";
import { browser } from "./browser.ts";
import type { DatabaseLike, RequestLike, TransactionLike } from "./browser.ts";
import { OutboxFullError } from "./errors.ts";
import { EMPTY_META, metaAfter, metaWith } from "./outbox-store.ts";
import type { OutboxMeta, OutboxStore, StoredEntry } from "./outbox-store.ts";
import { checkedMeta, repairedMeta } from "./stored-rows.ts";

const FORMAT = 1;
const META = "meta";
const ENTRIES = "entries";
const BOTH = [META, ENTRIES];

/** Rejects with EtcdError (Unimplemented) where there is no IndexedDB, with EtcdError (Unavailable) if it fails. */
export async function indexedDbOutboxStore(name: string): Promise<OutboxStore> {
  const { indexedDB } = browser;
  if (indexedDB === undefined) {
    throw new EtcdError(
      GrpcCode.Unimplemented,
      "the outbox needs IndexedDB, which this runtime lacks: give it a store of its own, as " +
        "connect({ endpoint, outbox: { store: memoryOutboxStore() } }) does",
    );
  }
  try {
    const opening = indexedDB.open(name, FORMAT);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore(META);
      opening.result.createObjectStore(ENTRIES, { keyPath: "seq" });
    };
    return new IndexedDbOutboxStore(await resultOf(opening));
  } catch (error) {
    throw isQuota(error) ? await full(EMPTY_META) : explained(error);
  }
}

class IndexedDbOutboxStore implements OutboxStore {
  onLost: ((reason: string) => void) | undefined;
  readonly #database: DatabaseLike;
  /** When the last transaction began. */
  #held: OutboxMeta = EMPTY_META;

  constructor(database: DatabaseLike) {
    this.#database = database;
    database.onclose = () =>
      this.onLost?.("the browser closed the outbox's database, as it does when site data are cleared");
    database.onversionchange = () => {
      // Whoever deletes or replaces the database need not wait for this tab.
      database.close();
      this.onLost?.("the outbox's database was deleted or replaced");
    };
  }

  read: OutboxStore["read"] = (from = 0, to = Infinity) =>
    this.#within("readonly", async (tx) => {
      const meta = await this.#meta(tx);
      const end = Math.min(to, meta.nextSeq);
      if (from >= end) return { meta, entries: [] };
      const range = browser.IDBKeyRange?.bound(from, end, false, true);
      return { meta, entries: (await resultOf(tx.objectStore(ENTRIES).getAll(range))) as readonly StoredEntry[] };
    });

  append: OutboxStore["append"] = (added, limits) =>
    this.#within("readwrite", async (tx) => {
      const meta = await this.#meta(tx);
      const next = metaWith(meta, added, limits);
      put(tx, next);
      for (const [at, entry] of added.entries()) {
        tx.objectStore(ENTRIES).put({ ...entry, seq: meta.nextSeq + at, verdict: undefined });
      }
      return meta.nextSeq;
    });

  commit: OutboxStore["commit"] = (version, change) =>
    this.#within("readwrite", async (tx) => {
      const meta = await this.#meta(tx);
      if (meta.version !== version) return false;
      const next = metaAfter(meta, change);
      put(tx, next);
      const entries = tx.objectStore(ENTRIES);
      for (const entry of change.entries ?? []) entries.put(entry);
      for (const seq of change.removed ?? []) entries.delete(seq);
      return true;
    });

  close: OutboxStore["close"] = () => this.#database.close();

  async #meta(tx: TransactionLike): Promise<OutboxMeta> {
    const stored = await resultOf(tx.objectStore(META).get(META));
    const meta = stored === undefined ? EMPTY_META : (checkedMeta(stored) ?? (await repaired(tx, stored)));
    this.#held = meta;
    return meta;
  }

  /** Resolves when the transaction is complete: that, and not the success of its requests, is when it is durable. */
  async #within<Result>(
    mode: "readonly" | "readwrite",
    run: (tx: TransactionLike) => Promise<Result>,
  ): Promise<Result> {
    try {
      const tx = this.#database.transaction(BOTH, mode, { durability: "strict" });
      const complete = new Promise<void>((resolve, reject) => {
        tx.oncomplete = () => resolve();
        tx.onabort = () => reject(tx.error ?? new Error("the transaction was aborted"));
      });
      // Marked as handled: where a request fails first, its error is told.
      complete.catch(() => {});
      const [result] = await Promise.all([run(tx), complete]);
      return result;
    } catch (error) {
      throw isQuota(error) ? await full(this.#held) : explained(error);
    }
  }
}

/** The next write stores it. */
async function repaired(tx: TransactionLike, stored: unknown): Promise<OutboxMeta> {
  return repairedMeta(stored, await resultOf(tx.objectStore(ENTRIES).getAll(undefined)));
}

function put(tx: TransactionLike, meta: OutboxMeta): void {
  tx.objectStore(META).put(meta, META);
}

function resultOf<Result>(request: RequestLike<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("the request failed"));
  });
}

function isQuota(error: unknown): boolean {
  return error instanceof Error && error.name === "QuotaExceededError";
}

async function full({ count, bytes }: OutboxMeta): Promise<OutboxFullError> {
  const manager = browser.navigator?.storage;
  const usage =
    manager === undefined
      ? { held: undefined, outbox: { count, bytes }, isPersisted: false }
      : await storageUsage(manager, undefined, async () => ({ count, bytes }));
  const meaning = "The write was not queued; those that were queued before are.";
  return new OutboxFullError("quota", fullDiskText(usage, meaning, "dismiss verdicts of the outbox"));
}

function explained(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === "VersionError") {
    return new EtcdError(GrpcCode.FailedPrecondition, `a newer version of Quorate has written this outbox: ${text}`);
  }
  return new EtcdError(GrpcCode.Unavailable, `the outbox's database failed: ${text}`);
}
