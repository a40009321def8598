/**
 * What the leader knows of one member's log, and what it may send next.
 *
 *   probe ──accepted──▶ replicate        probe:     one append, then wait for its response or a heartbeat's
 *     ▲ ▲                  │  │          replicate: a stream of appends, limited by what is in flight
 *     │ └──reject, lost────┘  │          snapshot:  nothing; the state is being streamed
 *     └──── snapshot ◀────────┘ compacted
 */
import { assert } from "../base/assert.ts";
import type { LogIndex } from "../protocol/peer/raft-message.ts";
import { Inflights } from "./inflights.ts";

export type ProgressState = "probe" | "replicate" | "snapshot";

export class Progress {
  /** The member's log is known to equal the leader's up to this index. */
  match: LogIndex = 0;
  /** Next entry to send. Those in (match, next) are in flight. Invariant: match < next. */
  next: LogIndex;
  state: ProgressState = "probe";
  /** Index of the snapshot in flight; 0 outside the snapshot state. */
  pendingSnapshot: LogIndex = 0;
  /** The member sent a message since the last quorum check. */
  recentActive: boolean;
  isLearner: boolean;
  /** Newest position of the read queue that the member acknowledged in a heartbeat response. */
  readPosition = 0;
  /** Ticks since the member was sent a heartbeat, or acknowledged an append. Of a learner only. */
  quietTicks = 0;
  /** An append was sent, and neither its response nor a heartbeat's arrived since. */
  #isPaused = false;
  /** Highest commit index sent, limited to what the member could use. Invariant: sent commit < next. */
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
    // A snapshot that was reported as delivered is probed at the index after it.
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

  /** Pauses appends until the next message of the member. */
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
   * While replicating, an append without entries is due when it would carry a newer commit index. It is also due once
   * per heartbeat while something is unacknowledged, because that reveals a lost message.
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

  /** Records that the member's log equals ours up to `index`. Returns false if that was known. */
  acknowledged(index: LogIndex): boolean {
    if (index <= this.match) return false;
    this.match = index;
    if (this.next <= index) this.next = index + 1;
    return true;
  }

  /**
   * Records that the member rejected an append after `rejected` and may agree up to `hint`. Returns false if that is
   * stale.
   */
  rejected(rejected: LogIndex, hint: LogIndex): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    // A probe is for one index. A response to another index is stale.
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
