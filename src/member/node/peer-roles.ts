/**
 * Determines the role of a peer that sends a frame, and learns of members that this member cannot know from its own
 * log.
 *
 * This member knows the members of its configuration and those that entries of its log add. A member that was frozen or
 * partitioned may have missed that all others were replaced, and must then follow a leader that it has never heard of.
 * So it also trusts:
 *
 * - The members that a known member listed in response to a join request. This list is valid until the own log adds
 *   something new. The request is sent when an unknown peer acts as a leader while no leader is heard.
 * - Peers that the transport has authenticated (transport.ts, isAuthenticated), while no leader is heard. Such a peer
 *   may lead and request votes, nothing else. As soon as a known leader is heard, it is no longer trusted.
 * - The peers that it was configured to dial, before it belongs to the cluster. A newcomer knows no better peers and
 *   has nothing to lose.
 *
 * If the transport authenticates nobody, a member whose known members are all gone stays alone.
 */
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Clock } from "../clock.ts";
import type { Role } from "../peer/frame-policy.ts";
import { keyOf } from "../membership/member-keys.ts";
import type { Membership } from "../membership/membership.ts";
import type { MemberOptions, Settings } from "../options.ts";
import type { PeerGate } from "./peer-gate.ts";
import type { Quiescence } from "./quiescence.ts";
import type { PeerTracker } from "../membership/peer-tracker.ts";

/** Longest member list that is accepted; no cluster has more members. */
const LISTED_MAX = 128;

const VOTER: readonly Role[] = ["voter"];
const LEARNER: readonly Role[] = ["learner"];
/** A learner that may have been promoted by an entry that this member does not have. */
const PROMOTED: readonly Role[] = ["learner", "successor"];
const SUCCESSOR: readonly Role[] = ["successor"];
const NEWCOMER: readonly Role[] = ["newcomer"];
const READER: readonly Role[] = ["reader"];
/** It has the id of a member, and another key, or the key of a removed member. It may send nothing. */
const IMPOSTOR: readonly Role[] = [];
const FORMER: readonly Role[] = ["former"];

export interface PeerRolesDeps {
  readonly id: MemberId;
  readonly options: MemberOptions;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly raft: Raft;
  readonly peers: PeerTracker;
  readonly peerGate: Pick<PeerGate, "isLetIn">;
  readonly quiescence: Quiescence;
  readonly machine: { readonly membership: Membership };
}

export class PeerRoles {
  readonly #parts: PeerRolesDeps;
  /** Members that a known member has listed recently. */
  #listed: ReadonlyMap<MemberId, "voter" | "learner"> = new Map();
  #requestedMs = -Infinity;

  constructor(parts: PeerRolesDeps) {
    this.#parts = parts;
  }

  /** Returns the roles of the peer that sent a frame. */
  rolesOf(peer: MemberId): readonly Role[] {
    if (!this.#parts.peerGate.isLetIn(peer)) return IMPOSTOR;
    const roles = this.#withoutInvitation(peer);
    const guest = this.#parts.machine.membership.guest(peer);
    if (guest === undefined) return roles;
    const isMember = roles.some((role) => role === "voter" || role === "learner");
    if (guest.role === "reader" && isMember && peer !== this.#parts.raft.leader) return READER;
    return [...roles, "guest"];
  }

  #withoutInvitation(peer: MemberId): readonly Role[] {
    const { raft, machine, transport } = this.#parts;
    // A removed leader keeps leading until a voter takes over. So its last messages must be accepted.
    if (peer === raft.leader) return VOTER;
    if (machine.membership.wasRemoved(peer)) return FORMER;
    const role = raft.roleOf(peer);
    const listed = this.#listed.get(peer);
    if (role === "voter" || listed === "voter" || this.#isTrustedDial(peer)) return VOTER;
    const maySucceed = !this.hearsLeader && transport.isAuthenticated(peer);
    if (role === "learner" || listed === "learner") {
      if (this.#isJustInvited(peer)) return READER;
      return maySucceed ? PROMOTED : LEARNER;
    }
    return maySucceed ? SUCCESSOR : NEWCOMER;
  }

  /**
   * True if this member is or was part of the configuration, according to its own log. Stays true after its removal.
   */
  get belongs(): boolean {
    const { id, raft, machine } = this.#parts;
    return raft.roleOf(id) !== undefined || machine.membership.wasRemoved(id);
  }

  /** True also for a quiescent member: it would not know that its leader is gone. */
  get hearsLeader(): boolean {
    const { raft, quiescence } = this.#parts;
    return raft.hearsLeader || !quiescence.wouldHear;
  }

  /** Takes over a member list from a trusted peer. */
  introduce(members: readonly MemberRecord[]): void {
    const listed = members.slice(0, LISTED_MAX);
    this.#listed = new Map(listed.map(({ id, isLearner }) => [id, isLearner ? "learner" : "voter"]));
  }

  /** Drops the list: the own log has newer information about the members. */
  forget(): void {
    if (this.#listed.size > 0) this.#listed = new Map();
  }

  /** Handles a frame of a leader or candidate that this member does not know. */
  unknownLeader(peer: MemberId): void {
    const { clock, settings, raft, peers, quiescence, transport } = this.#parts;
    if (raft.hearsLeader || !this.belongs) return;
    // A quiesced member hears no leader. It must contact the others before it may conclude that its leader is gone.
    const isKnown = transport.isAuthenticated(peer) || raft.roleOf(peer) !== undefined;
    if (!quiescence.wouldHear && isKnown) quiescence.onRequest();
    const nowMs = clock.nowMs();
    if (nowMs - this.#requestedMs < settings.electionTicks * settings.tickMs) return;
    this.#requestedMs = nowMs;
    peers.askForMembers((member) => {
      const roles = [raft.roleOf(member), this.#listed.get(member)];
      // The same peers whose responses are accepted (frame-policy.ts).
      return roles.includes("voter") || (roles.includes("learner") && !this.hearsLeader);
    });
  }

  /** Until its admission is applied here, this member does not know as what it was invited. */
  #isJustInvited(peer: MemberId): boolean {
    const { machine, transport } = this.#parts;
    const isUnknown = keyOf(machine.membership.keys, peer) === undefined;
    return isUnknown && transport.proofOf?.(peer)?.knowsSecret === false;
  }

  /**
   * True for a dialed peer before this member belongs. If the transport can authenticate peers, it must have done so.
   */
  #isTrustedDial(peer: MemberId): boolean {
    const { options, peers, transport } = this.#parts;
    if (!peers.isDialed(peer) || this.belongs) return false;
    return options.admission !== "authenticated" || transport.isAuthenticated(peer);
  }
}
