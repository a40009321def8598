/** Queues membership changes on the leader: checks etcd's strict rules, and proposes one change at a time. */
import { unreachable } from "../../base/assert.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import { EtcdError, GrpcCode, errNotLeader, errRequestTooManyRequests, errTimeout } from "../../protocol/errors.ts";
import {
  memberChangeAnswerSchema,
  memberChange,
  memberChangeCallSchema,
  memberChangeSchema,
} from "../../protocol/peer/member-change-schema.ts";
import type { MemberChangeAnswer, MemberChangeCall } from "../../protocol/peer/member-change-schema.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { ConfChange, ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { RaftStatus } from "../../raft/ready.ts";
import { errInvitedMember, errReadOnlyMember } from "../../protocol/invitation-errors.ts";
import { mayAdd, mayPromote, mayRemove } from "./change-rules.ts";
import type { Connections } from "./connections.ts";
import type { Membership } from "./membership.ts";
import type { Outcome } from "../outcome.ts";
import type { RpcCallback } from "../peer/rpc.ts";

export const CHANGE_METHOD = "cluster/change";

/** Operators do not make more changes than this at once. */
const QUEUE_MAX = 64;

export interface ChangeQueueHost {
  readonly id: MemberId;
  readonly membership: () => Membership;
  readonly status: () => RaftStatus;
  readonly connections: Connections;
  readonly propose: (change: ConfChange) => "accepted" | "no-leader" | "pending";
  /** Returns an id that was never used. `everCount` members have existed so far. */
  readonly newMemberId: (everCount: number) => MemberId;
  readonly nowMs: () => number;
  readonly timeoutMs: number;
  /** etcd's --max-learners and --strict-reconfig-check. */
  readonly maxLearners: number;
  readonly isStrict: boolean;
}

interface Waiting {
  readonly call: MemberChangeCall;
  readonly untilMs: number;
  done: RpcCallback;
}

export class ChangeQueue {
  readonly #host: ChangeQueueHost;
  #queue: Waiting[] = [];
  /** Proposed but not yet applied. */
  #proposed: Waiting | undefined;

  constructor(host: ChangeQueueHost) {
    this.#host = host;
  }

  get pending(): number {
    return this.#queue.length + (this.#proposed === undefined ? 0 : 1);
  }

  take(payload: Uint8Array, done: RpcCallback, from: MemberId): void {
    if (this.#host.status().role !== "leader") return done({ ok: false, error: errNotLeader });
    const call = callOf(payload);
    if (call === undefined) return done({ ok: false, error: new EtcdError(GrpcCode.Internal, "no call for a change") });
    const denied = this.#denial(call, from);
    if (denied !== undefined) return done({ ok: false, error: denied });
    const same = [...this.#queue, this.#proposed].find((waiting) => waiting?.call.changeId === call.changeId);
    if (same !== undefined) {
      // The caller has sent the request again. It no longer awaits the response to the first one.
      same.done({ ok: false, error: errNotLeader });
      same.done = done;
      return;
    }
    const memberId = this.#host.membership().recentlyMade(call.changeId);
    if (memberId !== undefined) {
      return done(responseOf({ ok: true, value: { memberId, members: this.#host.membership().members } }));
    }
    if (this.#queue.length >= QUEUE_MAX) return done({ ok: false, error: errRequestTooManyRequests });
    this.#queue.push({ call, done, untilMs: this.#host.nowMs() + this.#host.timeoutMs });
    this.#pump();
  }

  tick(): void {
    if (this.pending === 0) return;
    const nowMs = this.#host.nowMs();
    const isOver = ({ untilMs }: Waiting): boolean => untilMs <= nowMs;
    const over = [...this.#queue, ...(this.#proposed === undefined ? [] : [this.#proposed])].filter(isOver);
    this.#queue = this.#queue.filter((waiting) => !isOver(waiting));
    if (this.#proposed !== undefined && isOver(this.#proposed)) this.#proposed = undefined;
    for (const { done } of over) done({ ok: false, error: errTimeout });
    this.#pump();
  }

  /**
   * Completes the proposed change. The next one is proposed at the next tick: the entry that is being applied still
   * counts as pending.
   */
  applied(changeId: bigint, outcome: Outcome<MemberChangeAnswer>): void {
    const proposed = this.#proposed;
    if (proposed?.call.changeId !== changeId) return;
    this.#proposed = undefined;
    proposed.done(responseOf(outcome));
  }

  /**
   * Rejects all pending changes, so that their callers retry at the new leader. A proposed change may still be applied.
   */
  leadsNoMore(): void {
    const waiting = [...this.#queue, ...(this.#proposed === undefined ? [] : [this.#proposed])];
    this.#queue = [];
    this.#proposed = undefined;
    for (const { done } of waiting) done({ ok: false, error: errNotLeader });
  }

  #pump(): void {
    while (this.#proposed === undefined) {
      const next = this.#queue[0];
      if (next === undefined) return;
      const refusal = this.#refusal(next.call);
      if (refusal === "wait") return;
      const result = refusal ?? this.#host.propose(this.#changeOf(next.call));
      if (result === "pending") return;
      this.#queue.shift();
      if (result === "accepted") this.#proposed = next;
      else next.done({ ok: false, error: result === "no-leader" ? errNotLeader : result });
    }
  }

  /** Whoever may only read changes nothing, and whoever was invited invites nobody. */
  #denial({ rule }: MemberChangeCall, from: MemberId): EtcdError | undefined {
    const guest = this.#host.membership().guest(from);
    if (guest?.role === "reader") return errReadOnlyMember;
    return guest !== undefined && (rule === "invite" || rule === "revoke") ? errInvitedMember : undefined;
  }

  #refusal({ rule, memberId, isLearner }: MemberChangeCall): EtcdError | "wait" | undefined {
    const { id: self, connections, isStrict } = this.#host;
    const { members } = this.#host.membership();
    const view = { members, self, connection: (id: MemberId) => connections.of(id) };
    switch (rule) {
      case "add":
        return isStrict ? mayAdd(isLearner, view) : undefined;
      case "remove":
        return isStrict ? mayRemove(memberId, view) : undefined;
      case "promote": {
        const { progress } = this.#host.status();
        return mayPromote(progress.get(memberId)?.match, progress.get(self)?.match ?? 0, members, isStrict);
      }
      case "update":
      case "invite":
      case "revoke":
      case "shape":
      case "none":
        return undefined;
      default:
        return unreachable(rule);
    }
  }

  #changeOf({ changeId, rule, memberId, peerUrls, isLearner, ...call }: MemberChangeCall): ConfChange {
    const { id: self, maxLearners, membership, newMemberId } = this.#host;
    const id = rule === "add" ? newMemberId(membership().everCount) : memberId;
    const raftAttributes = { peerUrls, isLearner };
    const { invite, invitation, shape } = call;
    const context = encode(
      memberChangeSchema,
      memberChange({ id, raftAttributes, rule, maxLearners, invite, invitation, shape }),
    );
    // A change of the shape names no member, and Raft wants one.
    const changes = [{ type: typeOf(rule, isLearner), nodeId: rule === "shape" ? self : id }];
    return { id: changeId, transition: "auto", changes, context };
  }
}

function typeOf(rule: MemberChangeCall["rule"], isLearner: boolean): ConfChangeType {
  switch (rule) {
    case "add":
      return isLearner ? "add-learner" : "add-node";
    case "promote":
      return "add-node";
    case "remove":
      return "remove-node";
    case "update":
    case "invite":
    case "revoke":
    case "shape":
    case "none":
      return "update-node";
    default:
      return unreachable(rule);
  }
}

function callOf(payload: Uint8Array): MemberChangeCall | undefined {
  try {
    const call = decode(memberChangeCallSchema, payload);
    return call.rule === "none" || call.changeId === 0n ? undefined : call;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function responseOf(outcome: Outcome<MemberChangeAnswer>): Outcome<Uint8Array> {
  return outcome.ok ? { ok: true, value: encode(memberChangeAnswerSchema, outcome.value) } : outcome;
}
