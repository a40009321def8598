/** The frames that an attacker sends: at least one for each row of the tables of frame-policy.ts, made to do harm. */
import { utf8Encode } from "../../src/base/utf8.ts";
import type { RPC_RULES } from "../../src/member/peer/frame-policy.ts";
import { encodeMember } from "../../src/member/membership/membership.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import type { FrameBody } from "../../src/protocol/peer/frame-schema.ts";
import { internalRaftRequestSchema } from "../../src/protocol/peer/internal-schema.ts";
import { putRequest } from "../../src/protocol/api/kv.ts";
import { memberChangeCall, memberChangeCallSchema } from "../../src/protocol/peer/member-change-schema.ts";
import { encode } from "../../src/protocol/codec/proto-codec.ts";
import type { ConfState, Entry, RaftMessage } from "../../src/protocol/peer/raft-message.ts";
import { encodeChange } from "../../src/raft/conf-change/conf-change-entry.ts";

export interface Forgery {
  /** As in the tables: "wake", "raft/append", "rpc/hashkv". A suffix after a space distinguishes variants. */
  readonly name: string;
  readonly body: FrameBody;
}

/** What the attacker knows of its victim. */
export interface Victim {
  readonly id: bigint;
  readonly clusterId: bigint;
  readonly term: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly confState: ConfState;
}

const NOTHING = new Uint8Array(0);
/** No simulated cluster reaches it by itself. */
export const FORGED_TERMS_AHEAD = 1_000;
export const FORGED_KEY = "forged";
export const FORGED_ID = 666n;
export const FORGED_CHANGE_ID = 9n;

/** All frames that `from` could send to the victim if it were entitled to. */
export function forgedFrames(from: bigint, victim: Victim): readonly Forgery[] {
  return [...frames(from, victim), ...raftFrames(from, victim), ...rpcFrames(victim)];
}

const NO_PROOFS = { key: NOTHING, invitation: NOTHING };

function frames(from: bigint, victim: Victim): readonly Forgery[] {
  const { clusterId, id, term, lastIndex, confState } = victim;
  const evil = memberRecord({ id: FORGED_ID, name: "evil" });
  const snapshot = { index: lastIndex + 1_000, term: term + FORGED_TERMS_AHEAD, confState };
  const message = { type: "snapshot", from, to: id, term: term + FORGED_TERMS_AHEAD, snapshot } as const;
  const bodies: { readonly [Kind in Exclude<FrameBody["type"], "raft" | "rpc">]: readonly FrameBody[] } = {
    "snapshot-chunk": [{ type: "snapshot-chunk", transferId: 1, message, seq: 0, last: true, data: NOTHING }],
    "snapshot-ack": [{ type: "snapshot-ack", transferId: 1, nextSeq: 0 }],
    join: [
      { type: "join", memberId: from, name: "me", ...NO_PROOFS },
      { type: "join", memberId: FORGED_ID, name: "another one", ...NO_PROOFS },
      { type: "join", memberId: 0n, name: "nobody", ...NO_PROOFS },
    ],
    "join-response": [
      { type: "join-response", refusal: "removed", clusterId, members: [evil] },
      { type: "join-response", refusal: "", clusterId, members: [evil] },
      { type: "join-response", refusal: "full", clusterId, members: [] },
    ],
    ping: [{ type: "ping", nonce: 1 }],
    pong: [{ type: "pong", nonce: 1 }],
    goodbye: [{ type: "goodbye" }],
    "rpc-response": [{ type: "rpc-response", id: 1, code: 0, message: "", payload: NOTHING }],
    quiet: [{ type: "quiet", term, index: lastIndex }],
    wake: [{ type: "wake" }],
    "not-leading": [{ type: "not-leading" }],
  };
  return Object.entries(bodies).flatMap(([name, variants]) =>
    variants.map((body, at) => ({ name: at === 0 ? name : `${name} ${at}`, body })),
  );
}

function raftFrames(from: bigint, victim: Victim): readonly Forgery[] {
  const base = { from, to: victim.id, term: victim.term };
  const ahead = { ...base, term: victim.term + FORGED_TERMS_AHEAD };
  const forged = [...messages(base, victim), ...messages(ahead, victim)];
  const named = forged.map((message): Forgery => {
    const variant = message.term === victim.term ? "" : " ahead";
    return { name: `raft/${message.type}${variant}`, body: { type: "raft", messages: [message] } };
  });
  // Hidden after a harmless one, and in the name of another member.
  const harmless: RaftMessage = { ...base, type: "heartbeat-response", context: NOTHING };
  const hidden = forged.map((message): Forgery => {
    return { name: `raft/${message.type} hidden`, body: { type: "raft", messages: [harmless, message] } };
  });
  return [...named, ...hidden];
}

function messages(base: Pick<RaftMessage, "from" | "to" | "term">, victim: Victim): readonly RaftMessage[] {
  const { lastIndex, lastTerm } = victim;
  const { term } = base;
  const append = { type: "append", prevIndex: lastIndex, prevTerm: lastTerm, commit: lastIndex + 1 } as const;
  const forged: { readonly [Type in RaftMessage["type"]]: RaftMessage } = {
    append: { ...base, ...append, entries: [{ ...putEntry(), index: lastIndex + 1, term }] },
    "append-response": { ...base, type: "append-response", index: 0, reject: false, rejectHint: 0, hintTerm: 0 },
    vote: { ...base, type: "vote", lastIndex: lastIndex + 1, lastTerm: Math.max(0, term - 1), transfer: true },
    "vote-response": { ...base, type: "vote-response", reject: true },
    "pre-vote": {
      ...base,
      type: "pre-vote",
      lastIndex: lastIndex + 1,
      lastTerm: Math.max(0, term - 1),
      transfer: true,
    },
    "pre-vote-response": { ...base, type: "pre-vote-response", reject: true },
    heartbeat: { ...base, type: "heartbeat", commit: lastIndex, context: NOTHING },
    "heartbeat-response": { ...base, type: "heartbeat-response", context: NOTHING },
    snapshot: { ...base, type: "snapshot", snapshot: { index: lastIndex + 9, term, confState: victim.confState } },
    propose: { ...base, type: "propose", session: 1, sequence: 1, entries: [putEntry(), removalEntry(victim)] },
    "read-index": { ...base, type: "read-index", context: utf8Encode("read") },
    "read-index-response": { ...base, type: "read-index-response", context: utf8Encode("read"), index: 1 },
    "timeout-now": { ...base, type: "timeout-now", lastIndex: 0, lastTerm: 0 },
    "transfer-leader": { ...base, type: "transfer-leader", transferee: victim.confState.voters[1] ?? 2n },
  };
  return Object.values(forged);
}

function rpcFrames({ id }: Victim): readonly Forgery[] {
  const change = memberChangeCall({ changeId: FORGED_CHANGE_ID, rule: "remove", memberId: id });
  const payloads: { readonly [Method in keyof typeof RPC_RULES]: Uint8Array } = {
    "cluster/change": encode(memberChangeCallSchema, change),
    hashkv: NOTHING,
    "lease/remaining": NOTHING,
    "lease/renew": NOTHING,
  };
  return [...Object.entries(payloads), ["constructor", NOTHING] as const].map(([method, payload]) => ({
    name: `rpc/${method}`,
    body: { type: "rpc", id: 1, method, payload },
  }));
}

function putEntry(): Entry {
  const request = {
    type: "put",
    put: putRequest({ key: utf8Encode(FORGED_KEY), value: utf8Encode(FORGED_KEY) }),
  } as const;
  const header = { id: FORGED_ID, username: "root", authRevision: 1 };
  return { type: "normal", term: 0, index: 0, data: encode(internalRaftRequestSchema, { header, request }) };
}

function removalEntry({ id }: Victim): Entry {
  const changes = [{ type: "remove-node", nodeId: id } as const];
  const context = encodeMember(memberRecord({ id }));
  return {
    type: "conf-change",
    term: 0,
    index: 0,
    data: encodeChange({ id: 1n, transition: "auto", changes, context }),
  };
}
