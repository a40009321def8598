/**
 * Writes the copy behind what changes it: a little later, all changes at once. A store that fails is given up until its time
 * comes again, and the copy goes on in memory. Then, and after a list, the store is replaced as a whole.
 */
import type { BackoffTimer } from "../../client/common/backoff.ts";
import type { ReplicaCopy } from "../copy/replica-copy.ts";
import { StoreError } from "./replica-store.ts";
import type { CopyLimits, CopyMark, ReplicaStore, StoredCopy } from "./replica-store.ts";

export interface CopyWriterOptions {
  readonly open: () => Promise<ReplicaStore>;
  readonly limits: CopyLimits;
  readonly copy: () => ReplicaCopy | undefined;
  readonly mark: (copy: ReplicaCopy) => CopyMark;
  readonly onState: (storage: "indexeddb" | "memory", reason: string) => void;
  /** Another tab has stored a copy of another cluster or of other prefixes: one of the two is wrong. */
  readonly onOther: () => void;
  readonly backoff: BackoffTimer;
}

/** Changes gather so long. */
const WRITE_AFTER_MS = 500;
/** A disk that was full may have room again. */
const FULL_RETRY_MS = 60_000;
/** Tabs that go on disagreeing are of different versions, or of different users of one name. */
const DISAGREEMENTS_MAX = 3;

export class CopyWriter {
  readonly #options: CopyWriterOptions;
  readonly #over: AbortController = new AbortController();
  #store: ReplicaStore | undefined;
  /** What the store holds is the copy of this revision; undefined: something else, or nothing. */
  #stored: number | undefined;
  #isForced = false;
  #isWaiting = false;
  #writing: Promise<void> = Promise.resolve();
  #notBefore: Promise<void> | undefined;
  #disagreements = 0;

  constructor(options: CopyWriterOptions) {
    this.#options = options;
  }

  /** Rows up to it need not be kept for the store. */
  get storedRevision(): number {
    if (this.#store === undefined || this.#stored === undefined) return Infinity;
    return this.#stored;
  }

  /** Returns the copy that an earlier page has stored. Does not reject. */
  async open(): Promise<StoredCopy | undefined> {
    const { open, limits, onState } = this.#options;
    try {
      const store = await open();
      if (this.#over.signal.aborted) {
        store.close();
        return undefined;
      }
      this.#store = store;
      store.onLost = (reason) => this.#giveUp(reason);
      const stored = await store.read(limits);
      // What is not believed would pass for a copy when it is compared with the next one.
      if (stored === undefined) await store.erase();
      this.#stored = stored?.mark.revision;
      onState("indexeddb", "");
      return stored;
    } catch (error) {
      this.#giveUp(textOf(error));
      return undefined;
    }
  }

  /** The copy has grown. */
  changed(): void {
    if (this.#store === undefined || this.#isWaiting || this.#over.signal.aborted) return;
    this.#isWaiting = true;
    void this.#later();
  }

  /** There is another copy. `isForced`: what is stored is wrong, whatever its revision. */
  replaced(isForced: boolean): void {
    this.#stored = undefined;
    this.#isForced ||= isForced;
    this.changed();
  }

  /** Resolves when the copy is stored, as far as it can be. Does not reject. */
  flush(): Promise<void> {
    const written = this.#writing.then(() => this.#write());
    this.#writing = written;
    return written;
  }

  /** Nothing may stay of what was stored. Does not reject. */
  async erase(): Promise<void> {
    const store = this.#store;
    if (store === undefined) return;
    this.#stored = undefined;
    await this.#writing;
    await this.#tried(() => store.erase());
  }

  async close(): Promise<void> {
    await this.flush();
    this.#over.abort();
    this.#store?.close();
    this.#store = undefined;
  }

  async delete(): Promise<void> {
    this.#over.abort();
    const store = this.#store;
    this.#store = undefined;
    await this.#writing;
    await store?.delete().catch(() => {});
  }

  async #later(): Promise<void> {
    await this.#options.backoff.sleep(WRITE_AFTER_MS, this.#over.signal);
    await this.#notBefore;
    this.#isWaiting = false;
    if (!this.#over.signal.aborted) await this.flush();
  }

  async #write(): Promise<void> {
    const { copy: current, mark: markOf, onState } = this.#options;
    const [store, copy] = [this.#store, current()];
    if (store === undefined || copy === undefined) return;
    const mark = markOf(copy);
    const isDone = await this.#tried(async () => {
      const from = this.#stored;
      if (from === undefined) return this.#replace(store, copy, mark);
      const written = await store.write({ from, mark, rows: copy.changesSince(from) });
      if (written === "behind") return this.#replace(store, copy, mark);
      if (written === "other") return this.#disagree();
      this.#stored = mark.revision;
    });
    if (isDone && this.#store !== undefined) onState("indexeddb", "");
  }

  async #replace(store: ReplicaStore, copy: ReplicaCopy, mark: CopyMark): Promise<void> {
    const isForced = this.#isForced;
    const pairs = copy.pairs();
    await store.replace({ mark, pairs }, isForced);
    // Another list may have come meanwhile.
    if (this.#options.copy() !== copy) return this.changed();
    this.#isForced = false;
    this.#stored = mark.revision;
  }

  #disagree(): void {
    if (++this.#disagreements > DISAGREEMENTS_MAX) {
      return this.#giveUp("another tab of this browser keeps another copy of these keys");
    }
    this.#stored = undefined;
    this.#options.onOther();
  }

  /** Returns whether it succeeded. */
  async #tried(run: () => Promise<void>): Promise<boolean> {
    try {
      await run();
      return true;
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind !== "full") this.#giveUp(textOf(error));
      else this.#waitForRoom(error.message);
      return false;
    }
  }

  /** The rows that were not stored may be forgotten before there is room, so then all is stored anew. */
  #waitForRoom(reason: string): void {
    this.#stored = undefined;
    this.#options.onState("memory", reason);
    const waiting = this.#options.backoff.sleep(FULL_RETRY_MS, this.#over.signal).then(() => {
      if (this.#notBefore === waiting) this.#notBefore = undefined;
    });
    this.#notBefore = waiting;
    this.changed();
  }

  #giveUp(reason: string): void {
    this.#store?.close();
    this.#store = undefined;
    if (!this.#over.signal.aborted) this.#options.onState("memory", reason);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
