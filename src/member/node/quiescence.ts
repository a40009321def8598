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
 *       ▲  ▲                                         │  │ a request
 *       │  └──────────── a frame of Raft ────────────┘  │
 *       └── a leader is heard, or none leads ── waking ◄┘
 */
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId, RaftMessage } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { RaftStatus } from "../../raft/ready.ts";

export type QuiescenceState = "active" | "quiesced" | "waking";

/** How long the others may take to say who leads. */
const WAKING_TICKS = 3;

export interface QuiescenceHost {
  readonly id: MemberId;
  readonly raft: () => Raft;
  readonly leader: () => MemberId;
  readonly others: () => readonly MemberId[];
  readonly send: (to: MemberId, body: FrameBody) => void;
  readonly hasWork: () => boolean;
  readonly startTicking: () => void;
  readonly stopTicking: () => void;
  /** The leader is about to stop its clock. */
  readonly onQuiesce: () => void;
}

export class Quiescence {
  readonly #afterTicks: number;
  readonly #host: QuiescenceHost;
  #state: QuiescenceState = "active";
  #idleTicks = 0;
  #wakingTicks = 0;
  /** Who has said since then that it does not lead. */
  readonly #responses: Set<MemberId> = new Set();

  /** `afterTicks` 0: never. */
  constructor(afterTicks: number, host: QuiescenceHost) {
    this.#afterTicks = afterTicks;
    this.#host = host;
  }

  /** Requests may be given to the leader. */
  get isActive(): boolean {
    return this.#state === "active";
  }

  /** Whether a leader that is there would have been heard: it may sleep too, and answers when it is asked. */
  get wouldHear(): boolean {
    return this.#state === "active" || (this.#state === "waking" && this.#wakingTicks >= WAKING_TICKS);
  }

  /** At each tick, first: true when the clock was stopped instead. A heartbeat after the notice would wake the others. */
  tick(): boolean {
    if (this.#afterTicks === 0) return false;
    if (this.#state === "waking" && ++this.#wakingTicks === WAKING_TICKS) this.#host.raft().campaign();
    if (this.#host.leader() !== this.#host.id) return false;
    const idle = !this.#host.hasWork() && isIdle(this.#host.raft().status());
    this.#idleTicks = idle ? this.#idleTicks + 1 : 0;
    if (this.#idleTicks < this.#afterTicks) return false;
    const { term, lastIndex } = this.#host.raft().status();
    for (const peer of this.#host.others()) this.#host.send(peer, { type: "quiet", term, index: lastIndex });
    this.#host.onQuiesce();
    this.#stop();
    return true;
  }

  /** A request came; it must not be given to a leader who may be none any more. */
  onRequest(): void {
    if (this.#afterTicks === 0) return;
    this.#idleTicks = 0;
    if (this.#state === "quiesced") {
      this.#host.startTicking();
      if (this.#host.leader() === this.#host.id) this.activate();
      else this.#findLeader();
    } else if (this.#state === "active" && this.#host.leader() === 0n) {
      this.#findLeader();
    }
  }

  /** Somebody else is at work, or answers us. */
  onRaft(from: MemberId, messages: readonly RaftMessage[]): void {
    if (this.#state === "active" || messages.every((message) => message.type === "heartbeat-response")) return;
    if (this.#state === "quiesced") {
      this.wake();
    } else if (from === this.#host.leader() && messages.some((message) => this.#isLeading(message))) {
      this.activate();
    }
  }

  wake(): void {
    if (this.#state !== "quiesced") return;
    this.#host.startTicking();
    this.activate();
  }

  /** A leader was heard of, or this member leads. */
  activate(): void {
    this.#state = "active";
    this.#idleTicks = 0;
  }

  /** The leader says that all is done. Whoever sees it otherwise keeps its clock, and will ask. */
  onNotice(from: MemberId, term: number, index: number): void {
    const status = this.#host.raft().status();
    const agreed = status.term === term && status.leader === from && status.lastIndex === index;
    if (!agreed || status.applied !== index || this.#host.hasWork()) return;
    this.#host.raft().forgetLease();
    this.#stop();
  }

  /** Somebody has a request and asks who leads. The leader answers by a heartbeat, now and not at the next tick. */
  onWake(from: MemberId): void {
    this.wake();
    if (this.#host.leader() === this.#host.id) this.#host.raft().heartbeat();
    else this.#host.send(from, { type: "not-leading" });
  }

  /** Once all others have said so, nobody leads, and an election is due. */
  onNotLeading(from: MemberId): void {
    if (this.#state !== "waking") return;
    this.#responses.add(from);
    if (this.#host.others().every((other) => this.#responses.has(other))) this.#host.raft().campaign();
  }

  #isLeading(message: RaftMessage): boolean {
    const { type, term } = message;
    return (type === "heartbeat" || type === "append") && term === this.#host.raft().term;
  }

  #findLeader(): void {
    this.#state = "waking";
    this.#wakingTicks = 0;
    this.#responses.clear();
    const others = this.#host.others();
    for (const peer of others) this.#host.send(peer, { type: "wake" });
    if (others.length === 0) this.#host.raft().campaign();
  }

  #stop(): void {
    this.#state = "quiesced";
    this.#idleTicks = 0;
    this.#host.stopTicking();
  }
}

/** Everybody has the last entry, and it is committed and applied. */
function isIdle(status: RaftStatus): boolean {
  if (status.role !== "leader" || status.commit !== status.lastIndex || status.applied !== status.commit) return false;
  for (const progress of status.progress.values()) {
    if (progress.match !== status.lastIndex) return false;
  }
  return true;
}
