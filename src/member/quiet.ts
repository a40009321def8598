/**
 * When the cluster stops its clocks: idle is free (an edge object with a running timer is billed around the clock).
 *
 * The leader goes quiet when every member has its last entry and nothing has happened for a while, and tells the
 * others, who stop their clocks if they see it the same way. Quiet is safe because nobody believes anything in it: a
 * quiet follower grants pre-votes at once, a quiet leader serves no read without a round of heartbeats, and whoever
 * wakes up asks who leads before it gives away a request.
 *
 *            idle for n ticks, told by the leader
 *     awake ──────────────────────────────────────► quiet
 *       ▲                                             │ a request, or a frame of Raft
 *       └──── a leader is heard, or none leads ──── waking
 */
import type { RaftStatus } from "../raft/ready.ts";

export type Wakefulness = "awake" | "quiet" | "waking";

export class Quiet {
  readonly #afterTicks: number;
  #idleTicks = 0;
  #state: Wakefulness = "awake";
  #wakingTicks = 0;
  #answers = 0;

  constructor(afterTicks: number) {
    this.#afterTicks = afterTicks;
  }

  get enabled(): boolean {
    return this.#afterTicks > 0;
  }

  get state(): Wakefulness {
    return this.#state;
  }

  /** Something happened that is more than a heartbeat. */
  busy(): void {
    this.#idleTicks = 0;
  }

  /** At the leader, once a tick: true when it is time to go quiet. */
  leaderTick(idle: boolean): boolean {
    if (!this.enabled) return false;
    this.#idleTicks = idle ? this.#idleTicks + 1 : 0;
    return this.#idleTicks >= this.#afterTicks;
  }

  goQuiet(): void {
    this.#state = "quiet";
    this.#idleTicks = 0;
  }

  /** A request came and nobody is known to lead: ask the others. */
  startWaking(): void {
    this.#state = "waking";
    this.#wakingTicks = 0;
    this.#answers = 0;
    this.#idleTicks = 0;
  }

  /** A leader was heard of, or this member leads. */
  awake(): void {
    this.#state = "awake";
    this.#idleTicks = 0;
  }

  /** Another member said that it does not lead. True when all `others` have: nobody does, an election is due. */
  notLeading(others: number): boolean {
    if (this.#state !== "waking") return false;
    this.#answers += 1;
    return this.#answers >= others;
  }

  /** True when the others had long enough to answer. */
  wakingTick(): boolean {
    if (this.#state !== "waking") return false;
    this.#wakingTicks += 1;
    return this.#wakingTicks === 3;
  }
}

/** Everybody has the last entry, and it is committed and applied. */
export function isIdle(status: RaftStatus): boolean {
  if (status.role !== "leader") return false;
  if (status.commit !== status.lastIndex || status.applied !== status.commit) return false;
  for (const progress of status.progress.values()) {
    if (progress.match !== status.lastIndex) return false;
  }
  return true;
}
