/** What a member does in small steps beside its requests: catching up watchers, physical compaction, progress notices. */
import type { Clock } from "../clock.ts";
import type { StateMachine } from "../apply/state-machine.ts";

/** Keys per step of physical compaction, and the pause between steps (etcd: 1,000 keys, 10 ms). */
const SCRUB_KEYS = 1_000;
const PAUSE_MS = 10;
/** Revisions of history per step of catching up (etcd: 1,000). */
const CATCH_UP_REVISIONS = 1_000;

export interface ChoresHost {
  readonly clock: Clock;
  readonly machine: StateMachine;
  /** Runs a step unless the member has stopped. */
  readonly guard: (step: () => void) => void;
  readonly mayScrub: () => boolean;
  readonly onScrubbed: () => void;
}

type Cancel = () => void;

export class Chores {
  readonly #host: ChoresHost;
  #cancelPump: Cancel | undefined;
  #cancelScrub: Cancel | undefined;
  #cancelProgress: Cancel | undefined;
  #scrubWaiters: (() => void)[] = [];
  #isStopped = false;

  constructor(host: ChoresHost) {
    this.#host = host;
  }

  /** Watchers were added, or readers took something: there may be history to deliver. */
  pumpWatches(): void {
    if (this.#isStopped) return;
    this.#cancelPump ??= this.#host.clock.setTimer(0, () => this.#pump());
  }

  /** `done` is called when no compacted row is left, or the member stops. */
  scrub(done: (() => void) | undefined): void {
    if (this.#isStopped) return done?.();
    if (done !== undefined) this.#scrubWaiters.push(done);
    this.#scrubAfter(0);
  }

  /** Some watcher wants periodic progress notices; the clock for them runs while there are watchers. */
  notifyProgressEvery(intervalMs: number): void {
    if (this.#isStopped) return;
    this.#cancelProgress ??= this.#host.clock.setTimer(intervalMs, () => {
      this.#cancelProgress = undefined;
      this.#host.guard(() => {
        this.#host.machine.hub.progressAll();
        if (this.#host.machine.hub.watcherCount > 0) this.notifyProgressEvery(intervalMs);
      });
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelPump?.();
    this.#cancelScrub?.();
    this.#cancelProgress?.();
    this.#releaseWaiters();
  }

  #pump(): void {
    this.#cancelPump = undefined;
    this.#host.guard(() => {
      if (!this.#host.machine.hub.pump(CATCH_UP_REVISIONS)) return;
      this.#cancelPump = this.#host.clock.setTimer(PAUSE_MS, () => this.#pump());
    });
  }

  #scrubAfter(delayMs: number): void {
    this.#cancelScrub ??= this.#host.clock.setTimer(delayMs, () => this.#scrubStep());
  }

  #scrubStep(): void {
    this.#cancelScrub = undefined;
    this.#host.guard(() => {
      // Whatever holds the rows starts this again when it lets go of them.
      if (!this.#host.mayScrub()) return;
      const more = this.#host.machine.store.scrub(SCRUB_KEYS);
      this.#host.onScrubbed();
      if (more) return this.#scrubAfter(PAUSE_MS);
      this.#releaseWaiters();
    });
  }

  #releaseWaiters(): void {
    const waiters = this.#scrubWaiters;
    this.#scrubWaiters = [];
    for (const done of waiters) done();
  }
}
