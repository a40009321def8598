/**
 * What the leader knows of one member's log, and what it may send next.
 *
 *   probe ──accepted──▶ replicate        probe:     one append, then wait for its answer or a heartbeat's
 *     ▲ ▲                  │  │          replicate: a stream of appends, limited by what is in flight
 *     │ └──reject, lost────┘  │          snapshot:  nothing; the state is being streamed
 *     └──── snapshot ◀────────┘ compacted
 */
import { assert } from "../base/assert.ts";
import type { LogIndex } from "../protocol/peer/raft-message.ts";
import { Inflights } from "./inflights.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  /** The member's log is known to equal the leader's up to here. */
  match: LogIndex = 0;
  /** Next entry to send; those in (match, next) are on their way. Always above match. */
  next: LogIndex;
  state: ProgressState = "probe";
  /** Index of the snapshot under way; 0 outside the snapshot state. */
  pendingSnapshot: LogIndex = 0;
  /** Something was heard from the member since the last quorum check. */
  recentActive: boolean;
  isLearner: boolean;
  /** Newest position of the read queue that the member acknowledged in a heartbeat. */
  readPosition = 0;
  /** An append went out and neither its answer nor a heartbeat's came back since. */
  #isPaused = false;
  /** Highest commit index sent, as far as the member could use it: below next. */
  #sentCommit: LogIndex = 0;
  readonly inflights: Inflights;

  constructor(
    next: LogIndex,
    isLearner: boolean,
    recentActive: boolean,
    limits: { readonly maxInflightMessages: number; readonly maxInflightBytes: number },
  ) {
    assert(next >= 1, "next is above match");
    this.next = next;
    this.isLearner = isLearner;
    this.recentActive = recentActive;
    this.inflights = new Inflights(limits.maxInflightMessages, limits.maxInflightBytes);
  }

  get isPaused(): boolean {
    return this.state === "snapshot" || (this.#isPaused && (this.state === "probe" || this.inflights.isFull));
  }

  becomeProbe(): void {
    // A snapshot that was reported as delivered is probed behind itself.
    const next = Math.max(this.match, this.state === "snapshot" ? this.pendingSnapshot : 0) + 1;
    this.#enter("probe", next);
  }

  becomeReplicate(): void {
    this.#enter("replicate", this.match + 1);
  }

  becomeSnapshot(index: LogIndex): void {
    this.#enter("snapshot", this.next);
    this.pendingSnapshot = index;
  }

  /** No append until the member is heard again. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  canSendEntries(lastIndex: LogIndex): boolean {
    return this.next <= lastIndex && (this.state === "probe" || !this.inflights.isFull);
  }

  /**
   * While replicating, an append without entries is due when it would carry a newer commit index, or once per
   * heartbeat while something is unacknowledged: a lost message is noticed by it.
   */
  shouldSend(lastIndex: LogIndex, commit: LogIndex): boolean {
    if (this.state === "snapshot") return false;
    if (this.state === "probe") return !this.#isPaused;
    if (this.#sentCommit < Math.min(commit, this.next - 1)) return true;
    return this.match < lastIndex && (!this.#isPaused || this.canSendEntries(lastIndex));
  }

  sentAppend(entryCount: number, bytes: number, commit: LogIndex): void {
    assert(this.state !== "snapshot", "nothing is appended during a snapshot");
    if (this.state === "replicate" && entryCount > 0) {
      this.next += entryCount;
      this.inflights.add(this.next - 1, bytes);
    }
    this.#isPaused = true;
    this.sentCommit(commit);
  }

  sentCommit(commit: LogIndex): void {
    this.#sentCommit = Math.min(Math.max(this.#sentCommit, commit), this.next - 1);
  }

  /** The member's log equals ours up to `index`. False when that was known. */
  acknowledged(index: LogIndex): boolean {
    if (index <= this.match) return false;
    this.match = index;
    if (this.next <= index) this.next = index + 1;
    return true;
  }

  /** The member refused an append after `rejected` and may agree up to `hint`. False when that is old news. */
  rejected(rejected: LogIndex, hint: LogIndex): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    // A probe is for one index; an answer to another is from before.
    if (this.state !== "probe" || rejected !== this.next - 1) return false;
    this.next = Math.max(Math.min(rejected, hint + 1), this.match + 1);
    this.#sentCommit = Math.min(this.#sentCommit, this.next - 1);
    this.#isPaused = false;
    return true;
  }

  #enter(state: ProgressState, next: LogIndex): void {
    this.state = state;
    this.next = next;
    this.pendingSnapshot = 0;
    this.#isPaused = false;
    this.#sentCommit = Math.min(this.#sentCommit, this.match);
    this.inflights.clear();
  }
}
