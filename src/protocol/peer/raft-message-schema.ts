/**
 * The tables of Raft's messages and records, with the field numbers of etcd's raft.proto. Differences from etcd:
 *
 * - a read index has its context in `context` (etcd: in an entry);
 * - a leader transfer has its transferee in `vote` (etcd: in `from`);
 * - a request to campaign has the end of the leader's log in `index` and `logTerm` (etcd: none);
 * - a proposal has its session in `logTerm` and its sequence number in `index` (etcd: none);
 * - a configuration change has its proposer's request id in field 4.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfState,
  Entry,
  EntryType,
  HardState,
  RaftMessage,
  SnapshotMeta,
} from "./raft-message.ts";
import { always, bool, bytes, closedEnum, id, message, openEnum, optional, repeated, uint } from "../codec/schema.ts";
import type { Schema } from "../codec/schema.ts";

const NO_CONF: ConfState = { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };

export const entrySchema: Schema<Entry> = message<Entry>(
  "raftpb.Entry",
  () => ({ type: "normal", term: 0, index: 0, data: EMPTY_BYTES }),
  {
    // Value 1 is etcd's first form of a configuration change, which no member here writes.
    type: closedEnum<EntryType>(1, "Type", ["normal", undefined, "conf-change"]),
    term: uint(2, "Term"),
    index: uint(3, "Index"),
    data: bytes(4, "Data"),
  },
);

interface EntryList {
  readonly entries: readonly Entry[];
}

export const entryListSchema: Schema<EntryList> = message<EntryList>("quorate.EntryList", () => ({ entries: [] }), {
  entries: repeated(always(1, "entries", () => entrySchema)),
});

export const hardStateSchema: Schema<HardState> = message<HardState>(
  "raftpb.HardState",
  () => ({ term: 0, vote: 0n, commit: 0 }),
  { term: uint(1, "term"), vote: id(2, "vote", "unsigned"), commit: uint(3, "commit") },
);

export const confStateSchema: Schema<ConfState> = message<ConfState>(
  "raftpb.ConfState",
  () => ({ ...NO_CONF, voters: [], learners: [], votersOutgoing: [], learnersNext: [] }),
  {
    voters: repeated(id(1, "voters", "unsigned")),
    learners: repeated(id(2, "learners", "unsigned")),
    votersOutgoing: repeated(id(3, "voters_outgoing", "unsigned")),
    learnersNext: repeated(id(4, "learners_next", "unsigned")),
    autoLeave: bool(5, "auto_leave"),
  },
);

export const snapshotMetaSchema: Schema<SnapshotMeta> = message<SnapshotMeta>(
  "raftpb.SnapshotMetadata",
  () => ({ index: 0, term: 0, confState: confStateSchema.create() }),
  { confState: always(1, "conf_state", () => confStateSchema), index: uint(2, "index"), term: uint(3, "term") },
);

export const confChangeSingleSchema: Schema<ConfChangeSingle> = message<ConfChangeSingle>(
  "raftpb.ConfChangeSingle",
  () => ({ type: "add-node", nodeId: 0n }),
  {
    type: closedEnum<ConfChangeType>(1, "type", ["add-node", "remove-node", "update-node", "add-learner"]),
    nodeId: id(2, "node_id", "unsigned"),
  },
);

export const confChangeSchema: Schema<ConfChange> = message<ConfChange>(
  "raftpb.ConfChangeV2",
  () => ({ id: 0n, transition: "auto", changes: [], context: EMPTY_BYTES }),
  {
    transition: closedEnum<ConfChangeTransition>(1, "transition", ["auto", "joint-implicit", "joint-explicit"]),
    changes: repeated(always(2, "changes", () => confChangeSingleSchema)),
    context: bytes(3, "context"),
    id: id(4, "id", "unsigned"),
  },
);

interface WireSnapshot {
  readonly metadata: SnapshotMeta;
}

const wireSnapshotSchema: Schema<WireSnapshot> = message<WireSnapshot>(
  "raftpb.Snapshot",
  () => ({ metadata: snapshotMetaSchema.create() }),
  { metadata: always(2, "metadata", () => snapshotMetaSchema) },
);

/** `raftpb.Message` as it is, before its kind is known. */
export interface RaftWire {
  readonly type: RaftMessage["type"] | UnusedType | number;
  readonly to: bigint;
  readonly from: bigint;
  readonly term: number;
  readonly logTerm: number;
  readonly index: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
  readonly snapshot: WireSnapshot | undefined;
  readonly reject: boolean;
  readonly rejectHint: number;
  readonly context: Uint8Array;
  readonly vote: bigint;
}

/** etcd's kinds that never leave a member. */
type UnusedType = "hup" | "beat" | "unreachable" | "snap-status" | "check-quorum";

/** The index of a name is its number in `raftpb.MessageType`. */
const TYPES = [
  "hup",
  "beat",
  "propose",
  "append",
  "append-response",
  "vote",
  "vote-response",
  "snapshot",
  "heartbeat",
  "heartbeat-response",
  "unreachable",
  "snap-status",
  "check-quorum",
  "transfer-leader",
  "timeout-now",
  "read-index",
  "read-index-response",
  "pre-vote",
  "pre-vote-response",
] as const;

export function raftWire(set: Pick<RaftWire, "type" | "from" | "to" | "term"> & Partial<RaftWire>): RaftWire {
  return {
    logTerm: 0,
    index: 0,
    entries: [],
    commit: 0,
    snapshot: undefined,
    reject: false,
    rejectHint: 0,
    context: EMPTY_BYTES,
    vote: 0n,
    ...set,
  };
}

export const raftWireSchema: Schema<RaftWire> = message<RaftWire>(
  "raftpb.Message",
  () => raftWire({ type: "hup", from: 0n, to: 0n, term: 0 }),
  {
    type: openEnum<RaftWire["type"]>(1, "type", TYPES),
    to: id(2, "to", "unsigned"),
    from: id(3, "from", "unsigned"),
    term: uint(4, "term"),
    logTerm: uint(5, "logTerm"),
    index: uint(6, "index"),
    entries: repeated(always(7, "entries", () => entrySchema)),
    commit: uint(8, "commit"),
    snapshot: optional(9, "snapshot", () => wireSnapshotSchema),
    reject: bool(10, "reject"),
    rejectHint: uint(11, "rejectHint"),
    context: bytes(12, "context"),
    vote: id(13, "vote", "unsigned"),
  },
);
