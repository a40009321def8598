/**
 * What a leader has for the learners of a large room leaves in batches: one frame for each learner and `delayMs`, however
 * many writes there were. Each learner gets every entry, but no write waits for one.
 *
 *     to a learner that has asked lately ──► at once, with what waits for it
 *     to another learner ──► waits for the batch: `delayMs` after the first that waits, those leave whose entries are
 *                            committed. The others wait for the next batch, twice at most: before that, no learner can use them
 *
 * A learner that has forwarded a request lately has a client that waits for the entry, so it gets it at once. Only the last
 * few that asked do: in a room in which everybody writes, the leader's traffic stays bounded, and a write takes up to
 * `delayMs` longer.
 *
 * Safe, because a network may delay any message. Not delayed: anything else, with what waits before it, and everything
 * when a configuration change commits.
 */
import type {
  AppendMessage,
  ConfState,
  Entry,
  LogIndex,
  MemberId,
  RaftMessage,
} from "../../protocol/peer/raft-message.ts";
import type { Clock } from "../clock.ts";

/** Fewer learners get everything at once: their frames are no burden. */
const LEARNERS_MIN = 8;
/** Learners that get everything at once because they have asked. */
const ASKING_MAX = 8;
/** A learner that has asked within this time, in ms, may have clients that wait. */
const ASKED_MS = 1_000;
/** What waits for one learner is sent when it is this much. A frame of the transports holds it. */
const MESSAGES_MAX = 64;
const BYTES_MAX = 128 * 1024;

export interface LearnerBatchesHost {
  /** 0: nothing is delayed. */
  readonly delayMs: number;
  readonly clock: Clock;
  readonly send: (messages: readonly RaftMessage[]) => void;
  readonly confState: () => ConfState;
}

interface Batch {
  readonly messages: AppendMessage[];
  bytes: number;
  /** Index of the last entry in it; 0 if it has none. */
  lastIndex: LogIndex;
  /** How often it could have left. */
  turns: number;
}

/** Turns that a batch waits for its entries to be committed. */
const TURNS_MAX = 2;

export class LearnerBatches {
  readonly #host: LearnerBatchesHost;
  readonly #batches: Map<MemberId, Batch> = new Map();
  /** The last that asked, and when; the latest is the last. */
  readonly #asked: Map<MemberId, number> = new Map();
  #committedIndex: LogIndex = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(host: LearnerBatchesHost) {
    this.#host = host;
  }

  /** Records that `by` has forwarded a request of its clients. */
  recordRequest(by: MemberId): void {
    if (this.#host.delayMs === 0) return;
    this.#asked.delete(by);
    this.#asked.set(by, this.#host.clock.nowMs());
    if (this.#asked.size > ASKING_MAX) this.#asked.delete([...this.#asked.keys()][0] ?? 0n);
  }

  /** Returns the messages to send now. `committed` are the entries that have just been committed. */
  holdBack(messages: readonly RaftMessage[], committed: readonly Entry[]): readonly RaftMessage[] {
    const { delayMs, confState } = this.#host;
    if (delayMs === 0) return messages;
    this.#committedIndex = Math.max(this.#committedIndex, committed.at(-1)?.index ?? 0);
    if (messages.length === 0) return messages;
    const { learners } = confState();
    const isSmall = learners.length < LEARNERS_MIN;
    if (isSmall && this.#batches.size === 0) return messages;
    const isUrgent = isSmall || committed.some(({ type }) => type === "conf-change");
    const toLearners = new Set(learners);
    const now: RaftMessage[] = [];
    for (const message of messages) {
      const { type, to } = message;
      if (type === "append" && !isUrgent && toLearners.has(to) && !this.#isAsking(to)) {
        this.#add(message, now);
      } else {
        // In order, but for heartbeats, which claim nothing about the messages before them.
        if (type !== "heartbeat") this.#release(to, now);
        now.push(message);
      }
    }
    return now;
  }

  /** Call when the leader has changed, or the member stops. */
  reset(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#batches.clear();
    this.#asked.clear();
    this.#committedIndex = 0;
  }

  #isAsking(learner: MemberId): boolean {
    const askedMs = this.#asked.get(learner);
    return askedMs !== undefined && this.#host.clock.nowMs() - askedMs < ASKED_MS;
  }

  #add(message: AppendMessage, now: RaftMessage[]): void {
    const { to, entries } = message;
    let batch = this.#batches.get(to);
    if (batch === undefined) {
      batch = { messages: [], bytes: 0, lastIndex: 0, turns: 0 };
      this.#batches.set(to, batch);
    }
    // The next append repeats the commit index of one without entries.
    if (batch.messages.at(-1)?.entries.length === 0) batch.messages.pop();
    batch.messages.push(message);
    batch.lastIndex = Math.max(batch.lastIndex, entries.at(-1)?.index ?? 0);
    batch.bytes += entries.reduce((bytes, { data }) => bytes + data.length, 0);
    if (batch.messages.length >= MESSAGES_MAX || batch.bytes >= BYTES_MAX) this.#release(to, now);
    else this.#schedule();
  }

  #schedule(): void {
    this.#cancelTimer ??= this.#host.clock.setTimer(this.#host.delayMs, () => this.#sendDue());
  }

  #release(to: MemberId, now: RaftMessage[]): void {
    const batch = this.#batches.get(to);
    if (batch === undefined) return;
    this.#batches.delete(to);
    for (const message of batch.messages) now.push(message);
  }

  #sendDue(): void {
    this.#cancelTimer = undefined;
    const due: RaftMessage[] = [];
    for (const [to, batch] of [...this.#batches]) {
      if (batch.lastIndex <= this.#committedIndex || ++batch.turns > TURNS_MAX) this.#release(to, due);
    }
    if (this.#batches.size > 0) this.#schedule();
    if (due.length > 0) this.#host.send(due);
  }
}
