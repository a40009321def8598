/**
 * Who may send what: one row for each kind of frame, for each message of Raft and for each call. It is asked before
 * anything else looks at a frame, whatever carrier brought it, and what it refuses has no effect at all.
 *
 *   voter      The configuration names it, an entry of our log that is not applied yet adds it, or it is the leader that
 *              this member follows: one that is removed or demoted goes on leading until somebody takes over.
 *   learner    The same without a vote.
 *   successor  A member that may vote since an entry that this member does not have: it was frozen, or cut off, while the
 *              members were replaced one by one, and could never catch up if it believed nobody but those whom it knows
 *              (thesis, §4.1). Which those are is decided in peer-roles.ts.
 *   newcomer   No configuration names it, and nobody vouches for it. It may ask to be let in.
 *   former     It was removed. It may be told so when it speaks as if it still belonged to us.
 *
 * A successor may be a learner at the same time: one that was promoted by an entry that this member does not have.
 */
import { unreachable } from "../../base/assert.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { MemberId, RaftMessage, Term } from "../../protocol/peer/raft-message.ts";

export type Role = "voter" | "learner" | "successor" | "newcomer" | "former";

interface Rule {
  readonly from: readonly Role[];
  /** Whether a former member is told that it was removed. Default: it gets no answer. */
  readonly tells?: true;
}

/** Whoever belongs to the cluster. */
const MEMBERS: readonly Role[] = ["voter", "learner"];
const VOTERS: readonly Role[] = ["voter"];
/** Whoever may lead, or be elected. */
const LEADERS: readonly Role[] = ["voter", "successor"];
const NOBODY: readonly Role[] = [];

/** What stands here once for all messages of a frame is who may be told of its removal by them. */
export const FRAME_RULES: { readonly [Kind in FrameBody["type"]]: Rule } = {
  /** Each message by RAFT_RULES. */
  raft: { from: ["voter", "learner", "successor"], tells: true },
  "snapshot-chunk": { from: LEADERS },
  "snapshot-ack": { from: MEMBERS },
  join: { from: ["voter", "learner", "successor", "newcomer"], tells: true },
  /**
   * A successor's is taken by one that does not belong to the cluster yet, and "you were removed" not even then: by the
   * carrier's word alone nobody ends a member.
   */
  "join-response": { from: ["voter", "learner", "successor"] },
  ping: { from: MEMBERS },
  pong: { from: MEMBERS },
  goodbye: { from: MEMBERS },
  /** Each call by RPC_RULES. */
  rpc: { from: MEMBERS },
  "rpc-response": { from: MEMBERS },
  quiet: { from: VOTERS },
  wake: { from: MEMBERS, tells: true },
  "not-leading": { from: MEMBERS },
};

export const RAFT_RULES: { readonly [Type in RaftMessage["type"]]: readonly Role[] } = {
  append: LEADERS,
  "append-response": MEMBERS,
  vote: LEADERS,
  "vote-response": VOTERS,
  "pre-vote": LEADERS,
  "pre-vote-response": VOTERS,
  heartbeat: LEADERS,
  "heartbeat-response": MEMBERS,
  /** Announced by the chunks that bring it, and by nothing else. */
  snapshot: NOBODY,
  propose: MEMBERS,
  "read-index": MEMBERS,
  "read-index-response": VOTERS,
  "timeout-now": VOTERS,
  "transfer-leader": MEMBERS,
};

type RpcMethod = "cluster/change" | "hashkv" | "lease/remaining" | "lease/renew";

export const RPC_RULES: { readonly [Method in RpcMethod]: readonly Role[] } = {
  "cluster/change": MEMBERS,
  hashkv: MEMBERS,
  "lease/remaining": MEMBERS,
  "lease/renew": MEMBERS,
};

/**
 * A learner's term may be ahead: it was a voter lately, or voted when it was asked, and could not follow the leader that
 * does not come up with it. By so many terms it is believed; a term that somebody made up is further away.
 */
export const LEARNER_TERMS_AHEAD_MAX = 8;
/** Of a frame that is no more than a wish to be let in. */
export const NEWCOMER_FRAME_BYTES_MAX = 1024;

export interface Sender {
  readonly id: MemberId;
  readonly roles: readonly Role[];
}

export interface Receiver {
  readonly id: MemberId;
  readonly term: Term;
  /** It has found itself in its own log. */
  readonly belongs: boolean;
}

/**
 * Before the body is read. "take": the body decides. "tell": the sender is told that it was removed, and that is all.
 */
export function checkKind(kind: FrameBody["type"], bytes: number, { roles }: Sender): "take" | "tell" | "refuse" {
  const rule = FRAME_RULES[kind];
  if (roles.includes("former")) return rule.tells === true ? "tell" : "refuse";
  if (roles.includes("newcomer") && bytes > NEWCOMER_FRAME_BYTES_MAX) return "refuse";
  return allows(rule.from, roles) ? "take" : "refuse";
}

/** Of what `checkKind` has let pass: a frame is taken whole or not at all. */
export function checkBody(body: FrameBody, sender: Sender, receiver: Receiver): boolean {
  switch (body.type) {
    case "raft":
      return body.messages.every((message) => isMessageTaken(message, sender, receiver));
    case "snapshot-chunk":
      return body.message.from === sender.id && body.message.to === receiver.id;
    case "join":
      // Members hand on the wishes of others.
      return body.memberId !== 0n && (body.memberId === sender.id || allows(MEMBERS, sender.roles));
    case "join-response":
      return allows(MEMBERS, sender.roles) || (!receiver.belongs && body.refusal !== JOIN_REFUSALS.removed);
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

/** A call that has no row is answered that it is unknown, to members. */
function rpcRule(method: string): readonly Role[] {
  return Object.hasOwn(RPC_RULES, method) ? RPC_RULES[method as RpcMethod] : MEMBERS;
}

/** Whether a frame that was refused may come from a leader or a candidate of whom this member has not heard. */
export function maySpeakForSuccessors(kind: FrameBody["type"], { roles }: Sender): boolean {
  return (kind === "raft" || kind === "snapshot-chunk") && (roles.includes("newcomer") || roles.includes("learner"));
}

function isMessageTaken(message: RaftMessage, sender: Sender, receiver: Receiver): boolean {
  const { type, from, to, term } = message;
  if (from !== sender.id || to !== receiver.id || !allows(RAFT_RULES[type], sender.roles)) return false;
  return !sender.roles.includes("learner") || allows(LEADERS, sender.roles) || isNear(term, receiver.term);
}

function isNear(term: Term, own: Term): boolean {
  return term <= own + LEARNER_TERMS_AHEAD_MAX;
}

function allows(rule: readonly Role[], roles: readonly Role[]): boolean {
  return roles.some((role) => rule.includes(role));
}
