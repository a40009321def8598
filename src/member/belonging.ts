/**
 * Whether this member belongs to the cluster, and whoever else does: what follows of a change, who may go, and what
 * those are told that do not belong any more and do not know it.
 */
import type { Member as MemberRecord } from "../protocol/cluster.ts";
import type { FrameBody } from "../protocol/frame-schema.ts";
import type { MemberId } from "../protocol/raft-message.ts";
import type { Raft } from "../raft/raft.ts";
import type { Applying } from "./applying.ts";
import type { Attributes } from "./attributes.ts";
import type { KnownLeader } from "./known-leader.ts";
import { WAS_REMOVED } from "./lifecycle.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberOptions } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { Roster } from "./roster.ts";
import type { Snapshots } from "./snapshots.ts";
import type { StateMachine } from "./state-machine.ts";

const REFERRALS_MAX = 64;
/** To one that still speaks as if it belonged to us. An id that was removed never comes back, so this stays true. */
const REMOVED = { type: "join-response", refusal: "removed" } as const;

type JoinResponse = Extract<FrameBody, { readonly type: "join-response" }>;

export interface BelongingParts {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly options: MemberOptions;
  readonly life: Lifecycle;
  readonly raft: Raft;
  readonly machine: StateMachine;
  readonly applying: Applying;
  readonly leader: KnownLeader;
  readonly roster: Roster;
  readonly snapshots: Snapshots;
  readonly attributes: Attributes;
  readonly outbox: Outbox;
}

export class Belonging {
  readonly #parts: BelongingParts;
  #successors: readonly MemberRecord[] | undefined;

  constructor(parts: BelongingParts) {
    this.#parts = parts;
  }

  /** As far as this member knows; one that was removed may know better from the others. */
  get members(): readonly MemberRecord[] {
    return this.#successors ?? this.#parts.machine.membership.members;
  }

  membershipChanged(): void {
    const { options, machine, roster, snapshots, attributes } = this.#parts;
    options.onMembership?.(machine.membership.members);
    roster.connect();
    snapshots.sendOnlyTo(roster.others);
    this.#leaveIfRemoved();
    attributes.publish();
  }

  /** Nobody else could be elected, so there is no election timeout to wait for. */
  campaignIfAlone(): void {
    const { id, machine, raft } = this.#parts;
    const { voters } = machine.membership.confState;
    if (voters.length === 1 && voters[0] === id) raft.campaign();
  }

  /** True for one that was removed: what it says is not heard. */
  refuses(from: MemberId, body: FrameBody): boolean {
    const { machine, leader, clusterId, outbox } = this.#parts;
    // A leader that was removed goes on until somebody took over, so that what it says last is heard.
    if (from === leader.id || !machine.membership.wasRemoved(from)) return false;
    // It may have been away when that was decided, and would ask for votes for ever.
    const asks = body.type === "raft" || body.type === "join" || body.type === "wake";
    if (asks && this.#knowsForGood) outbox.send(from, { ...REMOVED, clusterId, members: this.members });
    return true;
  }

  /** One that was removed itself and knows no better sends us to those that it knew last. */
  answered(body: JoinResponse): void {
    const { roster, life } = this.#parts;
    if (body.refusal !== REMOVED.refusal) {
      roster.dial(body.members.slice(0, REFERRALS_MAX).map((member) => member.id));
      return;
    }
    this.#successors = body.members;
    life.stop(WAS_REMOVED);
  }

  /**
   * Told by its leader, who knows it for good, a member may go. One that led itself may be the only one who knows: the
   * others may need its vote and its log to come to the same, so it stays until one of them says that it was removed. So
   * does one that was started again, and does not remember who told it.
   */
  #leaveIfRemoved(): void {
    const { id, machine, leader, life } = this.#parts;
    if (!machine.membership.wasRemoved(id)) return;
    if (leader.isKnown && !leader.isSelf) life.stop(WAS_REMOVED);
  }

  /**
   * Whoever is told of its end may never be heard of again, so it is told when a leader does without it: one whose
   * first entry is applied has written that all before it is committed.
   */
  get #knowsForGood(): boolean {
    return this.#parts.leader.isKnown && this.#parts.applying.term === this.#parts.raft.term;
  }
}
