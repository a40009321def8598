/**
 * Quiesces an idle cluster: it stops its clocks. An edge object with a running timer is billed around the clock.
 *
 * The leader quiesces when all members hold its last entry and nothing happened for n ticks. A learner that is not there,
 * as a browser tab that was closed, does not keep the cluster awake: it wakes the leader when it is back. The leader
 * notifies the followers, which stop their tickers if they agree. Safe, because leader leases are not trusted while quiesced: followers grant
 * pre-votes at once, the leader confirms reads with heartbeats, and a waking member finds the leader before it forwards
 * a request.
 *
 *            idle for n ticks, notice of the leader
 *     active ─────────────────────────────────────► quiesced
 *       ▲                                               │ a request, a message
 *       └── a leader is heard, or none leads ── waking ◄┘
 *
 * A quiesced member may be evicted from memory. It starts in the state "waking": who led may still lead, and goes on in
 * its term (raft/resumption.ts). So a cluster that sleeps does not elect at each wake-up. Where a platform loads a member
 * for each event, also one that needs no leader, it starts in the state "quiesced" and wakes nobody (`startsQuiet`).
 *
 * A cluster that wrote nothing since it woke quiesces again after `REST_TICKS`: the leader is in the term and at the entry
 * at which it quiesced before.
 */
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId, RaftMessage } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import { BOOTSTRAP_TERM } from "./bootstrap.ts";
import type { RaftStatus } from "../../raft/ready.ts";
import type { Settings } from "../options.ts";

export type QuiescenceState = "active" | "quiesced" | "waking";

/**
 * How long the other members may take to report the leader: it may have to be loaded, and to ask for its votes again. When
 * it asks, it gets the time once more.
 */
const WAKING_TICKS = 5;
/** Idle ticks after which a cluster that wrote nothing quiesces again. */
const REST_TICKS = 3;

export interface QuiescenceHost {
  readonly id: MemberId;
  readonly raft: () => Raft;
  readonly leader: () => MemberId;
  readonly others: () => readonly MemberId[];
  /** True if a peer has not been heard for longer than any response takes. */
  readonly isSilent: (peer: MemberId) => boolean;
  readonly send: (to: MemberId, body: FrameBody) => void;
  readonly hasWork: () => boolean;
  /** True if no other member is connected, and a clock that waits for one is not worth its price. */
  readonly isCutOff: () => boolean;
  readonly startTicking: () => void;
  readonly stopTicking: () => void;
  /** Called when the leader is about to stop its clock. */
  readonly onQuiesce: () => void;
  /** Called when this member stops its clock, as leader or not. All members hold its log. */
  readonly onStop: () => void;
}

export class Quiescence {
  readonly #afterTicks: number;
  readonly #startsQuiet: boolean;
  /** Silence after which a follower asks its leader. The answer arrives before the shortest election timeout. */
  readonly #silentTicks: number;
  readonly #host: QuiescenceHost;
  #state: QuiescenceState = "active";
  #idleTicks = 0;
  #wakingTicks = 0;
  /** True if this member asked for the leader. Otherwise another one probably did, and this one does so later. */
  #isAsking = false;
  /** False until this member knows whether it may go on in its term. Who asks before that gets its answer then. */
  #hasStarted = false;
  readonly #early: Set<MemberId> = new Set();
  /** Members that have reported since the wake-up that they do not lead. */
  readonly #responses: Set<MemberId> = new Set();

  constructor(
    {
      quiesceAfterTicks,
      startsQuiet,
      electionTicks,
    }: Pick<Settings, "quiesceAfterTicks" | "startsQuiet" | "electionTicks">,
    host: QuiescenceHost,
  ) {
    this.#afterTicks = quiesceAfterTicks;
    this.#startsQuiet = startsQuiet;
    this.#silentTicks = Math.ceil(electionTicks / 2);
    this.#host = host;
  }

  /** True if requests may be forwarded to the leader. */
  get isActive(): boolean {
    return this.#state === "active";
  }

  /** True while this member's clock stands still because the cluster is idle. */
  get isQuiesced(): boolean {
    return this.#state === "quiesced";
  }

  /** True if a running leader would have been heard by now. A quiesced leader is heard only after a request to it. */
  get wouldHear(): boolean {
    return this.#state === "active" || (this.#state === "waking" && this.#wakingTicks >= WAKING_TICKS);
  }

  /**
   * Called first at each tick. Returns true if the clock was stopped instead: a heartbeat after the notice would wake
   * the followers.
   */
  tick(): boolean {
    if (this.#afterTicks === 0) return false;
    if (this.#state === "waking" && ++this.#wakingTicks === WAKING_TICKS) {
      if (this.#isAsking) this.#host.raft().campaign();
      else this.#findLeader();
    }
    if (this.#host.leader() !== this.#host.id) {
      this.#askSilentLeader();
      return this.#stopsCutOff();
    }
    const idle = !this.#host.hasWork() && isIdle(this.#host.raft().status(), this.#host.isSilent);
    this.#idleTicks = idle ? this.#idleTicks + 1 : 0;
    if (this.#idleTicks < (this.#host.raft().isResumable ? REST_TICKS : this.#afterTicks)) return false;
    const { term, lastIndex } = this.#host.raft().status();
    for (const peer of this.#host.others()) this.#host.send(peer, { type: "quiet", term, index: lastIndex });
    this.#host.onQuiesce();
    this.#stop();
    return true;
  }

  /** True for a restarted member that sleeps until something needs a leader. */
  get startsQuiet(): boolean {
    return this.#startsQuiet && this.#afterTicks > 0 && this.#isRestart;
  }

  /** Called when the member has started. It is a restart if a term has had a leader. */
  onStart(): void {
    this.#hasStarted = true;
    const { leader, role } = this.#host.raft().basicStatus();
    // Without `onStop`: this member does not know what the others hold.
    if (this.startsQuiet && this.#state === "active" && leader === 0n && role === "follower") this.#stopClock();
    else if (this.#afterTicks > 0 && this.#isRestart && leader === 0n) this.#findLeader();
    for (const member of this.#early) this.onWake(member);
    this.#early.clear();
  }

  /** Called on a request. It must not be forwarded to a leader that may no longer lead. */
  onRequest(): void {
    if (this.#afterTicks === 0) return;
    this.#idleTicks = 0;
    if (this.#state === "quiesced") {
      this.#host.startTicking();
      if (this.#host.leader() === this.#host.id) this.activate();
      else this.#findLeader();
    } else if (this.#state === "waking" ? !this.#isAsking : this.#host.leader() === 0n) {
      this.#findLeader();
    }
  }

  /** Called on Raft messages. They show that another member is active, or that the leader has responded. */
  onRaft(from: MemberId, messages: readonly RaftMessage[]): void {
    if (this.#state === "active" || messages.every((message) => message.type === "heartbeat-response")) return;
    this.wake();
    if (from === this.#host.leader() && messages.some((message) => this.#isLeading(message))) this.activate();
    else if (messages.some((message) => this.#isResuming(message))) this.#wakingTicks = 0;
  }

  /** Asks one peer for the leader, if this member is asking. */
  askAgain(peer: MemberId): void {
    if (this.#state === "waking" && this.#isAsking) this.#host.send(peer, { type: "wake" });
  }

  /** Starts the clock. What a follower knew of the leader may be outdated. */
  wake(): void {
    if (this.#state !== "quiesced") return;
    this.#host.startTicking();
    if (this.#host.leader() === this.#host.id) this.activate();
    else if (this.#host.leader() === 0n) this.#findLeader();
    else this.#startWaking(false);
  }

  /** Called when a leader is known, possibly this member. */
  activate(): void {
    if (this.#state === "quiesced") this.#host.startTicking();
    this.#state = "active";
    this.#idleTicks = 0;
  }

  /**
   * Handles the leader's notice that the cluster is idle. A follower that disagrees keeps its clock, and asks the leader
   * soon.
   */
  onNotice(from: MemberId, term: number, index: number): void {
    // Nothing would start its clock again.
    if (this.#afterTicks === 0) return;
    const status = this.#host.raft().status();
    const agreed = status.term === term && status.leader === from && status.lastIndex === index;
    if (!agreed || status.applied !== index || this.#host.hasWork()) return;
    this.#host.raft().forgetLease();
    this.#stop();
  }

  /**
   * Handles the request of a waking member for the leader. The leader responds with a heartbeat at once, not at the
   * next tick. A leader that asks for its votes again will, if it gets them.
   */
  onWake(from: MemberId): void {
    if (!this.#hasStarted) {
      this.#early.add(from);
      return;
    }
    this.wake();
    if (this.#host.leader() === this.#host.id) this.#host.raft().heartbeat(from);
    else if (!this.#host.raft().isResuming) this.#host.send(from, { type: "not-leading" });
  }

  /** Records that `from` does not lead. Once all other members have reported this, an election starts. */
  onNotLeading(from: MemberId): void {
    if (this.#state !== "waking") return;
    this.#responses.add(from);
    if (this.#host.raft().isResuming) return;
    if (this.#host.others().every((other) => this.#responses.has(other))) this.#host.raft().campaign();
  }

  /**
   * A follower that missed the notice, or disagreed, hears nothing more. It asks before it campaigns: the leader may only
   * be quiesced.
   */
  #askSilentLeader(): void {
    const leader = this.#host.leader();
    if (this.#state !== "active" || leader === 0n) return;
    if (this.#host.raft().silentTicks === this.#silentTicks) this.#host.send(leader, { type: "wake" });
  }

  /** An object that all tabs have left without a quorum waits for the first one that comes back. */
  #stopsCutOff(): boolean {
    const isOver = this.#host.leader() === 0n && this.#host.isCutOff() && !this.#host.hasWork();
    this.#idleTicks = isOver ? this.#idleTicks + 1 : 0;
    if (this.#idleTicks < this.#afterTicks) return false;
    this.#stopClock();
    return true;
  }

  #isLeading(message: RaftMessage): boolean {
    const { type, term } = message;
    return (type === "heartbeat" || type === "append") && term === this.#host.raft().term;
  }

  /** True for the request of a restarted leader for the votes of its term. */
  #isResuming(message: RaftMessage): boolean {
    return message.type === "vote" && message.lastTerm === message.term && message.term === this.#host.raft().term;
  }

  #findLeader(): void {
    this.#startWaking(true);
    const others = this.#host.others();
    for (const peer of others) this.#host.send(peer, { type: "wake" });
    if (!this.#host.raft().resume() && others.length === 0) this.#host.raft().campaign();
  }

  #startWaking(isAsking: boolean): void {
    this.#state = "waking";
    this.#isAsking = isAsking;
    this.#wakingTicks = 0;
    this.#responses.clear();
  }

  get #isRestart(): boolean {
    return this.#host.raft().term > BOOTSTRAP_TERM;
  }

  #stop(): void {
    this.#stopClock();
    this.#host.onStop();
  }

  #stopClock(): void {
    this.#state = "quiesced";
    this.#idleTicks = 0;
    this.#host.stopTicking();
  }
}

/** True if all members have the last entry, silent learners aside, and it is committed and applied. */
function isIdle(status: RaftStatus, isSilent: (peer: MemberId) => boolean): boolean {
  if (status.role !== "leader" || status.commit !== status.lastIndex || status.applied !== status.commit) return false;
  for (const [id, progress] of status.progress) {
    if (progress.match !== status.lastIndex && !(progress.isLearner && isSilent(id))) return false;
  }
  return true;
}
