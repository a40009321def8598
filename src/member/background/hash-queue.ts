/**
 * Computes HashKV for all callers. One walk over the rows at a time, in small steps, so that requests are served in
 * between. While a walk is in progress, compaction must not remove rows.
 */
import { EtcdError, errRequestTooManyRequests, errStopped } from "../../protocol/errors.ts";
import type { HashWalk, KeyValueHash } from "../../mvcc/hash.ts";
import type { Store } from "../../mvcc/store.ts";
import type { Clock } from "../clock.ts";
import type { Outcome } from "../outcome.ts";

const STEP_ROWS = 1_000;
const STEP_BYTES = 1024 * 1024;
const WAITING_MAX = 64;

export interface HashQueueHost {
  readonly clock: Clock;
  readonly store: () => Store;
  /** Runs a step unless the member has stopped. */
  readonly runOrStop: (step: () => void) => void;
  /** Called when rows may be removed again. */
  readonly released: () => void;
}

interface Request {
  readonly revision: number;
  readonly done: (outcome: Outcome<KeyValueHash>) => void;
}

export class HashQueue {
  readonly #host: HashQueueHost;
  readonly #waiting: Request[] = [];
  #walk: { readonly store: Store; readonly walk: HashWalk } | undefined;
  #cancelStep: (() => void) | undefined;

  constructor(host: HashQueueHost) {
    this.#host = host;
  }

  get holdsRows(): boolean {
    return this.#walk !== undefined;
  }

  /**
   * Requests the hash at `revision`; 0 means the newest. The hash covers the stored rows, so compacted ones are not
   * included.
   */
  request(revision: number, done: Request["done"]): void {
    if (this.#waiting.length >= WAITING_MAX) return done({ ok: false, error: errRequestTooManyRequests });
    this.#waiting.push({ revision, done });
    if (this.#waiting.length === 1) this.#step();
  }

  stop(): void {
    this.#cancelStep?.();
    this.#cancelStep = undefined;
    this.#walk = undefined;
    for (const { done } of this.#waiting.splice(0)) done({ ok: false, error: errStopped });
  }

  #step(): void {
    this.#cancelStep = undefined;
    const request = this.#waiting[0];
    if (request === undefined) return;
    const outcome = this.#advance(request.revision);
    if (outcome === undefined) return this.#later();
    this.#waiting.shift();
    this.#walk = undefined;
    if (this.#waiting.length > 0) this.#later();
    else this.#host.released();
    request.done(outcome);
  }

  #advance(revision: number): Outcome<KeyValueHash> | undefined {
    const store = this.#host.store();
    // A snapshot may have replaced all rows since the last step.
    if (this.#walk?.store !== store) {
      try {
        this.#walk = { store, walk: store.hashWalk(revision) };
      } catch (error) {
        if (error instanceof EtcdError) return { ok: false, error };
        throw error;
      }
    }
    const hash = this.#walk.walk.step(STEP_ROWS, STEP_BYTES);
    return hash === undefined ? undefined : { ok: true, value: hash };
  }

  #later(): void {
    this.#cancelStep = this.#host.clock.setTimer(0, () => this.#host.runOrStop(() => this.#step()));
  }
}
