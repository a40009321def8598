/**
 * Encodes Raft's messages and records. On the wire all messages are etcd's `raftpb.Message`. `toWire` and `fromWire`
 * alone define which of its fields a message uses, and for what.
 */
import { unreachable } from "../../base/assert.ts";
import { EMPTY_BYTES, equalBytes } from "../../base/bytes.ts";
import { utf8Encode } from "../../base/utf8.ts";
import { DecodeError } from "../decode-error.ts";
import { decode, encode } from "../codec/proto-codec.ts";
import type { DecodeOptions } from "../codec/proto-codec.ts";
import {
  confChangeSchema,
  confStateSchema,
  entryListSchema,
  entrySchema,
  hardStateSchema,
  raftWire,
  raftWireSchema,
  snapshotMetaSchema,
} from "./raft-message-schema.ts";
import type { RaftWire } from "./raft-message-schema.ts";
import type { Entry, ConfState, SnapshotMeta, HardState, ConfChange, RaftMessage } from "./raft-message.ts";

/** Encodes a message as bytes. */
export function encodeRaftMessage(raftMessage: RaftMessage): Uint8Array {
  return encode(raftWireSchema, toWire(raftMessage));
}

/** Decodes a message. Throws for bytes that are none. */
export function decodeRaftMessage(input: Uint8Array, options?: DecodeOptions): RaftMessage {
  return fromWire(decode(raftWireSchema, input, options));
}

export function encodeEntry(entry: Entry): Uint8Array {
  return encode(entrySchema, entry);
}

export function decodeEntry(input: Uint8Array, options?: DecodeOptions): Entry {
  return decode(entrySchema, input, options);
}

/** Encodes several entries in one value, for stores that are billed by the row. */
export function encodeEntries(entries: readonly Entry[]): Uint8Array {
  return encode(entryListSchema, { entries });
}

export function decodeEntries(input: Uint8Array, options?: DecodeOptions): readonly Entry[] {
  return decode(entryListSchema, input, options).entries;
}

export function encodeHardState(hardState: HardState): Uint8Array {
  return encode(hardStateSchema, hardState);
}

export function decodeHardState(input: Uint8Array): HardState {
  return decode(hardStateSchema, input);
}

export function encodeConfState(confState: ConfState): Uint8Array {
  return encode(confStateSchema, confState);
}

export function decodeConfState(input: Uint8Array): ConfState {
  return decode(confStateSchema, input);
}

export function encodeSnapshotMeta(meta: SnapshotMeta): Uint8Array {
  return encode(snapshotMetaSchema, meta);
}

export function decodeSnapshotMeta(input: Uint8Array): SnapshotMeta {
  return decode(snapshotMetaSchema, input);
}

export function encodeConfChange(change: ConfChange): Uint8Array {
  return encode(confChangeSchema, change);
}

export function decodeConfChange(input: Uint8Array, options?: DecodeOptions): ConfChange {
  return decode(confChangeSchema, input, options);
}

/** etcd's mark of an election that the leader requested. */
const CAMPAIGN_TRANSFER = utf8Encode("CampaignTransfer");

export function toWire(m: RaftMessage): RaftWire {
  const { type, from, to, term } = m;
  const base = { type, from, to, term };
  switch (m.type) {
    case "append":
      return raftWire({
        ...base,
        index: m.prevIndex,
        logTerm: m.prevTerm,
        entries: m.entries,
        commit: m.commit,
        rejectHint: m.run ?? 0,
      });
    case "append-response":
      return raftWire({ ...base, index: m.index, reject: m.reject, rejectHint: m.rejectHint, logTerm: m.hintTerm });
    case "vote":
    case "pre-vote":
      return raftWire({
        ...base,
        index: m.lastIndex,
        logTerm: m.lastTerm,
        context: m.transfer ? CAMPAIGN_TRANSFER : EMPTY_BYTES,
      });
    case "vote-response":
    case "pre-vote-response":
      return raftWire({ ...base, reject: m.reject });
    case "heartbeat":
      return raftWire({ ...base, commit: m.commit, context: m.context, rejectHint: m.run ?? 0 });
    case "heartbeat-response":
    case "read-index":
      return raftWire({ ...base, context: m.context });
    case "snapshot":
      return raftWire({ ...base, snapshot: { metadata: m.snapshot }, rejectHint: m.run ?? 0 });
    case "propose":
      return raftWire({
        ...base,
        entries: m.entries,
        logTerm: m.session,
        index: m.sequence,
        rejectHint: m.run ?? 0,
      });
    case "read-index-response":
      return raftWire({ ...base, context: m.context, index: m.index });
    case "timeout-now":
      return raftWire({ ...base, index: m.lastIndex, logTerm: m.lastTerm });
    case "transfer-leader":
      return raftWire({ ...base, vote: m.transferee });
    default:
      return unreachable(m);
  }
}

export function fromWire(w: RaftWire): RaftMessage {
  const { type, from, to, term, index, context } = w;
  const base = { from, to, term };
  switch (type) {
    case "append":
      checkRun(w);
      return {
        ...base,
        type,
        prevIndex: index,
        prevTerm: w.logTerm,
        entries: w.entries,
        commit: w.commit,
        ...runOf(w),
      };
    case "append-response":
      return { ...base, type, index, reject: w.reject, rejectHint: w.rejectHint, hintTerm: w.logTerm };
    case "vote":
    case "pre-vote": {
      const transfer = equalBytes(context, CAMPAIGN_TRANSFER);
      return { ...base, type, lastIndex: index, lastTerm: w.logTerm, transfer };
    }
    case "vote-response":
    case "pre-vote-response":
      return { ...base, type, reject: w.reject };
    case "heartbeat":
      return { ...base, type, commit: w.commit, context, ...runOf(w) };
    case "heartbeat-response":
    case "read-index":
      return { ...base, type, context };
    case "snapshot":
      if (w.snapshot === undefined) throw new DecodeError("raft: a snapshot message without a snapshot");
      return { ...base, type, snapshot: w.snapshot.metadata, ...runOf(w) };
    case "propose":
      return { ...base, type, session: w.logTerm, sequence: index, entries: w.entries, ...runOf(w) };
    case "read-index-response":
      return { ...base, type, context, index };
    case "timeout-now":
      return { ...base, type, lastIndex: index, lastTerm: w.logTerm };
    case "transfer-leader":
      return { ...base, type, transferee: w.vote };
    case "hup":
    case "beat":
    case "unreachable":
    case "snap-status":
    case "check-quorum":
    default:
      throw new DecodeError(`raft: a message of type ${type}`);
  }
}

/** etcd's messages have no field for it. Members that do not know it skip what stands in this one. */
function runOf({ rejectHint }: RaftWire): { readonly run?: number } {
  return rejectHint === 0 ? {} : { run: rejectHint };
}

/**
 * Checks that the entries of an append follow each other and its previous index, and that their terms never decrease.
 */
function checkRun(w: RaftWire): void {
  let index = w.index;
  let term = w.logTerm;
  for (const entry of w.entries) {
    if (entry.index !== index + 1) throw new DecodeError(`raft: entry ${entry.index} after ${index}`);
    if (entry.term < term) throw new DecodeError(`raft: an entry of term ${entry.term} after one of term ${term}`);
    index = entry.index;
    term = entry.term;
  }
  if (term > w.term) throw new DecodeError(`raft: an entry of term ${term} in a message of term ${w.term}`);
}
