/**
 * The package's `quorate/raft`: the consensus core alone. It does no I/O, reads no clock and returns no promise. Its
 * driver passes it ticks, messages and storage acknowledgements, and executes each `Ready`. raft.ts documents the
 * contract.
 */
export { Raft } from "../raft/raft.ts";
export type { RaftConfig } from "../raft/config.ts";
export { CompactedError } from "../raft/log/log-reader.ts";
export type { LogReader } from "../raft/log/log-reader.ts";
export type {
  Persist,
  ProgressStatus,
  BasicStatus,
  RaftStatus,
  ReadState,
  Ready,
  Role,
  SoftState,
} from "../raft/ready.ts";
export { Prng } from "../base/prng.ts";
export { decodeRaftMessage, encodeRaftMessage } from "../protocol/peer/raft-codec.ts";
export type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfState,
  Entry,
  EntryType,
  HardState,
  LogIndex,
  MemberId,
  RaftMessage,
  SnapshotMeta,
  Term,
} from "../protocol/peer/raft-message.ts";
