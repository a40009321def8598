/**
 * Writes on their way: those that wait to be proposed and those that wait to be applied.
 *
 * A write is answered when its own entry is applied here, recognised by its request id; so it does not matter which
 * member leads. A write whose entry never comes back ends with a time-out, and its outcome is unknown, as in etcd; but
 * where it is sure that the entry is lost the write is proposed again.
 */
import { assert } from "../../base/assert.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import { FairQueue } from "../limits/fair-queue.ts";
import type { Outcome } from "../outcome.ts";

interface Waiting {
  readonly id: bigint;
  readonly bytes: Uint8Array;
  readonly deadlineMs: number;
  /** Whose it is, for fair turns; absent: this program's own. */
  readonly caller?: string | undefined;
  readonly done: (outcome: Outcome<unknown>) => void;
}

interface Proposal extends Waiting {
  /** In which it was proposed; 0: not yet. */
  term: number;
}

/** What a caller may propose before it is another's turn. */
const TURN_BYTES = 16 * 1024;
/** What an entry costs beside its bytes. */
const AROUND_ENTRY_BYTES = 256;

export class Proposals {
  readonly #countMax: number;
  readonly #bytesMax: number;
  /** Proposed once and lost; they go first. */
  #again: Proposal[] = [];
  readonly #queue: FairQueue<Proposal> = new FairQueue({
    weightOf: ({ bytes }) => bytes.length + AROUND_ENTRY_BYTES,
    quantum: TURN_BYTES,
  });
  /** By `nextBatch`. */
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

  /** False when the member has as much in hand as it may. */
  add(waiting: Waiting): boolean {
    if (this.#byId.size >= this.#countMax || this.#bytes + waiting.bytes.length > this.#bytesMax) return false;
    const proposal = { ...waiting, term: 0 };
    this.#byId.set(waiting.id, proposal);
    this.#queue.push(waiting.caller ?? "", proposal);
    this.#bytes += waiting.bytes.length;
    return true;
  }

  /**
   * The next batch to propose, callers in turn: as many as fit `bytesMax`, at least one. `batchTaken` removes it from the
   * queue.
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

  /** The first `count` of `nextBatch` were proposed. */
  batchTaken(count: number, term: number): void {
    assert(count <= this.#selected.length, "what is taken was selected before");
    const taken = this.#selected.slice(0, count);
    for (const proposal of taken) proposal.term = term;
    this.#unqueue(taken);
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
    this.#again = [...lost, ...this.#again];
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
    this.#unqueue(dropped);
    for (const waiting of dropped) {
      this.#forget(waiting);
      waiting.done({ ok: false, error });
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
