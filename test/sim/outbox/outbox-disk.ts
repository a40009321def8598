/**
 * The store of queued writes of one browser profile, with time: what is written counts when the disk has it. Tabs have
 * connections of their own. A connection of a tab that crashed may still have its first writes done; one that the
 * browser has closed without a word answers nothing any more.
 */
import type { Prng } from "../../../src/base/prng.ts";
import { EMPTY_META, metaAfter, metaWith } from "../../../src/client/outbox/outbox-store.ts";
import type {
  NewEntry,
  OutboxChange,
  OutboxData,
  OutboxLimits,
  OutboxMeta,
  OutboxStore,
  StoredEntry,
} from "../../../src/client/outbox/outbox-store.ts";
import type { EventQueue } from "../event-queue.ts";

interface Content {
  readonly meta: OutboxMeta;
  readonly entries: ReadonlyMap<number, StoredEntry>;
}

const NOTHING: Content = { meta: EMPTY_META, entries: new Map() };

/** Of a store: another one after a loss. */
export interface StoreLife {
  readonly number: number;
  /** What is in it was in a former one, which went on since. */
  readonly isCopy: boolean;
}

export interface OutboxDiskHost {
  readonly queue: EventQueue;
  readonly prng: Prng;
  readonly diskMs: number;
  /** Called for each entry that got a verdict durably. */
  readonly onVerdict: (entry: StoredEntry, life: StoreLife) => void;
}

export class OutboxDisk {
  readonly #host: OutboxDiskHost;
  #content: Content = NOTHING;
  #backup: Content = NOTHING;
  #freeMs = 0;
  life: StoreLife = { number: 0, isCopy: false };

  constructor(host: OutboxDiskHost) {
    this.#host = host;
  }

  get entries(): Iterable<StoredEntry> {
    return this.#content.entries.values();
  }

  connect(): OutboxConnection {
    return new OutboxConnection(this, this.#host.prng);
  }

  lose(): void {
    this.life = { number: this.life.number + 1, isCopy: false };
    this.#content = NOTHING;
    this.#backup = NOTHING;
  }

  backUp(): void {
    this.#backup = this.#content;
  }

  /**
   * A profile that is copied back: what was decided since is pending again. Nothing that was queued since is lost, and the
   * marker has the same key, because nobody could tell otherwise. Returns whether it was.
   */
  restore(): boolean {
    const [now, then] = [this.#content.meta, this.#backup.meta];
    if (then.identity?.isRegistered !== true || then.identity.key !== now.identity?.key) return false;
    if (then.nextSeq !== now.nextSeq) return false;
    this.life = { number: this.life.number + 1, isCopy: true };
    this.#content = this.#backup;
    return true;
  }

  /** One after the other, in the order of the calls. */
  schedule(run: () => void): void {
    const { queue, prng, diskMs } = this.#host;
    this.#freeMs = Math.max(this.#freeMs, queue.nowMs) + prng.next() * diskMs;
    queue.after(this.#freeMs - queue.nowMs, run);
  }

  read(from: number, to: number): OutboxData {
    const { meta, entries } = this.#content;
    return { meta, entries: [...entries.values()].filter(({ seq }) => seq >= from && seq < to) };
  }

  append(added: readonly NewEntry[], limits: OutboxLimits): number {
    const { meta, entries } = this.#content;
    const next = new Map(entries);
    for (const [at, entry] of added.entries()) {
      const seq = meta.nextSeq + at;
      next.set(seq, { ...entry, seq, verdict: undefined });
    }
    this.#content = { meta: metaWith(meta, added, limits), entries: next };
    return meta.nextSeq;
  }

  commit(version: number, change: OutboxChange): boolean {
    const { meta, entries } = this.#content;
    if (version !== meta.version) return false;
    const next = new Map(entries);
    for (const entry of change.entries ?? []) {
      next.set(entry.seq, entry);
      if (entry.verdict !== undefined) this.#host.onVerdict(entry, this.life);
    }
    for (const seq of change.removed ?? []) next.delete(seq);
    this.#content = { meta: metaAfter(meta, change), entries: next };
    return true;
  }
}

export class OutboxConnection implements OutboxStore {
  readonly #disk: OutboxDisk;
  readonly #prng: Prng;
  readonly #life: StoreLife;
  /** The tab has crashed. */
  isDead = false;
  /** The browser has closed the database, and no event says so. */
  isSilent = false;
  #isCut = false;
  /** Set by the tab: it may be frozen. */
  whenAwake: (run: () => void) => void = runNow;

  constructor(disk: OutboxDisk, prng: Prng) {
    this.#disk = disk;
    this.#prng = prng;
    this.#life = disk.life;
  }

  read(from: number = 0, to: number = Infinity): Promise<OutboxData> {
    return this.#run(() => this.#disk.read(from, to));
  }

  append(entries: readonly NewEntry[], limits: OutboxLimits): Promise<number> {
    return this.#run(() => this.#disk.append(entries, limits));
  }

  commit(version: number, change: OutboxChange): Promise<boolean> {
    return this.#run(() => this.#disk.commit(version, change));
  }

  close(): void {}

  #run<Result>(operation: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#disk.schedule(() => {
        // A database that was deleted is no other one's.
        if (this.isSilent || this.#disk.life !== this.#life) return;
        if (this.isDead) this.#isCut ||= this.#prng.bool(0.5);
        if (this.#isCut) return;
        try {
          const result = operation();
          this.whenAwake(() => resolve(result));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }
}

function runNow(run: () => void): void {
  run();
}
