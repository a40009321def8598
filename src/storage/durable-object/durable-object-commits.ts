/** Transactions of a Durable Object from when they were made until they are durable, and the failure that ends all. */
import type { LogIndex } from "../../protocol/peer/raft-message.ts";
import { StorageError } from "../storage-error.ts";
import type { Done } from "../storage.ts";

/** A transaction that was made and whose sync() has not resolved yet. */
interface Unsynced {
  readonly done: readonly Done[];
  /** The applied index that is durable with it. */
  readonly applied: LogIndex;
  /** When the write of state rows began; undefined if it wrote none. */
  readonly stateSinceMs: number | undefined;
}

export class Commits {
  readonly #sync: () => Promise<void>;
  readonly #onStateWritten: (durationMs: number) => void;
  /** Written, waiting for sync(). */
  #unsynced: Unsynced[] = [];
  #syncedCount: number = 0;
  #durableApplied: LogIndex;
  #failure: StorageError | undefined;

  constructor(sync: () => Promise<void>, applied: LogIndex, onStateWritten: (durationMs: number) => void) {
    this.#sync = sync;
    this.#durableApplied = applied;
    this.#onStateWritten = onStateWritten;
  }

  get durableApplied(): LogIndex {
    return this.#durableApplied;
  }

  get failure(): StorageError | undefined {
    return this.#failure;
  }

  /** True if nothing waits for sync(). */
  get isSynced(): boolean {
    return this.#unsynced.length === 0;
  }

  /** The first failure counts. */
  fail(error: StorageError): void {
    this.#failure ??= error;
  }

  /** Call right after the transaction was made. */
  add(unsynced: Unsynced): void {
    this.#unsynced.push(unsynced);
    void this.#wait(this.#syncedCount + this.#unsynced.length);
  }

  /** sync() covers all writes before it was called: the first `count` transactions of this object. */
  async #wait(count: number): Promise<void> {
    try {
      if (this.#failure === undefined) await this.#sync();
    } catch (error) {
      this.fail(explained(error));
    }
    while (this.#syncedCount < count) {
      const oldest = this.#unsynced.shift();
      if (oldest === undefined) return;
      this.#syncedCount++;
      if (this.#failure === undefined) this.#durableApplied = oldest.applied;
      if (oldest.stateSinceMs !== undefined) this.#onStateWritten(Date.now() - oldest.stateSinceMs);
      for (const done of oldest.done) done(this.#failure);
    }
  }
}

export function explained(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/SQLITE_FULL|SQLITE_TOOBIG|disk is full|limit/i.test(text)) {
    return new StorageError("quota", `the Durable Object's storage takes no more: ${text}`, error);
  }
  return new StorageError("unknown", `the Durable Object's storage failed: ${text}`, error);
}
