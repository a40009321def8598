/**
 * Auto-compaction: etcd's --auto-compaction-mode and -retention.
 *
 *     periodic  The revision is sampled ten times per period (per hour, if that is shorter). When a period has passed, and
 *               then once per period or hour, whichever is shorter, everything older than the period is compacted.
 *     revision  Every five minutes everything but the newest N revisions is compacted.
 *
 * Every member samples, and only the leader compacts, so that a new leader need not start over. All of it happens at a
 * member's ticks. A quiesced cluster has none and is not woken. Nothing is written meanwhile, so missed samples are
 * known afterwards: the revision did not change. Where etcd would compact once more after the last write, this
 * compaction comes with the next write.
 *
 * A member that hibernates may be evicted and would never run for a whole period. Such a member saves its samples.
 */
import type { AutoCompactionOptions } from "../options.ts";

export interface Compactor {
  readonly isLeader: boolean;
  readonly nowMs: number;
  readonly revision: number;
  /** Compacts up to `revision`. `done` gets true if the revision is compacted now. */
  compact(revision: number, done: (compacted: boolean) => void): void;
}

const HOUR_MS = 3_600_000;
const SAMPLES_PER_INTERVAL = 10;
const REVISION_EVERY_MS = 300_000;
const MODES = { off: 0, periodic: 1, revision: 2 } as const;

export class AutoCompaction {
  readonly #options: AutoCompactionOptions;
  readonly #compactor: Compactor;
  /** Interval of the samples. */
  readonly #everyMs: number;
  /** Past revisions, one per sample. The first is the revision of one period ago. */
  #samples: number[];
  readonly #samplesMax: number;
  #nextMs: number;
  /** Revision at the last tick. It stands for all samples missed since then. */
  #seen: number;
  #compacted = 0;
  #succeededMs: number;
  /** True until the first compaction. It waits for a whole period, later ones at most an hour. */
  #isFirst = true;
  #running = false;

  constructor(options: AutoCompactionOptions, compactor: Compactor) {
    const { mode, retention } = options;
    this.#options = options;
    this.#compactor = compactor;
    const intervalMs = Math.min(retention, HOUR_MS);
    this.#everyMs = mode === "revision" ? REVISION_EVERY_MS : Math.max(intervalMs / SAMPLES_PER_INTERVAL, 1);
    this.#samplesMax = mode === "revision" ? 1 : Math.floor(retention / this.#everyMs) + 1;
    const { nowMs, revision } = compactor;
    this.#nextMs = nowMs + this.#everyMs;
    this.#succeededMs = nowMs;
    this.#seen = revision;
    this.#samples = [revision];
    if (mode === "off") return;
    if (options.saved !== undefined) this.#restore(options.saved);
    else this.#save();
  }

  tick(): void {
    if (this.#options.mode === "off") return;
    const { nowMs, revision } = this.#compactor;
    if (nowMs >= this.#nextMs) {
      const missed = Math.floor((nowMs - this.#nextMs) / this.#everyMs);
      for (let at = 0; at < Math.min(missed, this.#samplesMax); at++) this.#sample(this.#seen);
      this.#nextMs += (missed + 1) * this.#everyMs;
      this.#compactIfDue();
      this.#sample(revision);
      this.#save();
    }
    this.#seen = revision;
  }

  #sample(revision: number): void {
    this.#samples.push(revision);
    if (this.#samples.length > this.#samplesMax) this.#samples.shift();
  }

  #compactIfDue(): void {
    const { isLeader, nowMs } = this.#compactor;
    if (!isLeader || this.#running) return;
    const revision = this.#target();
    if (revision === undefined || revision <= 0 || revision === this.#compacted) return;
    this.#isFirst = false;
    this.#running = true;
    this.#compactor.compact(revision, (compacted) => {
      this.#running = false;
      if (!compacted) return;
      this.#compacted = revision;
      this.#succeededMs = nowMs;
      this.#save();
    });
  }

  #target(): number | undefined {
    const { mode, retention } = this.#options;
    if (mode === "revision") return this.#compactor.revision - retention;
    const waitMs = this.#isFirst ? retention : Math.min(retention, HOUR_MS);
    return this.#compactor.nowMs - this.#succeededMs < waitMs ? undefined : this.#samples[0];
  }

  /** mode │ retention │ next sample │ last success │ compacted │ first? │ samples … eight bytes each */
  #save(): void {
    const { mode, retention, save } = this.#options;
    const head = [MODES[mode], retention, this.#nextMs, this.#succeededMs, this.#compacted, this.#isFirst ? 1 : 0];
    save?.(new Uint8Array(Float64Array.from([...head, ...this.#samples]).buffer));
  }

  /** Restores a saved record. Ignores one of other settings, or one in the future: the clock was set back. */
  #restore(record: Uint8Array): void {
    const { mode, retention } = this.#options;
    if (record.length % 8 !== 0) return this.#save();
    const [savedMode, savedRetention, nextMs = Infinity, succeededMs = Infinity, compacted = 0, isFirst, ...samples] =
      new Float64Array(record.slice().buffer);
    const latest = samples.at(-1) ?? Infinity;
    const isOurs = savedMode === MODES[mode] && savedRetention === retention && samples.length <= this.#samplesMax;
    if (!isOurs || !(nextMs <= this.#nextMs) || !(succeededMs <= nextMs) || !(latest <= this.#seen)) {
      return this.#save();
    }
    this.#nextMs = nextMs;
    this.#succeededMs = succeededMs;
    this.#compacted = compacted;
    this.#isFirst = isFirst === 1;
    this.#samples = samples;
  }
}
