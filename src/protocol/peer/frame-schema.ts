/**
 * The bodies of frames and their tables. The field numbers are ours. A change of one requires a new PROTOCOL_VERSION.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { memberSchema } from "../api/schema/cluster-schema.ts";
import type { Member } from "../api/cluster.ts";
import type { RaftMessage, SnapshotMessage } from "./raft-message.ts";
import { raftWireSchema } from "./raft-message-schema.ts";
import type { RaftWire } from "./raft-message-schema.ts";
import { always, bool, bytes, id, message, repeated, string, uint, uint32 } from "../codec/schema.ts";
import type { Schema } from "../codec/schema.ts";

/** A piece of a snapshot's data. */
export interface SnapshotChunk {
  readonly transferId: number;
  /** Raft's announcement. The receiver passes it to its Raft once all chunks have arrived. */
  readonly message: SnapshotMessage;
  /** 0 for the first chunk, increasing by one. */
  readonly seq: number;
  readonly last: boolean;
  readonly data: Uint8Array;
}

interface SnapshotAck {
  readonly transferId: number;
  /** The next chunk that the receiver expects: all before it have arrived. */
  readonly nextSeq: number;
}

/** A new member requests to be added to the cluster. */
interface Join {
  readonly name: string;
  readonly memberId: bigint;
  /** What the new member has proved to the member that forwards its request. The new member itself sends neither. */
  readonly key: Uint8Array;
  readonly invitation: Uint8Array;
}

interface JoinResponse {
  /** The reason; empty if the new member was added. */
  readonly refusal: string;
  readonly clusterId: bigint;
  readonly members: readonly Member[];
}

interface Beacon {
  readonly nonce: number;
}

// The sender leaves on purpose. The frame has no content.
type Goodbye = {};

/** A request forwarded to another member, such as a lease's keep-alive to the leader. */
interface Rpc {
  readonly id: number;
  readonly method: string;
  readonly payload: Uint8Array;
}

interface RpcResponse {
  readonly id: number;
  /** A gRPC code; 0 is success, and then `payload` is the response. */
  readonly code: number;
  readonly message: string;
  readonly payload: Uint8Array;
}

/** The leader quiesces: all members hold its last entry. A follower that agrees quiesces too. */
interface QuietNotice {
  readonly term: number;
  readonly index: number;
}

// Asks who leads. A leader responds with a heartbeat, every other member that it does not lead.
type Wake = {};
type NotLeading = {};

/** A chunk as it is on the wire. */
interface SnapshotChunkWire {
  readonly transferId: number;
  readonly message: RaftWire;
  readonly seq: number;
  readonly last: boolean;
  readonly data: Uint8Array;
}

export type FrameBody =
  | { readonly type: "raft"; readonly messages: readonly RaftMessage[] }
  | ({ readonly type: "snapshot-chunk" } & SnapshotChunk)
  | ({ readonly type: "snapshot-ack" } & SnapshotAck)
  | ({ readonly type: "join" } & Join)
  | ({ readonly type: "join-response" } & JoinResponse)
  | ({ readonly type: "ping" } & Beacon)
  | ({ readonly type: "pong" } & Beacon)
  | ({ readonly type: "goodbye" } & Goodbye)
  | ({ readonly type: "rpc" } & Rpc)
  | ({ readonly type: "rpc-response" } & RpcResponse)
  | ({ readonly type: "quiet" } & QuietNotice)
  | ({ readonly type: "wake" } & Wake)
  | ({ readonly type: "not-leading" } & NotLeading);

interface RaftBatch {
  readonly messages: readonly RaftWire[];
}

export const raftBatchSchema: Schema<RaftBatch> = message<RaftBatch>("quorate.RaftBatch", () => ({ messages: [] }), {
  messages: repeated(always(1, "messages", () => raftWireSchema)),
});

export const snapshotChunkSchema: Schema<SnapshotChunkWire> = message<SnapshotChunkWire>(
  "quorate.SnapshotChunk",
  () => ({ transferId: 0, message: raftWireSchema.create(), seq: 0, last: false, data: EMPTY_BYTES }),
  {
    transferId: uint(1, "transfer_id"),
    message: always(2, "message", () => raftWireSchema),
    seq: uint(4, "seq"),
    last: bool(5, "last"),
    data: bytes(6, "data"),
  },
);

export const snapshotAckSchema: Schema<SnapshotAck> = message<SnapshotAck>(
  "quorate.SnapshotAck",
  () => ({ transferId: 0, nextSeq: 0 }),
  { transferId: uint(1, "transfer_id"), nextSeq: uint(2, "next_seq") },
);

export const joinSchema: Schema<Join> = message<Join>(
  "quorate.Join",
  () => ({ name: "", memberId: 0n, key: EMPTY_BYTES, invitation: EMPTY_BYTES }),
  {
    name: string(1, "name"),
    memberId: id(2, "member_id", "unsigned"),
    key: bytes(3, "key"),
    invitation: bytes(4, "invitation"),
  },
);

export const joinResponseSchema: Schema<JoinResponse> = message<JoinResponse>(
  "quorate.JoinResponse",
  () => ({ refusal: "", clusterId: 0n, members: [] }),
  {
    refusal: string(1, "refusal"),
    clusterId: id(2, "cluster_id", "unsigned"),
    members: repeated(always(3, "members", () => memberSchema)),
  },
);

export const pingSchema: Schema<Beacon> = message<Beacon>("quorate.Ping", () => ({ nonce: 0 }), {
  nonce: uint(1, "nonce"),
});

export const pongSchema: Schema<Beacon> = message<Beacon>("quorate.Pong", () => ({ nonce: 0 }), {
  nonce: uint(1, "nonce"),
});

export const goodbyeSchema: Schema<Goodbye> = message<Goodbye>("quorate.Goodbye", () => ({}), {});

export const rpcSchema: Schema<Rpc> = message<Rpc>("quorate.Rpc", () => ({ id: 0, method: "", payload: EMPTY_BYTES }), {
  id: uint(1, "id"),
  method: string(2, "method"),
  payload: bytes(3, "payload"),
});

export const rpcResponseSchema: Schema<RpcResponse> = message<RpcResponse>(
  "quorate.RpcResponse",
  () => ({ id: 0, code: 0, message: "", payload: EMPTY_BYTES }),
  { id: uint(1, "id"), code: uint32(2, "code"), message: string(3, "message"), payload: bytes(4, "payload") },
);

export const quietSchema: Schema<QuietNotice> = message<QuietNotice>("quorate.Quiet", () => ({ term: 0, index: 0 }), {
  term: uint(1, "term"),
  index: uint(2, "index"),
});

export const wakeSchema: Schema<Wake> = message<Wake>("quorate.Wake", () => ({}), {});

export const notLeadingSchema: Schema<NotLeading> = message<NotLeading>("quorate.NotLeading", () => ({}), {});
