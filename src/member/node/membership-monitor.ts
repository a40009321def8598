/**
 * Watches the membership: notifies the parts of a change, stops this member when it was removed, and informs removed
 * members that do not know it yet.
 */
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { PeerRoles } from "./peer-roles.ts";
import { RateLimiter } from "../limits/rate-limiter.ts";
import type { Attributes } from "../membership/attributes.ts";
import type { Clock } from "../clock.ts";
import type { LeaderTracker } from "./leader-tracker.ts";
import { WAS_REMOVED } from "./lifecycle.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberOptions } from "../options.ts";
import type { Outbox } from "../peer/outbox.ts";
import type { PeerTracker } from "../membership/peer-tracker.ts";
import type { Quiescence } from "./quiescence.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { StateMachine } from "../apply/state-machine.ts";

const REFERRALS_MAX = 64;
const REFUSAL_MAX = 64;
/** A peer that denies is dialed again, and denies again, sooner. */
const DENIAL_MS = 30_000;
/**
 * Response to a removed member that still acts as a member. A removed id is never used again, so the response stays
 * true.
 */
const REMOVED = { type: "join-response", refusal: JOIN_REFUSALS.removed } as const;
/** Responses to removed members, as a burst and per second. Their ids are public and may be forged. */
const REMOVAL_NOTICES_BURST = 32;
const REMOVAL_NOTICES_PER_SECOND = 16;

type JoinResponse = Extract<FrameBody, { readonly type: "join-response" }>;

export interface MembershipMonitorDeps {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly options: MemberOptions;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly quiescence: Quiescence;
  readonly machine: StateMachine;
  /** `term` is the term of the last applied entry. */
  readonly applier: { readonly term: number };
  readonly leader: LeaderTracker;
  readonly peerRoles: PeerRoles;
  readonly peers: PeerTracker;
  readonly snapshots: Snapshots;
  readonly attributes: Attributes;
  readonly outbox: Outbox;
  readonly storageFailure: { readonly hasFailed: boolean };
}

export class MembershipMonitor {
  readonly #parts: MembershipMonitorDeps;
  readonly #removalNotices: RateLimiter;
  #successors: readonly MemberRecord[] | undefined;
  #refusal: string | undefined;
  #denial: { readonly code: string; readonly atMs: number } | undefined;

  constructor(parts: MembershipMonitorDeps) {
    this.#parts = parts;
    this.#removalNotices = new RateLimiter(REMOVAL_NOTICES_BURST, REMOVAL_NOTICES_PER_SECOND, () =>
      parts.clock.nowMs(),
    );
  }

  /** The members, as far as this member knows. A removed member returns those that the others have reported. */
  get members(): readonly MemberRecord[] {
    return this.#successors ?? this.#parts.machine.membership.members;
  }

  /**
   * Why this member has not been admitted, from the last refusal that it received. Of a member: why others do not let it
   * in, while it has no leader.
   */
  get joinRefusal(): string | undefined {
    const { clock, leader, peerRoles } = this.#parts;
    const isRecent = this.#denial !== undefined && clock.nowMs() - this.#denial.atMs < DENIAL_MS;
    const denial = isRecent ? this.#denial?.code : undefined;
    if (peerRoles.belongs) return leader.isKnown ? undefined : denial;
    return denial ?? this.#refusal;
  }

  membershipChanged(): void {
    const { options, machine, peers, snapshots, attributes, peerRoles } = this.#parts;
    peerRoles.forget();
    options.onMembership?.(machine.membership.members);
    peers.connect();
    snapshots.sendOnlyTo(peers.others);
    this.#leaveIfRemoved();
    attributes.publish();
  }

  /**
   * Campaigns at once if this member is the only voter: no other member can win, so there is no election timeout to
   * await.
   */
  campaignIfAlone(): void {
    const { id, machine, raft, quiescence, storageFailure } = this.#parts;
    if (storageFailure.hasFailed) return;
    const { voters } = machine.membership.confState;
    if (quiescence.startsQuiet || voters.length !== 1 || voters[0] !== id) return;
    if (!raft.resume()) raft.campaign();
  }

  /**
   * Informs a removed member that still acts as a member. It may have been offline when it was removed. A cluster that
   * sleeps wakes for it: the member would keep its clock, and ask, until somebody else needs the cluster.
   */
  notifyRemoved(member: MemberId): void {
    const { clusterId, outbox, quiescence } = this.#parts;
    if (!this.#removalNotices.take()) return;
    if (this.#isRemovalDurable) outbox.send(member, { ...REMOVED, clusterId, members: this.members });
    else quiescence.onRequest();
  }

  /**
   * Handles a response of a trusted peer (frame-policy.ts): members to contact, a refusal, or the removal of this
   * member.
   */
  onJoinResponse(body: JoinResponse): void {
    const { peers, lifecycle, peerRoles } = this.#parts;
    if (body.refusal === REMOVED.refusal) {
      this.#successors = body.members;
      lifecycle.stop(WAS_REMOVED);
    } else if (body.refusal !== "") {
      this.#refusal = body.refusal.slice(0, REFUSAL_MAX);
    } else {
      const members = body.members.slice(0, REFERRALS_MAX);
      peerRoles.introduce(members);
      peers.refer(members.map(({ id }) => id));
    }
  }

  /** A peer that belongs to the room does not let this member in. */
  onDenied(code: string): void {
    this.#denial = { code: code.slice(0, REFUSAL_MAX), atMs: this.#parts.clock.nowMs() };
  }

  /**
   * Stops this member if it was removed and another member leads: that leader has the removal durably. A removed leader
   * must not stop by itself: it may be the only one that knows of the commit, and the others may need its vote and log.
   * It stops when another member reports the removal. So does a restarted member, because the report is not persisted.
   */
  #leaveIfRemoved(): void {
    const { id, machine, leader, lifecycle } = this.#parts;
    if (!machine.membership.wasRemoved(id)) return;
    if (leader.isKnown && !leader.isSelf) lifecycle.stop(WAS_REMOVED);
  }

  /**
   * True if removals known here cannot be lost: this member has applied an entry of the current leader's term, so
   * everything before it is durably committed. Only then is a removed member informed, since it may shut down
   * permanently.
   */
  get #isRemovalDurable(): boolean {
    return this.#parts.leader.isKnown && this.#parts.applier.term === this.#parts.raft.term;
  }
}
