/**
 * Linearizable reads: request a read index, wait until it is applied, read (Raft thesis 6.4).
 *
 * Reads that arrive while a round is in flight wait for the next one, because its index must be taken after they
 * arrived. A round whose response was lost is requested again. Reading is idempotent, so callers do not notice.
 */
import type { EtcdError } from "../../protocol/errors.ts";

interface ReadWaiter {
  readonly deadlineMs: number;
  readonly run: () => void;
  readonly fail: (error: EtcdError) => void;
}

interface Round {
  readonly context: Uint8Array;
  requestedMs: number;
  readonly waiters: ReadWaiter[];
}

/** etcd retries after 500 ms. */
const RETRY_MS = 500;
const ROUNDS_MAX = 2;

export class Reads {
  readonly #member: bigint;
  readonly #countMax: number;
  #queued: ReadWaiter[] = [];
  readonly #rounds = new Map<string, Round>();
  #confirmed: { readonly index: number; readonly waiters: readonly ReadWaiter[] }[] = [];
  #lastRound: bigint;
  #pending = 0;

  /**
   * `firstRound` is random: a response to a round of a previous run is older than the current reads and must not match.
   */
  constructor(member: bigint, firstRound: bigint, countMax: number) {
    this.#member = member;
    this.#lastRound = firstRound;
    this.#countMax = countMax;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Queues a read. Returns false if the limit of pending reads is reached. */
  add(waiter: ReadWaiter): boolean {
    if (this.#pending >= this.#countMax) return false;
    this.#pending += 1;
    this.#queued.push(waiter);
    return true;
  }

  /**
   * Returns the contexts to request a read index for now: at most one new round, and rounds whose response is overdue.
   */
  contextsToSend(nowMs: number): readonly Uint8Array[] {
    const contexts: Uint8Array[] = [];
    for (const round of this.#rounds.values()) {
      if (nowMs - round.requestedMs < RETRY_MS) continue;
      round.requestedMs = nowMs;
      contexts.push(round.context);
    }
    if (this.#queued.length > 0 && this.#rounds.size < ROUNDS_MAX) {
      const round: Round = { context: this.#nextContext(), requestedMs: nowMs, waiters: this.#queued };
      this.#queued = [];
      this.#rounds.set(contextKey(round.context), round);
      contexts.push(round.context);
    }
    return contexts;
  }

  /** Call when no read index could be requested. All rounds are due again at the next opportunity. */
  retryPending(): void {
    for (const round of this.#rounds.values()) round.requestedMs = -Infinity;
  }

  confirm(context: Uint8Array, index: number): void {
    const round = this.#rounds.get(contextKey(context));
    if (round === undefined) return;
    this.#rounds.delete(contextKey(context));
    this.#confirmed.push({ index, waiters: round.waiters });
  }

  /** Runs the reads whose index is applied. */
  applied(index: number): void {
    if (this.#confirmed.length === 0) return;
    const ready = this.#confirmed.filter((group) => group.index <= index);
    if (ready.length === 0) return;
    this.#confirmed = this.#confirmed.filter((group) => group.index > index);
    for (const group of ready) {
      this.#pending -= group.waiters.length;
      for (const waiter of group.waiters) waiter.run();
    }
  }

  expire(nowMs: number, error: EtcdError): void {
    if (this.#pending === 0) return;
    this.#queued = this.#keep(this.#queued, nowMs, error);
    for (const [key, round] of this.#rounds) {
      const kept = this.#keep(round.waiters, nowMs, error);
      if (kept.length === 0) this.#rounds.delete(key);
      else round.waiters.splice(0, round.waiters.length, ...kept);
    }
    this.#confirmed = this.#confirmed.map((group) => ({ ...group, waiters: this.#keep(group.waiters, nowMs, error) }));
  }

  failAll(error: EtcdError): void {
    this.expire(Infinity, error);
    this.#rounds.clear();
    this.#confirmed = [];
  }

  #keep(waiters: readonly ReadWaiter[], nowMs: number, error: EtcdError): ReadWaiter[] {
    const kept: ReadWaiter[] = [];
    const late: ReadWaiter[] = [];
    for (const waiter of waiters) (waiter.deadlineMs > nowMs ? kept : late).push(waiter);
    this.#pending -= late.length;
    for (const waiter of late) waiter.fail(error);
    return kept;
  }

  /** Returns a context that is unique in the cluster: the leader keeps the contexts of all members in one list. */
  #nextContext(): Uint8Array {
    this.#lastRound = BigInt.asUintN(64, this.#lastRound + 1n);
    const context = new Uint8Array(16);
    const view = new DataView(context.buffer);
    view.setBigUint64(0, this.#member);
    view.setBigUint64(8, this.#lastRound);
    return context;
  }
}

function contextKey(context: Uint8Array): string {
  return String.fromCharCode(...context);
}
