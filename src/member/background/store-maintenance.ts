/** What a member does in small steps beside its requests: catching up watchers, physical compaction, progress notices. */
import type { Clock } from "../clock.ts";
import type { StateMachine } from "../apply/state-machine.ts";

/** Keys per step of physical compaction, and the pause between steps (etcd: 1,000 keys, 10 ms). */
const COMPACT_STEP_KEYS = 1_000;
const PAUSE_MS = 10;
/** Revisions of history per step of catching up (etcd: 1,000). */
const SYNC_REVISIONS = 1_000;

export interface StoreMaintenanceHost {
  readonly clock: Clock;
  readonly machine: StateMachine;
  /** Runs a step unless the member has stopped. */
  readonly runOrStop: (step: () => void) => void;
  readonly mayCompact: () => boolean;
  readonly onCompacted: () => void;
}

type Cancel = () => void;

export class StoreMaintenance {
  readonly #host: StoreMaintenanceHost;
  #cancelSync: Cancel | undefined;
  #cancelCompaction: Cancel | undefined;
  #cancelProgress: Cancel | undefined;
  #compactionWaiters: (() => void)[] = [];
  #isStopped = false;

  constructor(host: StoreMaintenanceHost) {
    this.#host = host;
  }

  /** Watchers were added, or readers took something: there may be history to deliver. */
  syncWatchers(): void {
    if (this.#isStopped) return;
    this.#cancelSync ??= this.#host.clock.setTimer(0, () => this.#sync());
  }

  /** `done` is called when no compacted row is left, or the member stops. */
  scheduleCompaction(done: (() => void) | undefined): void {
    if (this.#isStopped) return done?.();
    if (done !== undefined) this.#compactionWaiters.push(done);
    this.#compactAfter(0);
  }

  /** Some watcher wants periodic progress notices; the clock for them runs while there are watchers. */
  notifyProgressEvery(intervalMs: number): void {
    if (this.#isStopped) return;
    this.#cancelProgress ??= this.#host.clock.setTimer(intervalMs, () => {
      this.#cancelProgress = undefined;
      this.#host.runOrStop(() => {
        this.#host.machine.hub.progressAll();
        if (this.#host.machine.hub.watcherCount > 0) this.notifyProgressEvery(intervalMs);
      });
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelSync?.();
    this.#cancelCompaction?.();
    this.#cancelProgress?.();
    this.#releaseWaiters();
  }

  #sync(): void {
    this.#cancelSync = undefined;
    this.#host.runOrStop(() => {
      if (!this.#host.machine.hub.syncUnsynced(SYNC_REVISIONS)) return;
      this.#cancelSync = this.#host.clock.setTimer(PAUSE_MS, () => this.#sync());
    });
  }

  #compactAfter(delayMs: number): void {
    this.#cancelCompaction ??= this.#host.clock.setTimer(delayMs, () => this.#compactStep());
  }

  #compactStep(): void {
    this.#cancelCompaction = undefined;
    this.#host.runOrStop(() => {
      // Whatever holds the rows starts this again when it lets go of them.
      if (!this.#host.mayCompact()) return;
      const more = this.#host.machine.store.compactStep(COMPACT_STEP_KEYS);
      this.#host.onCompacted();
      if (more) return this.#compactAfter(PAUSE_MS);
      this.#releaseWaiters();
    });
  }

  #releaseWaiters(): void {
    const waiters = this.#compactionWaiters;
    this.#compactionWaiters = [];
    for (const done of waiters) done();
  }
}
