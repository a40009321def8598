/**
 * The body of a POST between two members, and of its response: all waiting frames as one batch.
 *
 *     version  sender   epoch    sequence  { length  frame } ...
 *     1 byte   8 bytes  4 bytes  4 bytes     4 bytes            big endian
 *
 * The sequence numbers the batches from one member to another within an epoch. The epoch is drawn again when a member
 * starts. Two POSTs and a response that are in flight at once may overtake each other, and Raft would take entries that
 * arrive in the wrong order for lost ones.
 */
import type { MemberId } from "../protocol/peer/raft-message.ts";

export interface Batch {
  readonly sender: MemberId;
  readonly epoch: number;
  readonly sequence: number;
  readonly frames: readonly Uint8Array[];
}

export interface BatchLimits {
  readonly maxFrameBytes: number;
  readonly maxBatchBytes: number;
}

const VERSION = 1;
const HEADER_BYTES = 17;

/** Bytes of a frame in a batch besides itself. */
export const FRAME_OVERHEAD_BYTES: number = 4;
export const MAX_FRAMES_PER_BATCH: number = 65_536;

/** The body is not a batch. Only that POST fails. */
export class BadBatchError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "BadBatchError";
  }
}

export function encodeBatch(batch: Batch): Uint8Array<ArrayBuffer> {
  let length = HEADER_BYTES;
  for (const frame of batch.frames) length += FRAME_OVERHEAD_BYTES + frame.length;
  const body = new Uint8Array(length);
  const view = new DataView(body.buffer);
  body[0] = VERSION;
  view.setBigUint64(1, batch.sender);
  view.setUint32(9, batch.epoch);
  view.setUint32(13, batch.sequence);
  let at = HEADER_BYTES;
  for (const frame of batch.frames) {
    view.setUint32(at, frame.length);
    body.set(frame, at + FRAME_OVERHEAD_BYTES);
    at += FRAME_OVERHEAD_BYTES + frame.length;
  }
  return body;
}

/** Decodes a batch. The frames are views into the body. Throws BadBatchError. */
export function decodeBatch(body: Uint8Array, limits: BatchLimits): Batch {
  if (body.length < HEADER_BYTES || body[0] !== VERSION) throw new BadBatchError("not a batch of this version");
  const maxBytes = HEADER_BYTES + limits.maxBatchBytes + FRAME_OVERHEAD_BYTES + limits.maxFrameBytes;
  if (body.length > maxBytes) throw new BadBatchError(`a batch of ${body.length} bytes`);
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const frames: Uint8Array[] = [];
  let at = HEADER_BYTES;
  while (at < body.length) {
    if (body.length - at < FRAME_OVERHEAD_BYTES) throw new BadBatchError("a batch that ends within a length");
    const length = view.getUint32(at);
    at += FRAME_OVERHEAD_BYTES;
    if (length === 0 || length > limits.maxFrameBytes) throw new BadBatchError(`a frame of ${length} bytes`);
    if (length > body.length - at) throw new BadBatchError("a batch that ends within a frame");
    if (frames.length === MAX_FRAMES_PER_BATCH) throw new BadBatchError("a batch of too many frames");
    frames.push(body.subarray(at, at + length));
    at += length;
  }
  return { sender: view.getBigUint64(1), epoch: view.getUint32(9), sequence: view.getUint32(13), frames };
}
