/**
 * What this member knows of whoever speaks to it, and how it learns of those who belong and whom it cannot know.
 *
 * It knows whom its configuration names and whom the entries of its log add. A member that was frozen or cut off may have
 * missed that the others were replaced, and must follow a leader of whom it has never heard. So it also believes
 *
 * - whom one of those that it knows has named, when it was asked for the members. That counts until its own log says
 *   something new. It asks when somebody unknown speaks as a leader while it hears none.
 * - while it hears no leader: whom the carrier has proof of (transport.ts, isAuthenticated). That one may lead and ask for
 *   votes, no more; and as soon as a leader is heard whom this member knows, no longer.
 * - before it belongs to the cluster itself: whom it was told to ask. A newcomer knows nobody better, and has nothing to
 *   lose.
 *
 * Where the carrier has no proof of anybody, a member that finds all whom it knew gone stays alone.
 */
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Clock } from "../clock.ts";
import type { Role } from "../peer/frame-policy.ts";
import type { Membership } from "../membership/membership.ts";
import type { MemberOptions, Settings } from "../options.ts";
import type { Quiescence } from "./quiescence.ts";
import type { PeerTracker } from "../membership/peer-tracker.ts";

/** Of one list; no cluster has more members. */
const LISTED_MAX = 128;

const VOTER: readonly Role[] = ["voter"];
const LEARNER: readonly Role[] = ["learner"];
/** A learner that may have been promoted by an entry that this member does not have. */
const PROMOTED: readonly Role[] = ["learner", "successor"];
const SUCCESSOR: readonly Role[] = ["successor"];
const NEWCOMER: readonly Role[] = ["newcomer"];
const FORMER: readonly Role[] = ["former"];

export interface PeerRolesDeps {
  readonly id: MemberId;
  readonly options: MemberOptions;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly raft: Raft;
  readonly peers: PeerTracker;
  readonly quiescence: Quiescence;
  readonly machine: { readonly membership: Membership };
}

export class PeerRoles {
  readonly #parts: PeerRolesDeps;
  /** As a member has said lately. */
  #listed: ReadonlyMap<MemberId, "voter" | "learner"> = new Map();
  #askedMs = -Infinity;

  constructor(parts: PeerRolesDeps) {
    this.#parts = parts;
  }

  /** Of a peer whose frame is being looked at. */
  rolesOf(peer: MemberId): readonly Role[] {
    const { raft, machine, quiescence, transport } = this.#parts;
    // A leader that was removed goes on until somebody takes over, so that what it says last is heard.
    if (peer === raft.leader) return VOTER;
    if (machine.membership.wasRemoved(peer)) return FORMER;
    const role = raft.roleOf(peer);
    const listed = this.#listed.get(peer);
    if (role === "voter" || listed === "voter" || this.#wasToldToAsk(peer)) return VOTER;
    const maySucceed = !raft.hearsLeader && quiescence.wouldHear && transport.isAuthenticated(peer);
    if (role === "learner" || listed === "learner") return maySucceed ? PROMOTED : LEARNER;
    return maySucceed ? SUCCESSOR : NEWCOMER;
  }

  /** Whether this member has found itself in its own log; also when it was removed since. */
  get belongs(): boolean {
    const { id, raft, machine } = this.#parts;
    return raft.roleOf(id) !== undefined || machine.membership.wasRemoved(id);
  }

  /** Somebody who is believed says who the members are. */
  introduce(members: readonly MemberRecord[]): void {
    const listed = members.slice(0, LISTED_MAX);
    this.#listed = new Map(listed.map(({ id, isLearner }) => [id, isLearner ? "learner" : "voter"]));
  }

  /** Our own log says something new of the members. */
  forget(): void {
    if (this.#listed.size > 0) this.#listed = new Map();
  }

  /** Somebody speaks as a leader does whom this member cannot know to be one. */
  unknownLeader(peer: MemberId): void {
    const { clock, settings, raft, peers, quiescence, transport } = this.#parts;
    if (raft.hearsLeader || !this.belongs) return;
    // A member that sleeps hears nobody, and cannot say that its leader is gone before it has asked.
    if (!quiescence.wouldHear && transport.isAuthenticated(peer)) quiescence.onRequest();
    const nowMs = clock.nowMs();
    if (nowMs - this.#askedMs < settings.electionTicks * settings.tickMs) return;
    this.#askedMs = nowMs;
    peers.askForMembers((member) => raft.roleOf(member) !== undefined || this.#listed.has(member));
  }

  /** Where the carrier can tell who belongs, its word is needed too. */
  #wasToldToAsk(peer: MemberId): boolean {
    const { options, peers, transport } = this.#parts;
    if (!peers.isDialed(peer) || this.belongs) return false;
    return options.admission !== "authenticated" || transport.isAuthenticated(peer);
  }
}
