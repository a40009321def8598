/**
 * Tracks contact with peers: which to stay connected with, when the last contact with each was, and which have said that
 * they leave. Sends join requests.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Membership } from "./membership.ts";
import type { MemberOptions } from "../options.ts";

const NO_LEADER = 0n;
const JOIN_EVERY_TICKS = 5;
const ORPHAN_TICKS = 20;
/** The voters that respond meanwhile are those that are here. */
const LEADERLESS_TICKS = 10;
const REMOVED_TICKS = 3;
/** What a member sent before it left may arrive so much later. */
const GOODBYE_TICKS = 20;

/** The member that gets it fills in what the transport has proof of. */
function joinRequest(memberId: MemberId, name: string): FrameBody {
  return { type: "join", memberId, name, key: EMPTY_BYTES, invitation: EMPTY_BYTES };
}

export interface PeerTrackerHost {
  readonly id: MemberId;
  readonly name: string;
  readonly options: MemberOptions;
  readonly tickMs: number;
  readonly membership: () => Membership;
  readonly send: (to: MemberId, body: FrameBody) => void;
}

export class PeerTracker {
  readonly #host: PeerTrackerHost;
  /**
   * Silence is counted in ticks. Time during which this member was frozen or quiesced says nothing about the others;
   * counted, all of them would seem gone after a thaw.
   */
  readonly #lastContactTicks: Map<MemberId, number> = new Map();
  #ticks = 0;
  /** Members that have said goodbye, and when. */
  readonly #left: Map<MemberId, number> = new Map();
  readonly #up: Set<MemberId> = new Set();
  #dialed: ReadonlySet<MemberId> = new Set();
  /** Peers that a member has named. */
  #referred: readonly MemberId[] = [];

  constructor(host: PeerTrackerHost) {
    this.#host = host;
  }

  /** All other members of the configuration. */
  get others(): readonly MemberId[] {
    const { voters, learners, learnersNext } = this.#host.membership().confState;
    return [...voters, ...learners, ...learnersNext].filter((id) => id !== this.#host.id);
  }

  /** Ticks of this member's clock, which stands still while the member is frozen or quiesced. */
  get ticks(): number {
    return this.#ticks;
  }

  /** No peer is connected, though there are other members. */
  get isCutOff(): boolean {
    return this.#up.size === 0 && this.others.length > 0;
  }

  tick(): void {
    this.#ticks += 1;
  }

  recordContact(from: MemberId): void {
    this.#lastContactTicks.set(from, this.#ticks);
    const leftAtTicks = this.#left.get(from) ?? Infinity;
    if (this.#ticks - leftAtTicks > GOODBYE_TICKS) this.#left.delete(from);
  }

  /** The peer leaves on purpose. It counts as gone until it is connected again. */
  recordGoodbye(from: MemberId): void {
    if (this.#host.membership().has(from)) this.#left.set(from, this.#ticks);
  }

  hasLeft(member: MemberId): boolean {
    return this.#left.has(member);
  }

  /** Returns the milliseconds since the last contact; 0 for this member, Infinity if there was none. */
  sinceContactMs(member: MemberId): number {
    if (member === this.#host.id) return 0;
    const contact = this.#lastContactTicks.get(member);
    return contact === undefined ? Infinity : (this.#ticks - contact) * this.#host.tickMs;
  }

  up(peer: MemberId): void {
    this.#up.add(peer);
    this.#left.delete(peer);
  }

  down(peer: MemberId): void {
    this.#up.delete(peer);
  }

  isUp(peer: MemberId): boolean {
    return this.#up.has(peer);
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

  /** Tells all connected peers that this member leaves, so that they need not wait until they notice. */
  sayGoodbye(): void {
    for (const peer of this.#up) this.#host.send(peer, { type: "goodbye" });
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
}
