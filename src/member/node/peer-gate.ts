/**
 * Whether a peer is who it says, by the key that it has proved to the transport. The log says whose key is whose. A
 * transport that cannot tell (members at the edge) has no such proofs, and a member without a key in the log may be
 * anybody who is authenticated.
 */
import { equalBytes } from "../../base/bytes.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { JoinRefusal } from "../../protocol/peer/join-refusal.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { PeerProof } from "../../transport/greeting/handshake.ts";
import type { Transport } from "../../transport/transport.ts";
import { isKeyRemoved, keyOf } from "../membership/member-keys.ts";
import type { Membership } from "../membership/membership.ts";

export interface PeerGateDeps {
  readonly transport: Transport;
  readonly machine: { readonly membership: Membership };
}

export class PeerGate {
  readonly #parts: PeerGateDeps;

  constructor(parts: PeerGateDeps) {
    this.#parts = parts;
  }

  /** Returns why a peer with these proofs is not let in. Asked before its first frame. */
  refusalOf(peer: MemberId, { key }: PeerProof): JoinRefusal | undefined {
    const { membership } = this.#parts.machine;
    // It is told of its removal, and nothing else (frame-policy.ts).
    if (membership.wasRemoved(peer)) return undefined;
    const bound = keyOf(membership.keys, peer);
    if (bound !== undefined) return key !== undefined && equalBytes(key, bound) ? undefined : JOIN_REFUSALS.otherKey;
    return key !== undefined && isKeyRemoved(membership.keys, key) ? JOIN_REFUSALS.keyRemoved : undefined;
  }

  /** Asked for each frame: the log may have changed since the peer was let in. */
  isLetIn(peer: MemberId): boolean {
    const { transport } = this.#parts;
    if (transport.proofOf === undefined) return true;
    const proof = transport.proofOf(peer);
    return proof !== undefined && this.refusalOf(peer, proof) === undefined;
  }
}
