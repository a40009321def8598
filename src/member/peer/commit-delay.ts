/**
 * Delays appends without entries. They carry only a commit index, which the next append repeats. Under sequential puts
 * this saves one of two requests per follower, on transports that bill each one.
 *
 * Not delayed: to a follower that forwarded a request in the last second (its client waits), and any when a
 * configuration change commits (a removed member may disconnect). Losing one is harmless: every heartbeat repeats the
 * index.
 */
import type { AppendMessage, Entry, MemberId, RaftMessage } from "../../protocol/peer/raft-message.ts";
import type { Clock } from "../clock.ts";

/** A follower that forwarded a request within this time may still have clients waiting. */
const RECENT_REQUEST_MS = 1_000;
/** Members that are remembered as having forwarded a request. Newcomers must not make this grow without limit. */
const RECENT_REQUESTS_MAX = 64;

interface Waiting {
  readonly message: AppendMessage;
  readonly dueMs: number;
}

export class CommitDelay {
  readonly #delayMs: number;
  readonly #clock: Clock;
  readonly #send: (messages: readonly RaftMessage[]) => void;
  readonly #waiting: Map<MemberId, Waiting> = new Map();
  readonly #lastRequestMs: Map<MemberId, number> = new Map();
  #cancelTimer: (() => void) | undefined;

  /** `delayMs` 0: nothing is delayed. */
  constructor(delayMs: number, clock: Clock, send: (messages: readonly RaftMessage[]) => void) {
    this.#delayMs = delayMs;
    this.#clock = clock;
    this.#send = send;
  }

  /** Records that `by` has forwarded a request of its clients. */
  recordRequest(by: MemberId): void {
    if (this.#delayMs === 0) return;
    if (this.#lastRequestMs.size >= RECENT_REQUESTS_MAX) this.#lastRequestMs.clear();
    this.#lastRequestMs.set(by, this.#clock.nowMs());
  }

  /** Returns the messages to send now. `committed` are the entries that have just been committed. */
  holdBack(messages: readonly RaftMessage[], committed: readonly Entry[]): readonly RaftMessage[] {
    if (this.#delayMs === 0 || messages.length === 0) return messages;
    const isUrgent = committed.some(({ type }) => type === "conf-change");
    return messages.filter((message) => {
      if (message.type !== "append") return true;
      // The new append repeats everything that the delayed one contains.
      const before = this.#waiting.get(message.to);
      this.#waiting.delete(message.to);
      if (isUrgent || message.entries.length > 0 || this.hasRecentRequest(message.to)) return true;
      this.#waiting.set(message.to, { message, dueMs: before?.dueMs ?? this.#clock.nowMs() + this.#delayMs });
      this.#cancelTimer ??= this.#clock.setTimer(this.#delayMs, () => this.#sendDue());
      return false;
    });
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#waiting.clear();
  }

  /** The timer may be older than what waits: an append with entries has carried the rest. */
  #sendDue(): void {
    this.#cancelTimer = undefined;
    const nowMs = this.#clock.nowMs();
    const due = [...this.#waiting.values()].filter(({ dueMs }) => dueMs <= nowMs);
    for (const { message } of due) this.#waiting.delete(message.to);
    const nextMs = Math.min(...[...this.#waiting.values()].map(({ dueMs }) => dueMs));
    if (this.#waiting.size > 0) this.#cancelTimer = this.#clock.setTimer(nextMs - nowMs, () => this.#sendDue());
    if (due.length > 0) this.#send(due.map(({ message }) => message));
  }

  /** True if a client of the follower may wait for the commit index. */
  hasRecentRequest(member: MemberId): boolean {
    const lastRequestMs = this.#lastRequestMs.get(member);
    return lastRequestMs !== undefined && this.#clock.nowMs() - lastRequestMs < RECENT_REQUEST_MS;
  }
}
