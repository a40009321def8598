/**
 * Inspects a frame before any other part. Accepts it if it is for this member, from the peer that the transport names,
 * and if its sender may send it (frame-policy.ts). A rejected frame is counted and has no other effect.
 */
import { DecodeError } from "../../protocol/decode-error.ts";
import { FrameVersionError } from "../../protocol/peer/frame.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { PeerRoles } from "./peer-roles.ts";
import type { MembershipMonitor } from "./membership-monitor.ts";
import { checkBody, checkKind, maySpeakForSuccessors } from "../peer/frame-policy.ts";
import type { Sender } from "../peer/frame-policy.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";
import { decodeMemberBody, kindOfMemberFrame } from "../peer/wire.ts";

export interface FrameFilterDeps {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly raft: Raft;
  readonly peerRoles: PeerRoles;
  readonly membershipMonitor: MembershipMonitor;
  readonly metrics: MemberMetrics;
}

export class FrameFilter {
  readonly #parts: FrameFilterDeps;

  constructor(parts: FrameFilterDeps) {
    this.#parts = parts;
  }

  /** Returns the body of an accepted frame; undefined for a frame that must have no effect. */
  accept(from: MemberId, frame: Uint8Array): FrameBody | undefined {
    try {
      const body = this.#check(from, frame);
      if (body === undefined) this.#parts.metrics.counters.framesRejected += 1;
      return body;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const { metrics } = this.#parts;
      metrics.counters.framesRejected += 1;
      if (error instanceof FrameVersionError) metrics.otherVersion = error.theirs;
      return undefined;
    }
  }

  #check(from: MemberId, frame: Uint8Array): FrameBody | undefined {
    const { id, clusterId, raft, peerRoles, membershipMonitor } = this.#parts;
    const kind = kindOfMemberFrame(frame, { clusterId, from, to: id });
    const sender: Sender = { id: from, roles: peerRoles.rolesOf(from) };
    // If the sender may not send this kind of frame, the body is not decoded.
    const decision = checkKind(kind, frame.length, sender);
    if (decision === "notify") membershipMonitor.notifyRemoved(from);
    const body = decision === "take" ? decodeMemberBody(frame) : undefined;
    const receiver = { id, term: raft.term, belongs: peerRoles.belongs, hearsLeader: peerRoles.hearsLeader };
    if (body !== undefined && checkBody(body, sender, receiver)) return body;
    if (maySpeakForSuccessors(kind, sender)) peerRoles.unknownLeader(from);
    return undefined;
  }
}
