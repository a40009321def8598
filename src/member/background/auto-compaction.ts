/**
 * History that nobody needs any more is compacted by itself: etcd's --auto-compaction-mode and -retention.
 *
 *     periodic  the revision is noted ten times per period (per hour, if that is shorter); once a period has passed, and
 *               then every period or hour, all is compacted that is older than the period
 *     revision  every five minutes all but the newest N revisions
 *
 * Every member notes, and the leader compacts, so that a new leader need not begin anew. All of it happens at a member's
 * ticks: a cluster that is quiet has none and is not woken. Nothing is written meanwhile, so what was missed is known
 * afterwards: the revision stood still. etcd's last compaction after the last write comes here with the next one.
 *
 * Where a sleeping member may be thrown out of memory, and would never live through a period, it keeps a note.
 */
import type { AutoCompactionOptions } from "../options.ts";

export interface Compactor {
  readonly isLeader: boolean;
  readonly nowMs: number;
  readonly revision: number;
  /** `done` is told whether the revision is compacted now. */
  compact(revision: number, done: (compacted: boolean) => void): void;
}

const HOUR_MS = 3_600_000;
const SAMPLES_PER_INTERVAL = 10;
const REVISION_EVERY_MS = 300_000;
const MODES = { off: 0, periodic: 1, revision: 2 } as const;

export class AutoCompaction {
  readonly #options: AutoCompactionOptions;
  readonly #compactor: Compactor;
  /** Between two looks. */
  readonly #everyMs: number;
  /** Revisions of the past, one for each look; the first one is what stood a period ago. */
  #samples: number[];
  readonly #samplesMax: number;
  #nextMs: number;
  /** At the last tick; it stands for all looks that were missed since. */
  #seen: number;
  #compacted = 0;
  #succeededMs: number;
  /** The first compaction waits for a whole period, those after it for no more than an hour. */
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
      for (let look = 0; look < Math.min(missed, this.#samplesMax); look++) this.#sample(this.#seen);
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

  /** mode │ retention │ next look │ last success │ compacted │ first? │ samples …      eight bytes each */
  #save(): void {
    const { mode, retention, save } = this.#options;
    const head = [MODES[mode], retention, this.#nextMs, this.#succeededMs, this.#compacted, this.#isFirst ? 1 : 0];
    save?.(new Uint8Array(Float64Array.from([...head, ...this.#samples]).buffer));
  }

  /** A note of other settings, or of a clock that was set back, is none. */
  #restore(note: Uint8Array): void {
    const { mode, retention } = this.#options;
    if (note.length % 8 !== 0) return this.#save();
    const [notedMode, notedRetention, nextMs = Infinity, succeededMs = Infinity, compacted = 0, isFirst, ...samples] =
      new Float64Array(note.slice().buffer);
    const latest = samples.at(-1) ?? Infinity;
    const isOurs = notedMode === MODES[mode] && notedRetention === retention && samples.length <= this.#samplesMax;
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
