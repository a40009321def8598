/**
 * Writes between the request and its result: those waiting to be proposed, and those waiting to be applied.
 *
 * A write is completed when its entry is applied here, recognised by its request id; so it does not matter which member
 * leads. A write whose entry is never applied ends with a time-out, and its outcome is unknown, as in etcd. But if the
 * entry is certainly lost, the write is proposed again.
 */
import { assert } from "../../base/assert.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import { FairQueue } from "../limits/fair-queue.ts";
import type { Outcome } from "../outcome.ts";

interface Waiting {
  readonly id: bigint;
  readonly bytes: Uint8Array;
  readonly deadlineMs: number;
  /** The caller, for fair queueing. Absent for writes of the member itself. */
  readonly caller?: string | undefined;
  readonly done: (outcome: Outcome<unknown>) => void;
}

interface Proposal extends Waiting {
  /** Term in which it was proposed; 0 if it was not. */
  term: number;
}

/** What a caller may propose in one turn, before the next caller. */
const TURN_BYTES = 16 * 1024;
/** Overhead of an entry beside its data. */
const AROUND_ENTRY_BYTES = 256;

export class Proposals {
  readonly #countMax: number;
  readonly #bytesMax: number;
  /** Proposed before and lost. These are proposed first. */
  #again: Proposal[] = [];
  readonly #queue: FairQueue<Proposal> = new FairQueue({
    weightOf: ({ bytes }) => bytes.length + AROUND_ENTRY_BYTES,
    quantum: TURN_BYTES,
  });
  /** The result of the last `nextBatch`. */
  #selected: readonly Proposal[] = [];
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
    return this.#again.length + this.#queue.length;
  }

  /** Queues a write. Returns false if the member's limit of pending writes is reached. */
  add(waiting: Waiting): boolean {
    if (this.#byId.size >= this.#countMax || this.#bytes + waiting.bytes.length > this.#bytesMax) return false;
    const proposal = { ...waiting, term: 0 };
    this.#byId.set(waiting.id, proposal);
    this.#queue.push(waiting.caller ?? "", proposal);
    this.#bytes += waiting.bytes.length;
    return true;
  }

  /**
   * Returns the next batch to propose, with callers in turn: as many writes as fit `bytesMax`, at least one.
   * `batchTaken` removes them from the queue.
   */
  nextBatch(bytesMax: number): readonly Uint8Array[] {
    let bytes = 0;
    let count = 0;
    const fits = (proposal: Proposal): boolean => {
      if (count > 0 && bytes + proposal.bytes.length > bytesMax) return false;
      bytes += proposal.bytes.length;
      count += 1;
      return true;
    };
    const again: Proposal[] = [];
    for (const proposal of this.#again) {
      if (!fits(proposal)) break;
      again.push(proposal);
    }
    const isFull = again.length < this.#again.length;
    this.#selected = isFull ? again : [...again, ...this.#queue.select(fits)];
    return this.#selected.map((proposal) => proposal.bytes);
  }

  /** Call when the first `count` writes of `nextBatch` were proposed. */
  batchTaken(count: number, term: number): void {
    assert(count <= this.#selected.length, "what is taken was selected before");
    const taken = this.#selected.slice(0, count);
    for (const proposal of taken) proposal.term = term;
    this.#unqueue(taken);
  }

  /**
   * Call when the first entry of `term` is applied. Raft accepts a forwarded proposal only in the term it was sent in.
   * Proposals of earlier terms that are still unapplied are therefore lost and safe to propose again.
   */
  termApplied(term: number): void {
    const lost: Proposal[] = [];
    for (const waiting of this.#byId.values()) if (waiting.term > 0 && waiting.term < term) lost.push(waiting);
    if (lost.length === 0) return;
    for (const waiting of lost) waiting.term = 0;
    this.#again = [...lost, ...this.#again];
  }

  /**
   * Call when a snapshot has replaced the state. It does not show which proposals it contains, so none is proposed
   * again.
   */
  stateReplaced(): void {
    for (const waiting of this.#byId.values()) if (waiting.term > 0) waiting.term = Infinity;
  }

  /** Completes the write with this id; its entry was applied here. Ignores ids of other members' requests. */
  resolve(id: bigint, outcome: Outcome<unknown>): void {
    const waiting = this.#byId.get(id);
    if (waiting === undefined) return;
    this.#forget(waiting);
    waiting.done(outcome);
  }

  /** Fails requests past their deadline. Those still queued are not proposed; of the others the outcome is unknown. */
  expire(nowMs: number, error: EtcdError, errorIfUnknown: EtcdError = error): void {
    const late: Proposal[] = [];
    // Insertion order is deadline order, because all requests of a member have the same time-out.
    for (const waiting of this.#byId.values()) {
      if (waiting.deadlineMs > nowMs) break;
      late.push(waiting);
    }
    if (late.length > 0) this.#drop(late, error, errorIfUnknown);
  }

  failAll(error: EtcdError, errorIfUnknown: EtcdError): void {
    this.#drop([...this.#byId.values()], error, errorIfUnknown);
  }

  #drop(dropped: readonly Proposal[], error: EtcdError, errorIfUnknown: EtcdError): void {
    this.#unqueue(dropped);
    for (const waiting of dropped) {
      this.#forget(waiting);
      waiting.done({ ok: false, error: waiting.term > 0 ? errorIfUnknown : error });
    }
  }

  #unqueue(proposals: readonly Proposal[]): void {
    this.#selected = [];
    if (this.#again.length > 0) {
      const gone = new Set(proposals);
      this.#again = this.#again.filter((proposal) => !gone.has(proposal));
    }
    this.#queue.remove(proposals);
  }

  #forget(waiting: Proposal): void {
    this.#byId.delete(waiting.id);
    this.#bytes -= waiting.bytes.length;
  }
}
