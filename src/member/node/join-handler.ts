/**
 * How a newcomer is let in: it asks whom it is connected with, and those inside decide. The first whom it asks knows what
 * the carrier knows of it, so that one decides; what the room can bear is asked of the leader too, which adds it.
 *
 *     newcomer ── join ──► member ── join ──► leader ── add-learner ──► log
 *        ▲                   │                   │
 *        └── join-response: why not ◄────────────┘        taken in, it hears of it from the leader itself
 *
 * Who belongs already and asks is told who the members are: it has missed what happened, or its answer was lost.
 */
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { JoinRefusal } from "../../protocol/peer/join-refusal.ts";
import type { ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { Transport } from "../../transport/transport.ts";
import { RateLimiter } from "../limits/rate-limiter.ts";
import type { Clock } from "../clock.ts";
import { encodeMember } from "../membership/membership.ts";
import type { Membership } from "../membership/membership.ts";
import type { MemberOptions, Settings } from "../options.ts";

/** In UTF-16 code units, of a member that names itself. */
const NAME_MAX = 128;
/** Wishes that are looked at, at once and per second; who is not heard asks again. */
const WISHES_BURST = 64;
const WISHES_PER_SECOND = 32;

type Wish = Extract<FrameBody, { readonly type: "join" }>;

export interface JoinHandlerDeps {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly options: MemberOptions;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly machine: { readonly membership: Membership };
  readonly leader: { readonly id: MemberId };
  readonly outbox: { readonly send: (to: MemberId, body: FrameBody) => void };
  readonly admission: {
    readonly changeMembership: (type: ConfChangeType, id: MemberId, context: Uint8Array) => unknown;
  };
}

export class JoinHandler {
  readonly #parts: JoinHandlerDeps;
  readonly #allowance: RateLimiter;

  constructor(parts: JoinHandlerDeps) {
    this.#parts = parts;
    this.#allowance = new RateLimiter(WISHES_BURST, WISHES_PER_SECOND, () => parts.clock.nowMs());
  }

  /** `from` is the newcomer, or a member that hands its wish on. */
  onJoin(from: MemberId, wish: Wish): void {
    const { id, machine, leader, outbox } = this.#parts;
    const { memberId } = wish;
    if (memberId === id || machine.membership.wasRemoved(memberId) || !this.#allowance.take()) return;
    if (machine.membership.has(memberId)) return this.#respond(memberId, "");
    const refusal = this.#refusalOf(from, wish);
    if (refusal !== undefined) return this.#respond(memberId, refusal);
    if (leader.id === id) this.#add(wish);
    else if (leader.id !== 0n && leader.id !== from) outbox.send(leader.id, wish);
  }

  #add({ memberId: id, name }: Wish): void {
    const record = { id, name, peerUrls: [], clientUrls: [], isLearner: true };
    this.#parts.admission.changeMembership("add-learner", id, encodeMember(record));
  }

  #refusalOf(from: MemberId, { memberId, name }: Wish): JoinRefusal | undefined {
    const { settings, machine } = this.#parts;
    if (from === memberId && !this.#isAdmitted(memberId, name)) return JOIN_REFUSALS.notAdmitted;
    if (name.length > NAME_MAX) return JOIN_REFUSALS.badName;
    const { learners } = machine.membership.confState;
    return learners.length >= settings.limits.joinedLearners ? JOIN_REFUSALS.full : undefined;
  }

  #isAdmitted(id: MemberId, name: string): boolean {
    const { options, transport } = this.#parts;
    const policy = options.admission ?? "nobody";
    const isAuthenticated = transport.isAuthenticated(id);
    if (typeof policy === "function") return policy({ id, name, isAuthenticated });
    return policy === "all" || (policy === "authenticated" && isAuthenticated);
  }

  #respond(to: MemberId, refusal: JoinRefusal | ""): void {
    const { clusterId, machine, outbox } = this.#parts;
    const members = refusal === "" ? machine.membership.members : [];
    outbox.send(to, { type: "join-response", refusal, clusterId, members });
  }
}
