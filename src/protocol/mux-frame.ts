/**
 * The frames of a multiplexed connection: one WebSocket for many gRPC streams, each with its own number.
 *
 *     1 byte type │ 4 bytes stream │ payload
 *
 * The caller opens and cancels streams and sends requests. The other side sends responses and ends streams. Responses
 * are flow-controlled by credit, in bytes: per stream, and for the whole connection as stream 0. A protobuf message may
 * be split into pieces, so that a large one does not block other streams.
 *
 * The frames of one turn of the event loop travel as one batch:
 *
 *     8 │ 4 bytes 0 │ (4 bytes length │ frame) …
 *
 * The member sends batches to a caller that has sent one. A caller that predates them gets single frames.
 */
import { unreachable } from "../base/assert.ts";
import { concatBytes } from "../base/bytes.ts";
import { isUtf8, utf8Decode, utf8Encode } from "../base/utf8.ts";

/** The path of a member under which multiplexed connections are opened. */
export const MUX_PATH = "/quorate/v1/streams";

/**
 * The query of a caller that sends pings as text (keep-alive.ts) and returns marks. A member that understands it sends an
 * answer first. A
 * caller or a member that predates it ignores the other's; then pings are frames, every CARRIER_PING_EVERY_MS.
 */
export const MUX_QUERY = "?v=2";
/** Interval of pings while a call is under way, in ms. */
export const CARRIER_PING_EVERY_MS = 2_000;
/** Without any frame from the caller for this time, in ms, a member ends all its streams: their callers may be gone. */
export const CARRIER_SILENT_MAX_MS = 9_000;
/** The same where only watches and keep-alives are open, and pings are text. */
export const QUIET_PING_EVERY_MS = 30_000;
export const QUIET_SILENT_MAX_MS = 100_000;

/** A close code of this plus a gRPC code is final: the caller's streams end with that code, and it does not come back. */
export const CLOSE_FINAL = 4_000;

/** Bytes that may be sent to a stream before its reader returns credit. */
export const STREAM_CREDIT_BYTES: number = 128 * 1024;
/** Bytes that may be in flight for all streams of a connection. */
export const CONNECTION_CREDIT_BYTES: number = 4 * 1024 * 1024;
/** Bytes of a message per frame. Larger messages are split. */
export const PIECE_BYTES: number = 64 * 1024;

/** Frames per batch. A longer one is split. */
export const BATCH_FRAMES_MAX = 1_024;
/** Bytes after which a batch is sent. One frame may exceed it by PIECE_BYTES. */
export const BATCH_BYTES: number = 128 * 1024;
/** Limit of a message of the socket, in bytes. A batch and its last frame need half of it. */
export const SOCKET_MESSAGE_BYTES_MAX: number = 2 * (BATCH_BYTES + PIECE_BYTES);
/** Limit of a token, in characters. Members issue shorter ones only. */
export const TOKEN_LENGTH_MAX: number = 8 * 1024;

export type MuxFrame =
  /** `method` as in HTTP/2: `/etcdserverpb.Watch/Watch`. */
  | {
      readonly type: "open";
      readonly stream: number;
      readonly method: string;
      readonly token: string;
      readonly requireLeader: boolean;
    }
  | { readonly type: "piece"; readonly stream: number; readonly bytes: Uint8Array; readonly isLast: boolean }
  | { readonly type: "cancel"; readonly stream: number }
  | { readonly type: "credit"; readonly stream: number; readonly bytes: number }
  /** A gRPC status; code 0 is success. */
  | { readonly type: "end"; readonly stream: number; readonly code: number; readonly message: string }
  /** Shows that the other side is alive. */
  | { readonly type: "ping"; readonly stream: 0 }
  /** A number that a caller can return only if it has read everything that was sent before. */
  | { readonly type: "mark"; readonly stream: number };

const OPEN = 1;
const PIECE = 2;
const LAST_PIECE = 3;
const CANCEL = 4;
const CREDIT = 5;
const END = 6;
const PING = 7;
const BATCH = 8;
const MARK = 9;
const HEAD_BYTES = 5;
const LENGTH_BYTES = 4;
const NOTHING = new Uint8Array(0);

export function encodeFrame(frame: MuxFrame): Uint8Array {
  switch (frame.type) {
    case "open": {
      const method = utf8Encode(frame.method);
      const head = Uint8Array.of(frame.requireLeader ? 1 : 0, method.length);
      return framed(OPEN, frame.stream, concatBytes(head, method, utf8Encode(frame.token)));
    }
    case "piece":
      return framed(frame.isLast ? LAST_PIECE : PIECE, frame.stream, frame.bytes);
    case "cancel":
      return framed(CANCEL, frame.stream, NOTHING);
    case "credit":
      return framed(CREDIT, frame.stream, bigEndian(frame.bytes));
    case "end":
      return framed(END, frame.stream, concatBytes(Uint8Array.of(frame.code), utf8Encode(frame.message)));
    case "ping":
      return framed(PING, 0, NOTHING);
    case "mark":
      return framed(MARK, frame.stream, NOTHING);
    default:
      return unreachable(frame);
  }
}

/** Decodes a frame. Returns undefined if the bytes are not a frame. */
export function decodeFrame(bytes: Uint8Array): MuxFrame | undefined {
  if (bytes.length < HEAD_BYTES) return undefined;
  const [type = 0] = bytes;
  const stream = fromBigEndian(bytes, 1);
  const payload = bytes.subarray(HEAD_BYTES);
  switch (type) {
    case OPEN:
      return openFrame(stream, payload);
    case PIECE:
    case LAST_PIECE:
      return { type: "piece", stream, bytes: payload, isLast: type === LAST_PIECE };
    case CANCEL:
      return { type: "cancel", stream };
    case CREDIT:
      return payload.length === 4 ? { type: "credit", stream, bytes: fromBigEndian(payload, 0) } : undefined;
    case END: {
      const text = payload.subarray(1);
      return isUtf8(text) ? { type: "end", stream, code: payload[0] ?? 0, message: utf8Decode(text) } : undefined;
    }
    case PING:
      return { type: "ping", stream: 0 };
    case MARK:
      return { type: "mark", stream };
    default:
      return undefined;
  }
}

/** Encodes the frames of a batch, each of them encoded. */
export function encodeBatch(frames: readonly Uint8Array[]): Uint8Array {
  let length = HEAD_BYTES;
  for (const frame of frames) length += LENGTH_BYTES + frame.length;
  const batch = new Uint8Array(length);
  batch[0] = BATCH;
  let at = HEAD_BYTES;
  for (const frame of frames) {
    batch.set(bigEndian(frame.length), at);
    batch.set(frame, at + LENGTH_BYTES);
    at += LENGTH_BYTES + frame.length;
  }
  return batch;
}

export interface ReceivedFrames {
  readonly frames: readonly MuxFrame[];
  readonly isBatch: boolean;
}

/** Decodes a message of the socket: a frame or a batch. Returns undefined if it is neither. */
export function decodeFrames(bytes: Uint8Array): ReceivedFrames | undefined {
  if (bytes[0] !== BATCH) {
    const frame = decodeFrame(bytes);
    return frame === undefined ? undefined : { frames: [frame], isBatch: false };
  }
  const frames: MuxFrame[] = [];
  let at = HEAD_BYTES;
  while (at < bytes.length) {
    if (at + LENGTH_BYTES > bytes.length || frames.length === BATCH_FRAMES_MAX) return undefined;
    const start = at + LENGTH_BYTES;
    const end = start + fromBigEndian(bytes, at);
    // A batch within a batch is not a frame, so decoding is not recursive.
    const frame = end > bytes.length ? undefined : decodeFrame(bytes.subarray(start, end));
    if (frame === undefined) return undefined;
    frames.push(frame);
    at = end;
  }
  return frames.length === 0 ? undefined : { frames, isBatch: true };
}

/** Splits a message into frames of a bounded size, at least one. */
export function* piecesOf(stream: number, message: Uint8Array): Generator<MuxFrame & { readonly type: "piece" }> {
  let at = 0;
  do {
    const end = Math.min(at + PIECE_BYTES, message.length);
    yield { type: "piece", stream, bytes: message.subarray(at, end), isLast: end === message.length };
    at = end;
  } while (at < message.length);
}

function openFrame(stream: number, payload: Uint8Array): MuxFrame | undefined {
  const [flags = 0, methodBytes = 0] = payload;
  const method = payload.subarray(2, 2 + methodBytes);
  const token = payload.subarray(2 + methodBytes);
  if (method.length < methodBytes || !isUtf8(method) || !isUtf8(token)) return undefined;
  return {
    type: "open",
    stream,
    method: utf8Decode(method),
    token: utf8Decode(token),
    requireLeader: (flags & 1) !== 0,
  };
}

function framed(type: number, stream: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEAD_BYTES + payload.length);
  frame[0] = type;
  frame.set(bigEndian(stream), 1);
  frame.set(payload, HEAD_BYTES);
  return frame;
}

function bigEndian(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

function fromBigEndian(bytes: Uint8Array, at: number): number {
  const byte = (offset: number): number => bytes[at + offset] ?? 0;
  return ((byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3)) >>> 0;
}
