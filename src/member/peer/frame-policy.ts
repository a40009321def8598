/**
 * Rules for who may send what: one row for each kind of frame, for each Raft message and for each call. They are
 * checked before any other part sees a frame, for every transport. A rejected frame has no effect.
 *
 *   voter      The configuration names it, an entry of the own log that is not applied yet adds it, or it is the leader
 *              that this member follows: a removed or demoted leader keeps leading until a voter takes over.
 *   learner    The same without a vote.
 *   reader     A learner that was invited to read only. It takes part in replication, and asks for nothing that changes
 *              anything: no write, no lease kept alive, no change of members, nobody else's admission, no other leader.
 *   guest      In addition to voter or learner: it was invited, and lets nobody else in.
 *   successor  A member that may vote since an entry that this member does not have: this member was frozen or partitioned
 *              while the members were replaced one by one, and could never catch up if it trusted only the members that
 *              it knows (thesis, §4.1). peer-roles.ts decides which peers these are.
 *   newcomer   No configuration names it, and no member has named it. It may send a join request.
 *   former     It was removed. It may be informed of that when it acts as if it were still a member.
 *
 * A successor may be a learner at the same time: one that was promoted by an entry that this member does not have.
 */
import { unreachable } from "../../base/assert.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { MemberId, RaftMessage, Term } from "../../protocol/peer/raft-message.ts";

export type Role = "voter" | "learner" | "reader" | "guest" | "successor" | "newcomer" | "former";

interface Rule {
  readonly from: readonly Role[];
  /** True if a former member is informed of its removal. Default: it gets no response. */
  readonly notifies?: true;
}

/** Members of the cluster. */
const MEMBERS: readonly Role[] = ["voter", "learner"];
const ALL_MEMBERS: readonly Role[] = ["voter", "learner", "reader"];
const VOTERS: readonly Role[] = ["voter"];
const WITHOUT_VOTE: readonly Role[] = ["learner", "reader"];
/** Peers that may lead or be elected. */
const LEADERS: readonly Role[] = ["voter", "successor"];
const NOBODY: readonly Role[] = [];

/** Rules per kind of frame. `notifies` is set here once for all messages of a frame. */
export const FRAME_RULES: { readonly [Kind in FrameBody["type"]]: Rule } = {
  /** RAFT_RULES has the rule for each message. */
  raft: { from: ["voter", "learner", "reader", "successor"], notifies: true },
  "snapshot-chunk": { from: LEADERS },
  "snapshot-ack": { from: ALL_MEMBERS },
  join: { from: ["voter", "learner", "reader", "successor", "newcomer"], notifies: true },
  /**
   * Only a receiver that is not a member yet accepts it from a successor. It does not accept "you were removed" from
   * one: the transport's word alone must not stop a member.
   */
  "join-response": { from: ["voter", "learner", "successor"] },
  ping: { from: ALL_MEMBERS },
  pong: { from: ALL_MEMBERS },
  goodbye: { from: ALL_MEMBERS },
  /** RPC_RULES has the rule for each call. */
  rpc: { from: ALL_MEMBERS },
  /** Taken as the response to an own call only. */
  "rpc-response": { from: ALL_MEMBERS },
  quiet: { from: VOTERS },
  wake: { from: ALL_MEMBERS, notifies: true },
  "not-leading": { from: ALL_MEMBERS },
};

export const RAFT_RULES: { readonly [Type in RaftMessage["type"]]: readonly Role[] } = {
  append: LEADERS,
  "append-response": ALL_MEMBERS,
  vote: LEADERS,
  "vote-response": VOTERS,
  "pre-vote": LEADERS,
  "pre-vote-response": VOTERS,
  heartbeat: LEADERS,
  "heartbeat-response": ALL_MEMBERS,
  /** Snapshots arrive only as chunks, never as a message. */
  snapshot: NOBODY,
  propose: MEMBERS,
  "read-index": ALL_MEMBERS,
  "read-index-response": VOTERS,
  "timeout-now": VOTERS,
  "transfer-leader": MEMBERS,
};

type RpcMethod = "cluster/change" | "hashkv" | "lease/remaining" | "lease/renew";

export const RPC_RULES: { readonly [Method in RpcMethod]: readonly Role[] } = {
  "cluster/change": MEMBERS,
  hashkv: ALL_MEMBERS,
  "lease/remaining": ALL_MEMBERS,
  "lease/renew": MEMBERS,
};

/**
 * How far a learner's term may be ahead. It may have been a voter recently, or have voted on request, and then cannot
 * follow a leader of a lower term. A higher term than this counts as forged.
 */
export const LEARNER_TERMS_AHEAD_MAX = 8;
/** Largest frame of a newcomer. It contains no more than a join request. */
export const NEWCOMER_FRAME_BYTES_MAX = 1024;

export interface Sender {
  readonly id: MemberId;
  readonly roles: readonly Role[];
}

export interface Receiver {
  readonly id: MemberId;
  readonly term: Term;
  /** True if this member has found itself in its own log. */
  readonly belongs: boolean;
  /** True if a leader was heard recently, or if the receiver is quiesced. */
  readonly hearsLeader: boolean;
}

/**
 * Checks a frame before its body is read. "take": `checkBody` decides. "notify": the frame is dropped, and the sender is
 * informed of its removal. "refuse": the frame is dropped.
 */
export function checkKind(kind: FrameBody["type"], bytes: number, { roles }: Sender): "take" | "notify" | "refuse" {
  const rule = FRAME_RULES[kind];
  if (roles.includes("former")) return rule.notifies === true ? "notify" : "refuse";
  if (roles.includes("newcomer") && bytes > NEWCOMER_FRAME_BYTES_MAX) return "refuse";
  return allows(rule.from, roles) ? "take" : "refuse";
}

/** Checks the body of a frame that `checkKind` let pass. A frame is accepted whole or not at all. */
export function checkBody(body: FrameBody, sender: Sender, receiver: Receiver): boolean {
  switch (body.type) {
    case "raft":
      return body.messages.every((message) => isMessageTaken(message, sender, receiver));
    case "snapshot-chunk":
      return body.message.from === sender.id && body.message.to === receiver.id;
    case "join":
      // Members forward the join requests of others. One that was invited cannot tell whom it may.
      return body.memberId !== 0n && (body.memberId === sender.id || forwards(sender.roles));
    case "join-response":
      return isJoinResponseTaken(body.refusal, sender, receiver);
    case "rpc":
      return allows(rpcRule(body.method), sender.roles);
    case "snapshot-ack":
    case "ping":
    case "pong":
    case "goodbye":
    case "rpc-response":
    case "quiet":
    case "wake":
    case "not-leading":
      return true;
    default:
      return unreachable(body);
  }
}

/**
 * A join-response can end the receiver, or make its sender a voter. So a learner's is taken only if no voter can say better:
 * if the receiver hears no leader, or does not belong yet.
 */
function isJoinResponseTaken(refusal: string, { roles }: Sender, { belongs, hearsLeader }: Receiver): boolean {
  if (allows(VOTERS, roles)) return true;
  if (allows(MEMBERS, roles)) return !belongs || !hearsLeader;
  return !belongs && refusal !== JOIN_REFUSALS.removed;
}

/** A call without a row gets the response "unknown method", for members only. */
function rpcRule(method: string): readonly Role[] {
  return Object.hasOwn(RPC_RULES, method) ? RPC_RULES[method as RpcMethod] : MEMBERS;
}

/** True if a rejected frame may come from a leader or candidate that this member does not know. */
export function maySpeakForSuccessors(kind: FrameBody["type"], { roles }: Sender): boolean {
  return (kind === "raft" || kind === "snapshot-chunk") && (roles.includes("newcomer") || roles.includes("learner"));
}

function isMessageTaken(message: RaftMessage, sender: Sender, receiver: Receiver): boolean {
  const { type, from, to, term } = message;
  if (from !== sender.id || to !== receiver.id || !allows(RAFT_RULES[type], sender.roles)) return false;
  // It could change the members itself, and invite whom it likes.
  if (type === "propose" && sender.roles.includes("guest")) {
    if (message.entries.some((entry) => entry.type === "conf-change")) return false;
  }
  return !allows(WITHOUT_VOTE, sender.roles) || allows(LEADERS, sender.roles) || isNear(term, receiver.term);
}

function forwards(roles: readonly Role[]): boolean {
  return allows(MEMBERS, roles) && !roles.includes("guest");
}

function isNear(term: Term, own: Term): boolean {
  return term <= own + LEARNER_TERMS_AHEAD_MAX;
}

function allows(rule: readonly Role[], roles: readonly Role[]): boolean {
  return roles.some((role) => rule.includes(role));
}
