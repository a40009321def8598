/**
 * Whether this member belongs to the cluster, and whoever else does: what follows of a change, who may go, and what
 * those are told that do not belong any more and do not know it.
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
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { StateMachine } from "../apply/state-machine.ts";

const REFERRALS_MAX = 64;
const REFUSAL_MAX = 64;
/** To one that still speaks as if it belonged to us. An id that was removed never comes back, so this stays true. */
const REMOVED = { type: "join-response", refusal: JOIN_REFUSALS.removed } as const;
/** Answers to former members, at once and per second: their ids are known, and may be made up. */
const FAREWELLS_BURST = 32;
const FAREWELLS_PER_SECOND = 16;

type JoinResponse = Extract<FrameBody, { readonly type: "join-response" }>;

export interface MembershipMonitorDeps {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly options: MemberOptions;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly machine: StateMachine;
  /** `term`: of the last entry that was applied. */
  readonly applier: { readonly term: number };
  readonly leader: LeaderTracker;
  readonly peerRoles: PeerRoles;
  readonly peers: PeerTracker;
  readonly snapshots: Snapshots;
  readonly attributes: Attributes;
  readonly outbox: Outbox;
}

export class MembershipMonitor {
  readonly #parts: MembershipMonitorDeps;
  readonly #farewells: RateLimiter;
  #successors: readonly MemberRecord[] | undefined;
  #refusal: string | undefined;

  constructor(parts: MembershipMonitorDeps) {
    this.#parts = parts;
    this.#farewells = new RateLimiter(FAREWELLS_BURST, FAREWELLS_PER_SECOND, () => parts.clock.nowMs());
  }

  /** As far as this member knows; one that was removed may know better from the others. */
  get members(): readonly MemberRecord[] {
    return this.#successors ?? this.#parts.machine.membership.members;
  }

  /** Why this member is not let in, as one of those said last whom it asked; undefined for a member. */
  get joinRefusal(): string | undefined {
    return this.#parts.peerRoles.belongs ? undefined : this.#refusal;
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

  /** Nobody else could be elected, so there is no election timeout to wait for. */
  campaignIfAlone(): void {
    const { id, machine, raft } = this.#parts;
    const { voters } = machine.membership.confState;
    if (voters.length === 1 && voters[0] === id) raft.campaign();
  }

  /** One that was removed speaks as if it still belonged to us: it may have been away when that was decided. */
  tellRemoved(member: MemberId): void {
    const { clusterId, outbox } = this.#parts;
    if (!this.#isRemovalDurable || !this.#farewells.take()) return;
    outbox.send(member, { ...REMOVED, clusterId, members: this.members });
  }

  /** What one says who is believed (frame-policy.ts): whom to ask, that nobody is let in, or that this is the end. */
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

  /**
   * Told by its leader, who knows it for good, a member may go. One that led itself may be the only one who knows: the
   * others may need its vote and its log to come to the same, so it stays until one of them says that it was removed. So
   * does one that was started again, and does not remember who told it.
   */
  #leaveIfRemoved(): void {
    const { id, machine, leader, lifecycle } = this.#parts;
    if (!machine.membership.wasRemoved(id)) return;
    if (leader.isKnown && !leader.isSelf) lifecycle.stop(WAS_REMOVED);
  }

  /**
   * Whoever is told of its end may never be heard of again, so it is told when a leader does without it: one whose
   * first entry is applied has written that all before it is committed.
   */
  get #isRemovalDurable(): boolean {
    return this.#parts.leader.isKnown && this.#parts.applier.term === this.#parts.raft.term;
  }
}
