/**
 * Appends without entries: they tell a follower how far the log is committed, and nothing that the next append would
 * not tell as well. Where every message is a request that costs money and time, they wait a moment for that append; of
 * puts that come one after the other, each then costs a follower one request instead of two.
 *
 * Nobody waits for them but the clients of that follower, so one that has passed a request on is told at once. So is
 * everybody when the membership changes, because whoever left it may be out of reach, or gone, a moment later. Else it
 * changes nothing when one is late or lost: Raft repeats the commit index with each heartbeat.
 */
import type { AppendMessage, Entry, MemberId, RaftMessage } from "../../protocol/peer/raft-message.ts";
import type { Clock } from "../clock.ts";

/** So long after a follower's last request its clients are taken to be there still. */
const RECENT_REQUEST_MS = 1_000;
/** Whoever asks is remembered; strangers must not make that many. */
const RECENT_REQUESTS_MAX = 64;

export class CommitDelay {
  readonly #delayMs: number;
  readonly #clock: Clock;
  readonly #send: (messages: readonly RaftMessage[]) => void;
  readonly #waiting: Map<MemberId, AppendMessage> = new Map();
  readonly #askedMs: Map<MemberId, number> = new Map();
  #cancelTimer: (() => void) | undefined;

  /** `delayMs` 0: nothing waits. */
  constructor(delayMs: number, clock: Clock, send: (messages: readonly RaftMessage[]) => void) {
    this.#delayMs = delayMs;
    this.#clock = clock;
    this.#send = send;
  }

  /** This member's clients want something of the leader. */
  recordRequest(by: MemberId): void {
    if (this.#delayMs === 0) return;
    if (this.#askedMs.size >= RECENT_REQUESTS_MAX) this.#askedMs.clear();
    this.#askedMs.set(by, this.#clock.nowMs());
  }

  /** What of the messages is to leave now, when these entries have just been committed. */
  holdBack(messages: readonly RaftMessage[], committed: readonly Entry[]): readonly RaftMessage[] {
    if (this.#delayMs === 0 || messages.length === 0) return messages;
    const isUrgent = committed.some(({ type }) => type === "conf-change");
    return messages.filter((message) => {
      if (message.type !== "append") return true;
      // It says all that the one before would have said.
      this.#waiting.delete(message.to);
      if (isUrgent || message.entries.length > 0 || this.#hasRecentRequest(message.to)) return true;
      this.#waiting.set(message.to, message);
      this.#cancelTimer ??= this.#clock.setTimer(this.#delayMs, () => this.#sendWaiting());
      return false;
    });
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#waiting.clear();
  }

  #sendWaiting(): void {
    this.#cancelTimer = undefined;
    const messages = [...this.#waiting.values()];
    this.#waiting.clear();
    this.#send(messages);
  }

  #hasRecentRequest(member: MemberId): boolean {
    const askedMs = this.#askedMs.get(member);
    return askedMs !== undefined && this.#clock.nowMs() - askedMs < RECENT_REQUEST_MS;
  }
}
