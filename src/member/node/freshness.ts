/**
 * Whether this member's copy is current, and since when it is not. A member that was cut off, frozen or closed does not
 * know what it has missed, and a leader's heartbeat does not tell. So after each absence it requests a read index, and
 * its copy is current once that is applied.
 *
 *                a leader is known                 the index is applied
 *     absent ───────────────────────► confirming ───────────────────────► current
 *       ▲                                 ▲                                  │
 *       │                                 └──── too far behind for long ─────┤
 *       └───────────── no leader, or the clock stood still ◄─────────────────┘
 *
 * The clock of a member that quiesced stands still on purpose. Its copy stays current for as long as its connection to the
 * leader lasts: the leader sends what is new. When a connection ends or begins, it wakes, and confirms.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Clock } from "../clock.ts";
import type { MemberOptions, Settings } from "../options.ts";
import type { Applier } from "./applier.ts";
import type { LeaderTracker } from "./leader-tracker.ts";
import type { Quiescence } from "./quiescence.ts";
import type { Reads } from "./reads.ts";

/** A page in the background has its timers once a second. After a longer gap others may have led meanwhile. */
const STOOD_STILL_MS = 3_000;
/** An entry that the leader has committed so long ago should be applied here. */
const LAGGING_MS = 5_000;

export interface FreshnessDeps {
  readonly options: MemberOptions;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly raft: Raft;
  readonly driver: { schedule(): void };
  readonly leader: LeaderTracker;
  readonly reads: Reads;
  readonly applier: Applier;
  readonly quiescence: Quiescence;
}

export class Freshness {
  readonly #parts: FreshnessDeps;
  readonly #isEnabled: boolean;
  #state: "absent" | "confirming" | "current" = "absent";
  #lastTick: { readonly ms: number; readonly wallMs: number };
  #asOfWallMs: number;
  /** The number of the confirmation under way. A response to an earlier one comes from before an absence. */
  #round = 0;
  /** An index that the leader had committed at that time. */
  #mark = { index: 0, ms: 0 };

  constructor(parts: FreshnessDeps) {
    this.#parts = parts;
    this.#isEnabled = parts.options.confirmsFreshness === true;
    this.#lastTick = this.#now;
    this.#asOfWallMs = this.#lastTick.wallMs;
  }

  /** True while this member is known to hold what is committed. Always true if the option is off. */
  get isCurrent(): boolean {
    return !this.#isEnabled || (this.#state === "current" && !this.#stoodStill);
  }

  /** A peer can be reached again: it is asked at once who leads, because what was asked before is lost. */
  peerUp(peer: MemberId): void {
    if (this.#isEnabled) this.#parts.quiescence.askAgain(peer);
  }

  /** Called when the connection to a peer has begun or ended: what it would have sent may be missing. */
  connectionChanged(peer: MemberId): void {
    const { leader, quiescence } = this.#parts;
    if (!this.#isEnabled || !quiescence.isQuiesced || (leader.isKnown && leader.id !== peer)) return;
    this.#state = "absent";
    quiescence.onRequest();
  }

  /** When this copy was last known to be current, or when it was opened, in milliseconds since 1970. */
  get asOfWallMs(): number {
    return this.#isEnabled && this.isCurrent && this.#parts.quiescence.isQuiesced ? this.#now.wallMs : this.#asOfWallMs;
  }

  /** The number of committed entries that are known to be missing here. */
  get behind(): number {
    return Math.max(0, this.#parts.raft.basicStatus().leaderCommit - this.#parts.applier.index);
  }

  tick(): void {
    const { raft, leader } = this.#parts;
    if (this.#stoodStill || !leader.isKnown) this.#state = "absent";
    const now = this.#now;
    this.#lastTick = now;
    if (this.#isEnabled && leader.isKnown) this.#confirm(now.ms);
    const isCurrent = this.#isEnabled ? this.#state === "current" : leader.isKnown;
    if (isCurrent && raft.hearsLeader) this.#asOfWallMs = now.wallMs;
  }

  #confirm(nowMs: number): void {
    if (this.#state === "current" && this.#isLagging(nowMs)) this.#state = "absent";
    if (this.#state !== "absent") return;
    const { reads, settings, driver } = this.#parts;
    const round = ++this.#round;
    const end = (state: "absent" | "current"): void => {
      if (this.#state !== "confirming" || this.#round !== round) return;
      this.#state = state;
      this.#mark = { index: 0, ms: this.#now.ms };
    };
    const deadlineMs = nowMs + settings.requestTimeoutMs;
    if (!reads.add({ deadlineMs, run: () => end("current"), fail: () => end("absent") })) return;
    this.#state = "confirming";
    driver.schedule();
  }

  #isLagging(nowMs: number): boolean {
    const { raft, applier } = this.#parts;
    if (applier.index >= this.#mark.index) this.#mark = { index: raft.basicStatus().leaderCommit, ms: nowMs };
    return nowMs - this.#mark.ms > LAGGING_MS;
  }

  get #stoodStill(): boolean {
    if (this.#parts.quiescence.isQuiesced) return false;
    const { ms, wallMs } = this.#now;
    return Math.max(ms - this.#lastTick.ms, wallMs - this.#lastTick.wallMs) > STOOD_STILL_MS;
  }

  get #now(): { readonly ms: number; readonly wallMs: number } {
    const ms = this.#parts.clock.nowMs();
    return { ms, wallMs: this.#parts.clock.wallMs?.() ?? ms };
  }
}
