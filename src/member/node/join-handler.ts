/**
 * Admits newcomers. A newcomer sends a join request to the peers that it is connected with, and the members decide. The
 * first member that gets it decides whether it is admitted, because only that member knows what its transport knows of
 * the newcomer. The leader, which adds it, checks the limits again.
 *
 *     newcomer ── join ──► member ── join ──► leader ── add-learner ──► log
 *        ▲                   │                   │
 *        └── join-response: why not ◄────────────┘        once admitted, the leader contacts it
 *
 * A member that sends a join request gets the member list: it has missed changes, or its response was lost.
 *
 * A member that was invited cannot tell who knows the room's secret. So it lets nobody in, and forwards nothing. As the
 * leader it adds those whom others have let in.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { encode } from "../../protocol/codec/proto-codec.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import { memberChange, memberChangeSchema } from "../../protocol/peer/member-change-schema.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { JoinRefusal } from "../../protocol/peer/join-refusal.ts";
import type { ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { Transport } from "../../transport/transport.ts";
import { RateLimiter } from "../limits/rate-limiter.ts";
import type { Clock } from "../clock.ts";
import { guestWithKey, invitationOf, whyOver } from "../membership/invitations.ts";
import { isKeyRemoved, mayBind, memberWithKey } from "../membership/member-keys.ts";
import { keyChange } from "../membership/own-key.ts";
import type { Membership } from "../membership/membership.ts";
import type { MemberOptions, Settings } from "../options.ts";
import { wallMsOf } from "./peer-gate.ts";

/** Longest name that a newcomer may give itself, in UTF-16 code units. */
const NAME_MAX = 128;
/** Join requests that are handled, as a burst and per second. A newcomer without a response sends its request again. */
const JOIN_REQUESTS_BURST = 64;
const JOIN_REQUESTS_PER_SECOND = 32;

type JoinRequest = Extract<FrameBody, { readonly type: "join" }>;

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
    readonly wake: () => void;
    readonly changeMembership: (type: ConfChangeType, id: MemberId, context: Uint8Array, instead?: MemberId) => unknown;
  };
}

export class JoinHandler {
  readonly #parts: JoinHandlerDeps;
  readonly #allowance: RateLimiter;

  constructor(parts: JoinHandlerDeps) {
    this.#parts = parts;
    this.#allowance = new RateLimiter(JOIN_REQUESTS_BURST, JOIN_REQUESTS_PER_SECOND, () => parts.clock.nowMs());
  }

  /** Handles a join request. `from` is the newcomer, or a member that forwards its request. */
  onJoin(from: MemberId, claimed: JoinRequest): void {
    const { id, machine, leader, outbox, transport, admission } = this.#parts;
    const { memberId } = claimed;
    if (memberId === id || machine.membership.wasRemoved(memberId) || !this.#allowance.take()) return;
    // What a newcomer says of itself is not asked, only what it has proved.
    const request = from === memberId ? { ...claimed, ...provedBy(transport, from) } : claimed;
    const { key } = request;
    if (machine.membership.has(memberId)) {
      this.#respond(memberId, "");
      if (!mayBind(machine.membership.keys, memberId, key) || key.length === 0) return;
    } else {
      // The others tell it.
      if (from === memberId && machine.membership.guest(id) !== undefined) return;
      const refusal = this.#refusalOf(from, request);
      if (refusal !== undefined) return this.#respond(memberId, refusal);
    }
    if (leader.id === id) this.#change(request);
    else if (leader.id !== 0n && leader.id !== from) outbox.send(leader.id, request);
    // Nobody leads while all sleep. The newcomer asks again.
    else if (machine.membership.has(id)) admission.wake();
  }

  /**
   * A browser profile has one member of a room at a time. So one that comes under another id has lost its store, and the
   * member that it was, which would go on counting, is removed with the same change.
   */
  #change({ memberId: id, name, key, invitation }: JoinRequest): void {
    const { admission, machine } = this.#parts;
    const former = memberWithKey(machine.membership.keys, key);
    if (machine.membership.has(id)) admission.changeMembership("update-node", id, keyChange(id, key));
    else {
      const isKnown = former !== undefined || guestWithKey(machine.membership.invitations, key) !== undefined;
      const by = isKnown ? EMPTY_BYTES : invitation;
      const memberAttributes = { name, clientUrls: [] };
      const context = encode(memberChangeSchema, memberChange({ id, memberAttributes, key, invitation: by }));
      admission.changeMembership("add-learner", id, context, former);
    }
  }

  #refusalOf(from: MemberId, { memberId, name, key, invitation }: JoinRequest): JoinRefusal | undefined {
    const { clock, settings, machine } = this.#parts;
    const { keys, invitations } = machine.membership;
    if (isKeyRemoved(keys, key)) return JOIN_REFUSALS.keyRemoved;
    const isKnown = memberWithKey(keys, key) !== undefined;
    if (isKnown) return undefined;
    if (guestWithKey(invitations, key) === undefined) {
      const refusal =
        invitation.length === 0
          ? this.#admissionRefusal(from, memberId, name)
          : whyOver(invitationOf(invitations, invitation), wallMsOf(clock));
      if (refusal !== undefined) return refusal;
    }
    if (name.length > NAME_MAX) return JOIN_REFUSALS.badName;
    const { learners } = machine.membership.confState;
    return learners.length >= settings.limits.joinedLearners ? JOIN_REFUSALS.full : undefined;
  }

  #admissionRefusal(from: MemberId, id: MemberId, name: string): JoinRefusal | undefined {
    return from !== id || this.#isAdmitted(id, name) ? undefined : JOIN_REFUSALS.notAdmitted;
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

/** An invitation of one that knows the room's secret does not count, nor one without a key that it would be bound to. */
function provedBy(transport: Transport, peer: MemberId): Pick<JoinRequest, "key" | "invitation"> {
  const { key = EMPTY_BYTES, invitation = EMPTY_BYTES } = transport.proofOf?.(peer) ?? {};
  return { key, invitation: key.length === 0 || transport.isAuthenticated(peer) ? EMPTY_BYTES : invitation };
}
