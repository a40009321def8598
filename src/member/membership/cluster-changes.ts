/**
 * Membership changes requested by operators, from the call to its response.
 *
 *     any member ── rpc ──► leader: rules, then one proposal at a time ──► log ──► validated again, applied everywhere
 *         ▲                                                                              │
 *         └───────────────────────────── applied here, too ◄─────────────────────────────┘
 *
 * The leader checks etcd's strict rules, because it alone sees which members are connected and how far they are. etcd
 * checks them on the member that received the call, and forwards only promotions. A call that is sent again (its leader
 * was lost) has the same change id, and the log applies it once (membership.ts). Uses callbacks only, so that the
 * simulator can run it.
 */
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import { EtcdError, errNoLeader, errStopped, errTimeout, errUnhealthy } from "../../protocol/errors.ts";
import type { Invite } from "../../protocol/peer/invitations-schema.ts";
import {
  memberChangeAnswerSchema,
  memberChangeCall,
  memberChangeCallSchema,
} from "../../protocol/peer/member-change-schema.ts";
import type { ChangeRule, MemberChangeAnswer, MemberChangeCall } from "../../protocol/peer/member-change-schema.ts";
import type { ClusterShape } from "../../protocol/peer/cluster-shape-schema.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { ConfChange, MemberId } from "../../protocol/peer/raft-message.ts";
import { errReadOnlyMember } from "../../protocol/invitation-errors.ts";
import { CHANGE_METHOD, ChangeQueue } from "./change-queue.ts";
import type { ChangeQueueHost } from "./change-queue.ts";
import { Connections } from "./connections.ts";
import type { Membership } from "./membership.ts";
import type { Outcome } from "../outcome.ts";
import type { Rpc } from "../peer/rpc.ts";

/** Result of validating a change from the log (membership.ts). */
export type ChangeValidation = ReturnType<Membership["validate"]>;

export type ChangeCallback = (outcome: Outcome<MemberChangeAnswer>) => void;

export interface ClusterChangesHost extends Omit<ChangeQueueHost, "connections"> {
  readonly rpc: Rpc;
  /** 0 if none is known. */
  readonly leader: () => MemberId;
  readonly newChangeId: () => bigint;
  /** Ends quiescence and sends pending calls to the leader. */
  readonly wake: () => void;
  readonly electionTicks: number;
  readonly tickMs: number;
}

interface Call {
  readonly request: MemberChangeCall;
  readonly done: ChangeCallback;
  readonly sinceMs: number;
  /**
   * The leader's response. It is held back until the change is applied here (at most 1 s), so that the caller's next
   * read from this member sees the change.
   */
  response: MemberChangeAnswer | undefined;
  untilMs: number;
  /** True if a leader was known meanwhile. The request may have been executed, so its outcome is unknown. */
  wasSent: boolean;
}

const APPLIED_HERE_WITHIN_MS = 1_000;

export class ClusterChanges {
  readonly #host: ClusterChangesHost;
  readonly #connections: Connections;
  readonly #queue: ChangeQueue;
  readonly #calls: Map<bigint, Call> = new Map();

  constructor(host: ClusterChangesHost) {
    this.#host = host;
    this.#connections = new Connections(host.electionTicks, host.tickMs);
    this.#queue = new ChangeQueue({ ...host, connections: this.#connections });
    host.rpc.handle(CHANGE_METHOD, (payload, done, from) => this.#queue.take(payload, done, from));
  }

  /** Calls of this member, and calls that it serves as the leader. */
  get pending(): number {
    return this.#calls.size + this.#queue.pending;
  }

  add(peerUrls: readonly string[], isLearner: boolean, done: ChangeCallback): void {
    this.#call({ rule: "add", peerUrls, isLearner }, done);
  }

  remove(id: MemberId, done: ChangeCallback): void {
    this.#call({ rule: "remove", memberId: id }, done);
  }

  update(id: MemberId, peerUrls: readonly string[], done: ChangeCallback): void {
    this.#call({ rule: "update", memberId: id, peerUrls }, done);
  }

  promote(id: MemberId, done: ChangeCallback): void {
    this.#call({ rule: "promote", memberId: id }, done);
  }

  /** Makes an invitation to a room. */
  invite(invite: Invite, done: ChangeCallback): void {
    this.#call({ rule: "invite", memberId: this.#host.id, invite }, done);
  }

  revokeInvitation(invitation: Uint8Array, done: ChangeCallback): void {
    this.#call({ rule: "revoke", memberId: this.#host.id, invitation }, done);
  }

  /** Who votes from now on. The leader promotes and demotes accordingly. */
  reshape(shape: ClusterShape, done: ChangeCallback): void {
    this.#call({ rule: "shape", shape }, done);
  }

  // ── called by the member ───────────────────────────────────────────────────────────────────────────────────────────

  recordContact(from: MemberId): void {
    this.#connections.recordContact(from);
  }

  tick(): void {
    this.#connections.tick();
    this.#queue.tick();
    if (this.#calls.size > 0) this.#checkCalls();
  }

  leaderChanged(leader: MemberId): void {
    if (leader === this.#host.id) this.#connections.begin();
    else this.#queue.leadsNoMore();
    if (leader !== 0n) for (const call of this.#calls.values()) call.wasSent = true;
  }

  /**
   * Completes the call whose change was applied. Exception: a leader's own removal is completed in `stop`, after
   * another member confirmed it. Until then only this member may know of it.
   */
  applied(change: ConfChange, validation: ChangeValidation): void {
    const { id: self, status } = this.#host;
    const isOwnEnd = change.changes.some(({ type, nodeId }) => type === "remove-node" && nodeId === self);
    if (validation === "apply" && isOwnEnd && status().role === "leader") return;
    const outcome = this.#outcome(change.id, validation);
    this.#queue.applied(change.id, outcome);
    this.#settle(change.id, outcome);
  }

  /**
   * Fails all calls. If another member has confirmed this member's removal, a call that requested that removal
   * succeeds.
   */
  stop(wasRemoved: boolean): void {
    this.#queue.leadsNoMore();
    for (const [changeId, { request, response }] of this.#calls) {
      const isOwnEnd = wasRemoved && request.rule === "remove" && request.memberId === this.#host.id;
      const members = this.#others();
      const value = response ?? (isOwnEnd ? { memberId: request.memberId, members } : undefined);
      this.#settle(changeId, value === undefined ? { ok: false, error: errStopped } : { ok: true, value });
    }
  }

  // ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #call(
    change: Partial<MemberChangeCall> & { readonly rule: Exclude<ChangeRule, "none"> },
    done: ChangeCallback,
  ): void {
    const { id, membership, rpc, leader, newChangeId, nowMs, timeoutMs, wake } = this.#host;
    // Nobody would take it.
    if (membership().guest(id)?.role === "reader") return done({ ok: false, error: errReadOnlyMember });
    const changeId = newChangeId();
    const request = memberChangeCall({ ...change, changeId });
    const sinceMs = nowMs();
    const untilMs = sinceMs + timeoutMs;
    this.#calls.set(changeId, { request, done, sinceMs, response: undefined, untilMs, wasSent: leader() !== 0n });
    rpc.callLeader(CHANGE_METHOD, encode(memberChangeCallSchema, request), (outcome) =>
      this.#onResponse(changeId, outcome),
    );
    wake();
  }

  #onResponse(changeId: bigint, outcome: Outcome<Uint8Array>): void {
    const call = this.#calls.get(changeId);
    if (call === undefined) return;
    if (!outcome.ok) return this.#settle(changeId, outcome);
    call.response = decode(memberChangeAnswerSchema, outcome.value);
    call.untilMs = this.#host.nowMs() + APPLIED_HERE_WITHIN_MS;
  }

  #checkCalls(): void {
    const nowMs = this.#host.nowMs();
    const { electionTicks, tickMs } = this.#host;
    for (const [changeId, { request, response, sinceMs, untilMs, wasSent }] of this.#calls) {
      if (untilMs <= nowMs) {
        this.#settle(
          changeId,
          response === undefined ? { ok: false, error: errTimeout } : { ok: true, value: response },
        );
      } else if (!wasSent && nowMs - sinceMs > 2 * electionTicks * tickMs) {
        const error = this.#withoutLeader(request);
        if (error !== undefined) this.#settle(changeId, { ok: false, error });
      }
    }
  }

  /**
   * Returns the error that etcd returns at once without a leader and without a quorum. Undefined: the call stays
   * pending and times out.
   */
  #withoutLeader({ rule, memberId }: MemberChangeCall): EtcdError | undefined {
    if (rule === "promote") return errNoLeader;
    const voters = this.#host.membership().members.filter(({ isLearner }) => !isLearner);
    const isThere = (id: MemberId): boolean => id === this.#host.id || this.#connections.of(id) !== "down";
    const hasQuorum = voters.filter(({ id }) => isThere(id)).length > Math.floor(voters.length / 2);
    if (hasQuorum || rule === "update" || rule === "shape") return undefined;
    return rule === "remove" && !isThere(memberId) ? undefined : errUnhealthy;
  }

  #outcome(changeId: bigint, validation: ChangeValidation): Outcome<MemberChangeAnswer> {
    if (validation instanceof EtcdError) return { ok: false, error: validation };
    const membership = this.#host.membership();
    return { ok: true, value: { memberId: membership.recentlyMade(changeId) ?? 0n, members: membership.members } };
  }

  #others(): readonly MemberRecord[] {
    return this.#host.membership().members.filter(({ id }) => id !== this.#host.id);
  }

  #settle(changeId: bigint, outcome: Outcome<MemberChangeAnswer>): void {
    const call = this.#calls.get(changeId);
    if (call === undefined) return;
    this.#calls.delete(changeId);
    call.done(outcome);
  }
}
