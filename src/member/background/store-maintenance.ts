/**
 * Store maintenance in small steps between requests: synchronization of watchers, physical compaction, progress
 * notifications.
 */
import type { Clock } from "../clock.ts";
import type { StateMachine } from "../apply/state-machine.ts";

/** Keys per step of physical compaction, and the pause between steps (etcd: 1,000 keys, 10 ms). */
const COMPACT_STEP_KEYS = 1_000;
const PAUSE_MS = 10;
/** Revisions of history per step of syncing watchers (etcd: 1,000). */
const SYNC_REVISIONS = 1_000;

export interface StoreMaintenanceHost {
  readonly clock: Clock;
  readonly machine: StateMachine;
  /** Runs a step unless the member has stopped. */
  readonly runOrStop: (step: () => void) => void;
  /** Runs a step unless the member has stopped and does not even read. */
  readonly readOrStop: (step: () => void) => void;
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

  /** Call after adding watchers, or after a reader has taken responses: history may have to be delivered. */
  syncWatchers(): void {
    this.#cancelSync ??= this.#host.clock.setTimer(0, () => this.#sync());
  }

  /** Starts physical compaction. `done` is called when no compacted row is left, or the member stops. */
  scheduleCompaction(done: (() => void) | undefined): void {
    if (this.#isStopped) return done?.();
    if (done !== undefined) this.#compactionWaiters.push(done);
    this.#compactAfter(0);
  }

  /**
   * Sends progress notifications at this interval, to the watchers that want them. The timer runs only while there are
   * watchers.
   */
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
    this.#cancelSync = undefined;
    this.#cancelCompaction?.();
    this.#cancelProgress?.();
    this.#releaseWaiters();
  }

  #sync(): void {
    this.#cancelSync = undefined;
    this.#host.readOrStop(() => {
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
      // The part that holds the rows starts this again when it releases them.
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
