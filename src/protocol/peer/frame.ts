/**
 * The frame between two members, whatever transport sends it: a fixed header, then a protobuf body that the kind names.
 *
 *   0      1        2      3     4           12      20    28
 *   magic  version  flags  kind  cluster id  sender  receiver  body …      (integers big-endian)
 *
 * The magic and the version come first and never move, so that members of two versions can at least report the
 * mismatch.
 */
import { unreachable } from "../../base/assert.ts";
import { DecodeError } from "../decode-error.ts";
import {
  goodbyeSchema,
  joinResponseSchema,
  joinSchema,
  notLeadingSchema,
  pingSchema,
  pongSchema,
  quietSchema,
  raftBatchSchema,
  rpcResponseSchema,
  rpcSchema,
  snapshotAckSchema,
  snapshotChunkSchema,
  wakeSchema,
} from "./frame-schema.ts";
import type { FrameBody, SnapshotChunk } from "./frame-schema.ts";
import { decode, encode } from "../codec/proto-codec.ts";
import type { DecodeOptions } from "../codec/proto-codec.ts";
import { fromWire, toWire } from "./raft-codec.ts";
import { PROTOCOL_VERSION } from "../version.ts";

export interface FrameHeader {
  /** 0n while the sender does not know it, as in a join. */
  readonly clusterId: bigint;
  readonly from: bigint;
  /** 0n while the sender does not know it. */
  readonly to: bigint;
}

export interface Frame {
  readonly header: FrameHeader;
  readonly body: FrameBody;
}

export const FRAME_HEADER_BYTES = 28;
const MAGIC = 0x51;
const NO_FLAGS = 0;

/** The index of a kind is its number on the wire. Only append to the list. */
const KINDS: readonly FrameBody["type"][] = [
  "raft",
  "snapshot-chunk",
  "snapshot-ack",
  "join",
  "join-response",
  "ping",
  "pong",
  "goodbye",
  "rpc",
  "rpc-response",
  "quiet",
  "wake",
  "not-leading",
];

/** The other member has another version of the protocol: none of its messages can be decoded. */
export class FrameVersionError extends DecodeError {
  readonly theirs: number;
  readonly ours: number;

  constructor(theirs: number, ours: number) {
    super(`frame: the sender speaks protocol version ${theirs}, we speak ${ours}`);
    this.name = "FrameVersionError";
    this.theirs = theirs;
    this.ours = ours;
  }
}

export function encodeFrame(header: FrameHeader, body: FrameBody): Uint8Array {
  const payload = encodeBody(body);
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payload.length);
  const view = new DataView(frame.buffer);
  frame[0] = MAGIC;
  frame[1] = PROTOCOL_VERSION;
  frame[2] = NO_FLAGS;
  frame[3] = KINDS.indexOf(body.type);
  view.setBigUint64(4, header.clusterId);
  view.setBigUint64(12, header.from);
  view.setBigUint64(20, header.to);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

export interface FrameOptions extends DecodeOptions {
  /** Bytes. Longer frames are rejected unread. */
  readonly maxBytes: number;
}

export function decodeFrame(bytes: Uint8Array, options: FrameOptions): Frame {
  const { kind, header } = decodeFrameHeader(bytes, options);
  return { header, body: decodeBody(kind, bytes.subarray(FRAME_HEADER_BYTES), options) };
}

/** Decodes the header alone: what is known of a frame before its body is decoded. */
export function decodeFrameHeader(
  bytes: Uint8Array,
  options: FrameOptions,
): { readonly kind: FrameBody["type"]; readonly header: FrameHeader } {
  if (bytes.length > options.maxBytes) {
    throw new DecodeError(`frame: ${bytes.length} bytes, of at most ${options.maxBytes}`);
  }
  if (bytes.length < 2 || bytes[0] !== MAGIC) throw new DecodeError("frame: not a frame");
  const version = bytes[1] as number;
  if (version !== PROTOCOL_VERSION) throw new FrameVersionError(version, PROTOCOL_VERSION);
  if (bytes.length < FRAME_HEADER_BYTES) throw new DecodeError("frame: the header is cut off");
  if (bytes[2] !== NO_FLAGS) throw new DecodeError(`frame: unknown flags ${bytes[2]}`);
  const kind = KINDS[bytes[3] as number];
  if (kind === undefined) throw new DecodeError(`frame: unknown kind ${bytes[3]}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  return {
    kind,
    header: { clusterId: view.getBigUint64(4), from: view.getBigUint64(12), to: view.getBigUint64(20) },
  };
}

function encodeBody(body: FrameBody): Uint8Array {
  switch (body.type) {
    case "raft":
      return encode(raftBatchSchema, { messages: body.messages.map(toWire) });
    case "snapshot-chunk":
      return encode(snapshotChunkSchema, { ...body, message: toWire(body.message) });
    case "snapshot-ack":
      return encode(snapshotAckSchema, body);
    case "join":
      return encode(joinSchema, body);
    case "join-response":
      return encode(joinResponseSchema, body);
    case "ping":
      return encode(pingSchema, body);
    case "pong":
      return encode(pongSchema, body);
    case "goodbye":
      return encode(goodbyeSchema, body);
    case "rpc":
      return encode(rpcSchema, body);
    case "rpc-response":
      return encode(rpcResponseSchema, body);
    case "quiet":
      return encode(quietSchema, body);
    case "wake":
      return encode(wakeSchema, body);
    case "not-leading":
      return encode(notLeadingSchema, body);
    default:
      return unreachable(body);
  }
}

function decodeBody(type: FrameBody["type"], payload: Uint8Array, options: DecodeOptions): FrameBody {
  switch (type) {
    case "raft":
      return { type, messages: decode(raftBatchSchema, payload, options).messages.map(fromWire) };
    case "snapshot-chunk":
      return { type, ...snapshotChunk(payload, options) };
    case "snapshot-ack":
      return { type, ...decode(snapshotAckSchema, payload, options) };
    case "join":
      return { type, ...decode(joinSchema, payload, options) };
    case "join-response":
      return { type, ...decode(joinResponseSchema, payload, options) };
    case "ping":
      return { type, ...decode(pingSchema, payload, options) };
    case "pong":
      return { type, ...decode(pongSchema, payload, options) };
    case "goodbye":
      return { type, ...decode(goodbyeSchema, payload, options) };
    case "rpc":
      return { type, ...decode(rpcSchema, payload, options) };
    case "rpc-response":
      return { type, ...decode(rpcResponseSchema, payload, options) };
    case "quiet":
      return { type, ...decode(quietSchema, payload, options) };
    case "wake":
      return { type, ...decode(wakeSchema, payload, options) };
    case "not-leading":
      return { type, ...decode(notLeadingSchema, payload, options) };
    default:
      return unreachable(type);
  }
}

function snapshotChunk(payload: Uint8Array, options: DecodeOptions): SnapshotChunk {
  const wire = decode(snapshotChunkSchema, payload, options);
  const announced = fromWire(wire.message);
  if (announced.type !== "snapshot") throw new DecodeError("frame: a snapshot chunk announces no snapshot");
  return { ...wire, message: announced };
}
