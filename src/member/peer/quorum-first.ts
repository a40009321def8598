/**
 * Sends a leader's appends, and the heartbeats that confirm reads, first to as many voters as a majority needs. The others
 * are spare: what is theirs waits a little and then travels together, as one request with one write at its receiver.
 *
 *     to a needed voter ──► at once
 *     to a spare voter ───► waits ─┬─ until its majority is late: then it is sent, and the spare voter is needed next
 *                                  └─ once the majority has answered: for `delayMs`, or until there is enough of it
 *
 * Safe, because a network may delay any message. Nothing waits for a spare voter unless a needed one is slow, and that
 * is noticed after three times its usual time. Where every message is billed, a spare voter costs a fraction.
 *
 * Not delayed: what is for learners, for a follower that forwarded a request lately, while the configuration changes, and
 * after a pause, in which the needed voters may have been evicted from memory.
 */
import type {
  AppendMessage,
  ConfState,
  Entry,
  HeartbeatMessage,
  LogIndex,
  MemberId,
  RaftMessage,
} from "../../protocol/peer/raft-message.ts";
import type { Clock } from "../clock.ts";

/** A majority is late after this many times the usual time, within these limits in milliseconds. */
const LATE_FACTOR = 3;
const LATE_MS_MIN = 5;
const LATE_MS_MAX = 50;
/** The part of a new sample in the usual time. */
const SAMPLE_PART = 1 / 8;
/** Without an answer of a majority for this time, in ms, all voters get a message at once. */
const PAUSE_MS = 1_000;
/** What waits for one member is sent when it is this much. A frame of the transports holds it. */
const MESSAGES_MAX = 64;
const BYTES_MAX = 128 * 1024;

export interface QuorumFirstHost {
  readonly id: MemberId;
  /** 0: nothing is delayed. */
  readonly delayMs: number;
  readonly clock: Clock;
  readonly send: (messages: readonly RaftMessage[]) => void;
  readonly confState: () => ConfState;
  /** True if a client of this follower may wait for what it gets. */
  readonly isAsking: (follower: MemberId) => boolean;
}

interface Waiting {
  readonly message: AppendMessage | HeartbeatMessage;
  readonly sinceMs: number;
  /** The majority has answered it. */
  isSettled: boolean;
}

interface Spare {
  messages: Waiting[];
  bytes: number;
}

/** What a Ready shows to be answered. */
export interface Answered {
  readonly committed: readonly Entry[];
  readonly hasReads: boolean;
}

export class QuorumFirst {
  readonly #host: QuorumFirstHost;
  readonly #spares: Map<MemberId, Spare> = new Map();
  #committedIndex: LogIndex = 0;
  #usualMs = LATE_MS_MIN;
  #answeredMs = -Infinity;
  /** Turns the list of voters, so that others are needed. */
  #turns = 0;
  #timer: { readonly dueMs: number; readonly cancel: () => void } | undefined;

  constructor(host: QuorumFirstHost) {
    this.#host = host;
  }

  /** Returns the messages to send now. */
  holdBack(messages: readonly RaftMessage[], answered: Answered): readonly RaftMessage[] {
    const { delayMs } = this.#host;
    if (delayMs === 0) return messages;
    this.#settle(answered);
    if (messages.length === 0) return messages;
    const spareIds = this.#spareIds();
    const isPaused = this.#host.clock.nowMs() - this.#answeredMs > PAUSE_MS;
    const isUrgent = isPaused || answered.committed.some(({ type }) => type === "conf-change");
    const now: RaftMessage[] = [];
    for (const message of messages) {
      if (isDelayable(message) && !isUrgent && spareIds.includes(message.to) && !this.#host.isAsking(message.to)) {
        this.#add(message, now);
      } else {
        // In order, but for heartbeats, which claim nothing about the messages before them.
        if (message.type !== "heartbeat") this.#release(message.to, now);
        now.push(message);
      }
    }
    this.#schedule();
    return now;
  }

  /** Call when the leader has changed, or the member stops. */
  reset(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#spares.clear();
    this.#committedIndex = 0;
  }

  #spareIds(): readonly MemberId[] {
    const { voters, votersOutgoing } = this.#host.confState();
    if (votersOutgoing.length > 0 || !voters.includes(this.#host.id)) return [];
    const others = voters.filter((id) => id !== this.#host.id);
    const first = others.length === 0 ? 0 : this.#turns % others.length;
    const turned = [...others.slice(first), ...others.slice(0, first)];
    return turned.slice(Math.floor(voters.length / 2));
  }

  #add(message: AppendMessage | HeartbeatMessage, now: RaftMessage[]): void {
    let spare = this.#spares.get(message.to);
    if (spare === undefined) {
      spare = { messages: [], bytes: 0 };
      this.#spares.set(message.to, spare);
    }
    // A heartbeat repeats what the one before it said.
    if (message.type === "heartbeat")
      spare.messages = spare.messages.filter(({ message: { type } }) => type !== "heartbeat");
    spare.messages.push({ message, sinceMs: this.#host.clock.nowMs(), isSettled: isEmpty(message) });
    spare.bytes += bytesOf(message);
    if (spare.messages.length >= MESSAGES_MAX || spare.bytes >= BYTES_MAX) this.#release(message.to, now);
  }

  #release(to: MemberId, now: RaftMessage[]): void {
    const spare = this.#spares.get(to);
    if (spare === undefined) return;
    this.#spares.delete(to);
    now.push(...spare.messages.map(({ message }) => message));
  }

  /** The reads of a Ready may be older than the newest heartbeat. Then that one only waits longer. */
  #settle({ committed, hasReads }: Answered): void {
    this.#committedIndex = Math.max(this.#committedIndex, committed.at(-1)?.index ?? 0);
    if (committed.length === 0 && !hasReads) return;
    const nowMs = this.#host.clock.nowMs();
    this.#answeredMs = nowMs;
    for (const { messages } of this.#spares.values()) {
      for (const waiting of messages) {
        if (waiting.isSettled) continue;
        const { message, sinceMs } = waiting;
        waiting.isSettled = message.type === "heartbeat" ? hasReads : this.#isCommitted(message);
        if (waiting.isSettled) this.#usualMs += (nowMs - sinceMs - this.#usualMs) * SAMPLE_PART;
      }
    }
  }

  #isCommitted({ entries }: AppendMessage): boolean {
    return (entries.at(-1)?.index ?? 0) <= this.#committedIndex;
  }

  /** In whole milliseconds, as the clocks of objects tell them: a timer for less would fire again and again. */
  get #lateMs(): number {
    return Math.min(Math.max(Math.ceil(LATE_FACTOR * this.#usualMs), LATE_MS_MIN), LATE_MS_MAX);
  }

  #dueMs({ messages }: Spare): number {
    const unsettled = messages.find(({ isSettled }) => !isSettled);
    const lateMs = unsettled === undefined ? Infinity : unsettled.sinceMs + this.#lateMs;
    return Math.min(lateMs, (messages[0]?.sinceMs ?? Infinity) + Math.max(this.#host.delayMs, this.#lateMs));
  }

  #schedule(): void {
    if (this.#spares.size === 0) return;
    const dueMs = Math.min(...[...this.#spares.values()].map((spare) => this.#dueMs(spare)));
    if (this.#timer !== undefined && this.#timer.dueMs <= dueMs) return;
    this.#timer?.cancel();
    const delayMs = Math.max(dueMs - this.#host.clock.nowMs(), 0);
    this.#timer = { dueMs, cancel: this.#host.clock.setTimer(delayMs, () => this.#sendDue()) };
  }

  #sendDue(): void {
    this.#timer = undefined;
    const nowMs = this.#host.clock.nowMs();
    const due: RaftMessage[] = [];
    for (const [to, spare] of this.#spares) {
      if (this.#dueMs(spare) > nowMs) continue;
      const isLate = spare.messages.some(({ isSettled, sinceMs }) => !isSettled && sinceMs + this.#lateMs <= nowMs);
      if (isLate) this.#turns += 1;
      this.#release(to, due);
    }
    this.#schedule();
    if (due.length > 0) this.#host.send(due);
  }
}

/** A heartbeat without a context is that of a tick, which keeps others from campaigning. */
function isDelayable(message: RaftMessage): message is AppendMessage | HeartbeatMessage {
  return message.type === "append" || (message.type === "heartbeat" && message.context.length > 0);
}

function isEmpty(message: AppendMessage | HeartbeatMessage): boolean {
  return message.type === "append" && message.entries.length === 0;
}

function bytesOf(message: AppendMessage | HeartbeatMessage): number {
  return message.type === "append" ? message.entries.reduce((bytes, { data }) => bytes + data.length, 0) : 0;
}
