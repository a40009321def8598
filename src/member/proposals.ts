/**
 * Writes on their way: those that wait to be proposed and those that wait to be applied.
 *
 * A write is answered when its own entry is applied here, recognised by its request id; so it does not matter which
 * member leads. A write whose entry never comes back ends with a time-out, and its outcome is unknown, as in etcd; but
 * where it is sure that the entry is lost the write is proposed again.
 */
import type { EtcdError } from "../protocol/errors.ts";

export type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: EtcdError };

interface Waiting {
  readonly id: bigint;
  readonly bytes: Uint8Array;
  readonly deadlineMs: number;
  readonly done: (outcome: Outcome<unknown>) => void;
}

interface Proposal extends Waiting {
  /** In which it was proposed; 0: not yet. */
  term: number;
}

export class Proposals {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #queue: Proposal[] = [];
  #queueHead = 0;
  readonly #byId = new Map<bigint, Proposal>();
  #bytes = 0;

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get pending(): number {
    return this.#byId.size;
  }

  get queued(): number {
    return this.#queue.length - this.#queueHead;
  }

  /** False when the member has as much in hand as it may. */
  add(waiting: Waiting): boolean {
    if (this.#byId.size >= this.#countMax || this.#bytes + waiting.bytes.length > this.#bytesMax) return false;
    const proposal = { ...waiting, term: 0 };
    this.#byId.set(waiting.id, proposal);
    this.#queue.push(proposal);
    this.#bytes += waiting.bytes.length;
    return true;
  }

  /** The next batch to propose: as many as fit `bytesMax`, at least one. `batchTaken` removes it from the queue. */
  nextBatch(bytesMax: number): readonly Uint8Array[] {
    const batch: Uint8Array[] = [];
    let bytes = 0;
    for (let at = this.#queueHead; at < this.#queue.length; at++) {
      const waiting = this.#queue[at] as Proposal;
      if (batch.length > 0 && bytes + waiting.bytes.length > bytesMax) break;
      batch.push(waiting.bytes);
      bytes += waiting.bytes.length;
    }
    return batch;
  }

  batchTaken(count: number, term: number): void {
    for (let taken = 0; taken < count; taken++) (this.#queue[this.#queueHead + taken] as Proposal).term = term;
    this.#queueHead += count;
    if (this.#queueHead === this.#queue.length) {
      this.#queue = [];
      this.#queueHead = 0;
    } else if (this.#queueHead > 4096) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
  }

  /**
   * The first entry of `term` was applied. What was proposed in an earlier term can only be an entry of that term (Raft
   * takes a forwarded proposal in its own term or not at all), and none of these will be applied any more.
   */
  termApplied(term: number): void {
    const lost: Proposal[] = [];
    for (const waiting of this.#byId.values()) if (waiting.term > 0 && waiting.term < term) lost.push(waiting);
    if (lost.length === 0) return;
    for (const waiting of lost) waiting.term = 0;
    this.#queue = [...lost, ...this.#queue.slice(this.#queueHead)];
    this.#queueHead = 0;
  }

  /** A snapshot does not tell which of them it holds: they will not be proposed again. */
  stateReplaced(): void {
    for (const waiting of this.#byId.values()) if (waiting.term > 0) waiting.term = Infinity;
  }

  /** The entry with this id was applied here. Ids of other members' requests are none of ours. */
  resolve(id: bigint, outcome: Outcome<unknown>): void {
    const waiting = this.#byId.get(id);
    if (waiting === undefined) return;
    this.#forget(waiting);
    waiting.done(outcome);
  }

  /** Requests past their deadline end with `error`; those still queued are not proposed any more. */
  expire(nowMs: number, error: EtcdError): void {
    const late: Proposal[] = [];
    // Insertion order is deadline order: all requests of a member have the same time-out.
    for (const waiting of this.#byId.values()) {
      if (waiting.deadlineMs > nowMs) break;
      late.push(waiting);
    }
    if (late.length > 0) this.#drop(late, error);
  }

  failAll(error: EtcdError): void {
    this.#drop([...this.#byId.values()], error);
  }

  #drop(dropped: readonly Proposal[], error: EtcdError): void {
    const gone = new Set(dropped);
    this.#queue = this.#queue.slice(this.#queueHead).filter((waiting) => !gone.has(waiting));
    this.#queueHead = 0;
    for (const waiting of dropped) {
      this.#forget(waiting);
      waiting.done({ ok: false, error });
    }
  }

  #forget(waiting: Proposal): void {
    this.#byId.delete(waiting.id);
    this.#bytes -= waiting.bytes.length;
  }
}
