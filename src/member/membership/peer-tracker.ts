/**
 * Who is there: whom to stay connected with, who was heard of when, who asks to be let in, who should vote.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { RaftStatus } from "../../raft/ready.ts";
import { autopilotStep } from "./autopilot.ts";
import type { Membership } from "./membership.ts";
import type { MemberOptions } from "../options.ts";

/** Entries that a learner may be behind and still count as caught up: it gets them while its promotion is on the way. */
const CAUGHT_UP_ENTRIES = 10;

const JOIN_EVERY_TICKS = 5;
const ORPHAN_TICKS = 20;
const REMOVED_TICKS = 3;
/** The autopilot is asked every few ticks; when it was not asked for longer, somebody else led meanwhile. */
const LEADING_GAP_TICKS = 10;

export interface PeerTrackerHost {
  readonly id: MemberId;
  readonly name: string;
  readonly options: MemberOptions;
  readonly tickMs: number;
  readonly membership: () => Membership;
  readonly send: (to: MemberId, body: FrameBody) => void;
  readonly change: (type: ConfChangeType, id: MemberId, context: Uint8Array) => void;
}

export class PeerTracker {
  readonly #host: PeerTrackerHost;
  /**
   * Silence is counted in ticks: what passed while this member was frozen or quiet says nothing about the others, and
   * after a thaw all of them would seem to be gone.
   */
  readonly #lastHeardTicks: Map<MemberId, number> = new Map();
  #ticks = 0;
  /** While leading: since when, and when that was last seen. */
  #leadingSinceTicks = 0;
  #ledAtTicks = -Infinity;
  readonly #up: Set<MemberId> = new Set();
  #dialed: ReadonlySet<MemberId> = new Set();
  /** Whom a member has named. */
  #referred: readonly MemberId[] = [];

  constructor(host: PeerTrackerHost) {
    this.#host = host;
  }

  /** Everybody else whom the configuration names. */
  get others(): readonly MemberId[] {
    const { voters, learners } = this.#host.membership().confState;
    return [...voters, ...learners].filter((id) => id !== this.#host.id);
  }

  tick(): void {
    this.#ticks += 1;
  }

  recordContact(from: MemberId): void {
    this.#lastHeardTicks.set(from, this.#ticks);
  }

  /** Milliseconds since it was heard of; Infinity when never. */
  sinceContactMs(member: MemberId): number {
    if (member === this.#host.id) return 0;
    const heard = this.#lastHeardTicks.get(member);
    return heard === undefined ? Infinity : (this.#ticks - heard) * this.#host.tickMs;
  }

  up(peer: MemberId): void {
    this.#up.add(peer);
  }

  down(peer: MemberId): void {
    this.#up.delete(peer);
  }

  /** Beside the members: a newcomer must know somebody to ask. */
  dial(peers: readonly MemberId[]): void {
    this.#dialed = new Set(peers);
    this.connect();
  }

  isDialed(peer: MemberId): boolean {
    return this.#dialed.has(peer);
  }

  /** Beside the members, too: those who may know better. */
  refer(peers: readonly MemberId[]): void {
    this.#referred = peers;
    this.connect();
  }

  connect(): void {
    const members = this.#host.membership().members.map((member) => member.id);
    const peers = new Set([...this.#dialed, ...this.#referred, ...members]);
    peers.delete(this.#host.id);
    this.#host.options.transport.setPeers([...peers]);
  }

  /**
   * Whoever is in nobody's list yet asks everybody that it is connected with to be let in. A member that hears no leader
   * asks who leads: it may have slept through the end of its membership, or be alone awake while the others are quiet.
   * To call for an election is not enough: a learner never does, and a voter asks the voters that it knows, who may all
   * have been removed themselves.
   */
  contactPeers(leader: MemberId): void {
    const { id, name, options, membership } = this.#host;
    if (membership().wasRemoved(id)) {
      if (this.#ticks % REMOVED_TICKS === 0) this.wakePeers();
    } else if (!membership().has(id)) {
      const asks = options.bootstrap.type === "join" && this.#ticks % JOIN_EVERY_TICKS === 0;
      if (asks) for (const peer of this.#up) this.#host.send(peer, { type: "join", memberId: id, name });
    } else if (this.#ticks % ORPHAN_TICKS === 0) {
      const isOrphan = this.sinceContactMs(leader) >= ORPHAN_TICKS * this.#host.tickMs;
      if (isOrphan) for (const peer of this.#up) this.#host.send(peer, { type: "wake" });
    }
  }

  /** Those who are told by `isKnown` are asked for the members; a member that asks to join is answered by their list. */
  askForMembers(isKnown: (peer: MemberId) => boolean): void {
    const { id, name, send } = this.#host;
    for (const peer of this.#up) if (isKnown(peer)) send(peer, { type: "join", memberId: id, name });
  }

  /** Whoever knows that this member was removed will say so. */
  wakePeers(): void {
    if (!this.#host.membership().wasRemoved(this.#host.id)) return;
    for (const peer of this.#up) this.#host.send(peer, { type: "wake" });
  }

  /** At the leader of a room: the next safe step towards an odd number of voters that are there. */
  autopilot(status: RaftStatus): void {
    const options = this.#host.options.autopilot;
    if (options === undefined) return;
    if (this.#ticks - this.#ledAtTicks > LEADING_GAP_TICKS) this.#leadingSinceTicks = this.#ticks;
    this.#ledAtTicks = this.#ticks;
    const leadingMs = (this.#ticks - this.#leadingSinceTicks) * this.#host.tickMs;
    const members = [...status.progress].map(([id, progress]) => ({
      id,
      learner: progress.isLearner,
      caughtUp: progress.match + CAUGHT_UP_ENTRIES >= status.lastIndex,
      sinceContactMs: this.sinceContactMs(id),
    }));
    const step = autopilotStep({ members, leader: this.#host.id, leadingMs }, options);
    if (step !== undefined)
      this.#host.change(step.type === "promote" ? "add-node" : "add-learner", step.id, EMPTY_BYTES);
  }
}
