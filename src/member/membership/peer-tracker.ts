/**
 * Tracks contact with peers: which to stay connected with, and when the last contact with each was. Sends join requests,
 * and runs the autopilot.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { RaftStatus } from "../../raft/ready.ts";
import { autopilotStep } from "./autopilot.ts";
import type { Membership } from "./membership.ts";
import type { MemberOptions } from "../options.ts";

/** Entries that a learner may be behind and still count as caught up. It gets them while its promotion is in flight. */
const CAUGHT_UP_ENTRIES = 10;

const CHANGES = { promote: "add-node", demote: "add-learner", remove: "remove-node" } as const;

const NO_LEADER = 0n;
const JOIN_EVERY_TICKS = 5;
const ORPHAN_TICKS = 20;
/** The voters that respond meanwhile are those that are here. */
const LEADERLESS_TICKS = 10;
const REMOVED_TICKS = 3;
/** The autopilot runs every few ticks. After a longer gap another member has led meanwhile. */
const LEADING_GAP_TICKS = 10;

/** The member that gets it fills in what the transport has proof of. */
function joinRequest(memberId: MemberId, name: string): FrameBody {
  return { type: "join", memberId, name, key: EMPTY_BYTES, invitation: EMPTY_BYTES };
}

export interface PeerTrackerHost {
  readonly id: MemberId;
  readonly name: string;
  readonly options: MemberOptions;
  readonly tickMs: number;
  readonly learnersMax: number;
  readonly membership: () => Membership;
  readonly send: (to: MemberId, body: FrameBody) => void;
  readonly change: (type: ConfChangeType, id: MemberId, context: Uint8Array) => void;
}

export class PeerTracker {
  readonly #host: PeerTrackerHost;
  /**
   * Silence is counted in ticks. Time during which this member was frozen or quiesced says nothing about the others;
   * counted, all of them would seem gone after a thaw.
   */
  readonly #lastContactTicks: Map<MemberId, number> = new Map();
  #ticks = 0;
  /** While leading: the tick at which leadership began, and the last tick at which it was seen. */
  #leadingSinceTicks = 0;
  #ledAtTicks = -Infinity;
  readonly #up: Set<MemberId> = new Set();
  #dialed: ReadonlySet<MemberId> = new Set();
  /** Peers that a member has named. */
  #referred: readonly MemberId[] = [];

  constructor(host: PeerTrackerHost) {
    this.#host = host;
  }

  /** All other members of the configuration. */
  get others(): readonly MemberId[] {
    const { voters, learners } = this.#host.membership().confState;
    return [...voters, ...learners].filter((id) => id !== this.#host.id);
  }

  tick(): void {
    this.#ticks += 1;
  }

  recordContact(from: MemberId): void {
    this.#lastContactTicks.set(from, this.#ticks);
  }

  /** Returns the milliseconds since the last contact; 0 for this member, Infinity if there was none. */
  sinceContactMs(member: MemberId): number {
    if (member === this.#host.id) return 0;
    const contact = this.#lastContactTicks.get(member);
    return contact === undefined ? Infinity : (this.#ticks - contact) * this.#host.tickMs;
  }

  up(peer: MemberId): void {
    this.#up.add(peer);
  }

  down(peer: MemberId): void {
    this.#up.delete(peer);
  }

  /** Connects to `peers` in addition to the members. A newcomer needs them: it knows no member yet. */
  dial(peers: readonly MemberId[]): void {
    this.#dialed = new Set(peers);
    this.connect();
  }

  isDialed(peer: MemberId): boolean {
    return this.#dialed.has(peer);
  }

  /** Connects to `peers` in addition to the members and dialed peers. They may have newer information. */
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
   * Contacts peers when no leader serves this member. Not a member yet: sends `join` to all connected peers. Removed,
   * or no contact with the leader for 20 ticks: sends `wake`; it may have missed its removal or be the only active
   * member. A campaign is not enough: learners never campaign, and all voters known here may be gone.
   */
  contactPeers(leader: MemberId): void {
    const { id, name, options, membership } = this.#host;
    if (membership().wasRemoved(id)) {
      if (this.#ticks % REMOVED_TICKS === 0) this.wakePeers();
    } else if (!membership().has(id)) {
      const isDue = options.bootstrap.type === "join" && this.#ticks % JOIN_EVERY_TICKS === 0;
      if (isDue) for (const peer of this.#up) this.#host.send(peer, joinRequest(id, name));
    } else if (this.#ticks % (leader === NO_LEADER ? LEADERLESS_TICKS : ORPHAN_TICKS) === 0) {
      const isOrphan = this.sinceContactMs(leader) >= ORPHAN_TICKS * this.#host.tickMs;
      if (isOrphan) for (const peer of this.#up) this.#host.send(peer, { type: "wake" });
    }
  }

  /**
   * Requests the member list from the connected peers for which `isKnown` is true. The response to a member's join
   * request is the list.
   */
  askForMembers(isKnown: (peer: MemberId) => boolean): void {
    const { id, name, send } = this.#host;
    for (const peer of this.#up) if (isKnown(peer)) send(peer, joinRequest(id, name));
  }

  /** If this member was removed: sends `wake` to all connected peers. Those that know of the removal report it. */
  wakePeers(): void {
    if (!this.#host.membership().wasRemoved(this.#host.id)) return;
    for (const peer of this.#up) this.#host.send(peer, { type: "wake" });
  }

  /** Makes the next safe step towards an odd number of present voters. Runs on the leader of a room. */
  autopilot(status: RaftStatus): void {
    const options = this.#host.options.autopilot;
    if (options === undefined) return;
    if (this.#ticks - this.#ledAtTicks > LEADING_GAP_TICKS) this.#leadingSinceTicks = this.#ticks;
    this.#ledAtTicks = this.#ticks;
    const leadingMs = (this.#ticks - this.#leadingSinceTicks) * this.#host.tickMs;
    const members = [...status.progress].map(([id, progress]) => ({
      id,
      learner: progress.isLearner,
      mayVote: this.#host.membership().guest(id)?.role !== "reader",
      caughtUp: progress.match + CAUGHT_UP_ENTRIES >= status.lastIndex,
      sinceContactMs: this.sinceContactMs(id),
    }));
    const { id: leader, learnersMax } = this.#host;
    const step = autopilotStep({ members, leader, leadingMs, learnersMax }, options);
    if (step !== undefined) this.#host.change(CHANGES[step.type], step.id, EMPTY_BYTES);
  }
}
