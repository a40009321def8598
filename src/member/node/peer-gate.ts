/**
 * Whether a peer is who it says, by the key that it has proved to the transport, and whether one that comes by an invitation
 * may come in by it, by this member's clock. The log says whose key is whose, and who is invited. A
 * transport that cannot tell (members at the edge) has no such proofs, and a member without a key in the log may be
 * anybody who is authenticated.
 */
import { equalBytes } from "../../base/bytes.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { JoinRefusal } from "../../protocol/peer/join-refusal.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { PeerProof } from "../../transport/greeting/handshake.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Clock } from "../clock.ts";
import { guestWithKey, invitationOf, whyOver } from "../membership/invitations.ts";
import { isKeyRemoved, keyOf } from "../membership/member-keys.ts";
import type { Membership } from "../membership/membership.ts";

export interface PeerGateDeps {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly machine: { readonly membership: Membership };
}

export class PeerGate {
  readonly #parts: PeerGateDeps;

  constructor(parts: PeerGateDeps) {
    this.#parts = parts;
  }

  /** Returns why a peer with these proofs is not let in. Asked before its first frame. */
  refusalOf(peer: MemberId, proof: PeerProof): JoinRefusal | undefined {
    return this.#identityRefusal(peer, proof) ?? this.#invitationRefusal(peer, proof);
  }

  /**
   * Asked for each frame: the log may have changed since the peer was let in. A newcomer whose invitation has ended
   * meanwhile may ask to join, and is told.
   */
  isLetIn(peer: MemberId): boolean {
    const { transport } = this.#parts;
    if (transport.proofOf === undefined) return true;
    const proof = transport.proofOf(peer);
    return proof !== undefined && this.#identityRefusal(peer, proof) === undefined;
  }

  #identityRefusal(peer: MemberId, { key }: PeerProof): JoinRefusal | undefined {
    const { membership } = this.#parts.machine;
    // It is told of its removal, and nothing else (frame-policy.ts).
    if (membership.wasRemoved(peer)) return undefined;
    const bound = keyOf(membership.keys, peer);
    if (bound !== undefined) return key !== undefined && equalBytes(key, bound) ? undefined : JOIN_REFUSALS.otherKey;
    return key !== undefined && isKeyRemoved(membership.keys, key) ? JOIN_REFUSALS.keyRemoved : undefined;
  }

  /** Whoever knows the room's secret needs no invitation, and a guest that comes back needs none any more. */
  #invitationRefusal(peer: MemberId, { key, invitation, knowsSecret }: PeerProof): JoinRefusal | undefined {
    const { clock, machine } = this.#parts;
    const { invitations, keys } = machine.membership;
    if (invitation === undefined || knowsSecret === true || keyOf(keys, peer) !== undefined) return undefined;
    if (machine.membership.wasRemoved(peer)) return undefined;
    if (key === undefined) return JOIN_REFUSALS.notAdmitted;
    if (guestWithKey(invitations, key) !== undefined) return undefined;
    return whyOver(invitationOf(invitations, invitation), wallMsOf(clock));
  }
}

/** By the clock of this member, in milliseconds since 1970. */
export function wallMsOf(clock: Clock): number {
  return clock.wallMs?.() ?? clock.nowMs();
}
