/**
 * Splits a frame into parts for transports with a small limit on one message (16 KiB on a WebRTC data channel), and
 * reassembles it. The reassembler relies on the transport only for order.
 *
 *   0      1      3           7        11
 *   magic  index  frame size  CRC-32C  piece of the frame …      (integers big-endian)
 *
 * Size and checksum are those of the whole frame and are repeated in each part, so a part cannot end up in another
 * frame.
 */
import { assert } from "../../base/assert.ts";
import { joined } from "../../base/bytes.ts";
import { crc32c } from "../../base/crc32c.ts";
import { DecodeError } from "../decode-error.ts";

export const PART_HEADER_BYTES = 11;
const MAGIC = 0x50;
const PARTS_MAX = 0x1_0000;

/** Returns parts of at most `maxBytes` each, header included. */
export function fragment(frame: Uint8Array, maxBytes: number): Uint8Array[] {
  const room = maxBytes - PART_HEADER_BYTES;
  assert(frame.length > 0, "a frame is not empty");
  assert(room > 0, "a part has room for more than its header");
  assert(frame.length <= room * PARTS_MAX, "a frame fits the number of parts");
  const checksum = crc32c(frame);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < frame.length; at += room) {
    const piece = frame.subarray(at, at + room);
    const part = new Uint8Array(PART_HEADER_BYTES + piece.length);
    const view = new DataView(part.buffer);
    part[0] = MAGIC;
    view.setUint16(1, parts.length);
    view.setUint32(3, frame.length);
    view.setUint32(7, checksum);
    part.set(piece, PART_HEADER_BYTES);
    parts.push(part);
  }
  return parts;
}

/**
 * Create one per connection and direction. It never holds more than one frame of `limitBytes`. An error means that the
 * connection lost or invented bytes and should be closed.
 */
export class Reassembler {
  readonly #limitBytes: number;
  #pieces: Uint8Array[] = [];
  #received: number = 0;
  #size: number = 0;
  #checksum: number = 0;

  constructor(limitBytes: number) {
    assert(limitBytes > 0, "a limit above zero");
    this.#limitBytes = limitBytes;
  }

  /** Bytes held of an unfinished frame. */
  get heldBytes(): number {
    return this.#received;
  }

  /** Returns the frame if this was its last part. The part must not be modified afterwards: pieces of it are kept. */
  push(part: Uint8Array): Uint8Array | undefined {
    try {
      return this.#accept(part);
    } catch (error) {
      this.#reset();
      throw error;
    }
  }

  #accept(part: Uint8Array): Uint8Array | undefined {
    if (part.length <= PART_HEADER_BYTES || part[0] !== MAGIC) throw new DecodeError("fragment: not a part");
    const view = new DataView(part.buffer, part.byteOffset, PART_HEADER_BYTES);
    const index = view.getUint16(1);
    if (index !== this.#pieces.length) {
      throw new DecodeError(`fragment: part ${index} where part ${this.#pieces.length} is due`);
    }
    const size = view.getUint32(3);
    const checksum = view.getUint32(7);
    if (index === 0) this.#start(size, checksum);
    else if (size !== this.#size || checksum !== this.#checksum) {
      throw new DecodeError("fragment: a part of another frame");
    }
    const piece = part.subarray(PART_HEADER_BYTES);
    this.#received += piece.length;
    if (this.#received > size) throw new DecodeError("fragment: more bytes than announced");
    this.#pieces.push(piece);
    return this.#received === size ? this.#finish() : undefined;
  }

  #start(size: number, checksum: number): void {
    if (size > this.#limitBytes) {
      throw new DecodeError(`fragment: a frame of ${size} bytes, of at most ${this.#limitBytes}`);
    }
    this.#size = size;
    this.#checksum = checksum;
  }

  #finish(): Uint8Array {
    const frame = joined(this.#pieces);
    if (crc32c(frame) !== this.#checksum) throw new DecodeError("fragment: the checksum does not match");
    this.#reset();
    return frame;
  }

  #reset(): void {
    this.#pieces = [];
    this.#received = 0;
    this.#size = 0;
    this.#checksum = 0;
  }
}
