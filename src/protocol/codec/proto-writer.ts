/**
 * Writes protobuf backwards, from the end of its buffer to the front. When the length of a message is due, the message
 * is already written and its length known, so nothing is measured twice or moved. Callers therefore write fields in
 * reverse, and within a field first the value, then the tag.
 */
import { assert } from "../../base/assert.ts";
import { utf8Length, utf8Write } from "../../base/utf8.ts";

const INITIAL_BYTES = 4096;
/** Bytes. A writer that has grown beyond this releases its buffer after use. */
const KEPT_BYTES_MAX = 1 << 20;
const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;
const MIN_INT64 = -0x8000_0000_0000_0000n;
const TWO_32 = 0x1_0000_0000;
/** Below this, a loop beats the call of `set`. */
const SHORT_BYTES = 8;

const scratch = new DataView(new ArrayBuffer(8));

export class ProtoWriter {
  #buffer: Uint8Array = new Uint8Array(INITIAL_BYTES);
  /** The position where the written bytes start. Everything before it is free. */
  #at: number = INITIAL_BYTES;

  /** How many bytes have been written so far. */
  get length(): number {
    return this.#buffer.length - this.#at;
  }

  /** Returns a copy of all written bytes. The writer is empty afterwards. */
  finish(): Uint8Array {
    const written = this.#buffer.slice(this.#at);
    this.reset();
    return written;
  }

  reset(): void {
    if (this.#buffer.length > KEPT_BYTES_MAX) this.#buffer = new Uint8Array(INITIAL_BYTES);
    this.#at = this.#buffer.length;
  }

  /** Writes an unsigned integer below 2^32. */
  uint32(value: number): void {
    if (value < 0x80) {
      if (this.#at < 1) this.#grow(1);
      this.#buffer[--this.#at] = value;
      return;
    }
    if (this.#at < 5) this.#grow(5);
    const size = value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
    let to = this.#at - size;
    this.#at = to;
    const buffer = this.#buffer;
    let rest = value;
    for (let left = size; left > 1; left--) {
      buffer[to++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[to] = rest;
  }

  /** Writes a safe integer as int64 or uint64. */
  int(value: number): void {
    assert(Number.isSafeInteger(value), "an integer field holds a safe integer");
    if (value >= 0 && value < TWO_32) this.uint32(value);
    else this.#varint64(value >>> 0, Math.floor(value / TWO_32) >>> 0);
  }

  /** Writes a bigint as int64 or uint64. */
  id(value: bigint): void {
    assert(value >= MIN_INT64 && value <= MAX_UINT64, "an id has 64 bits");
    scratch.setBigUint64(0, value, true);
    const high = scratch.getUint32(4, true);
    const low = scratch.getUint32(0, true);
    if (high === 0) this.uint32(low);
    else this.#varint64(low, high);
  }

  /** Writes the bytes without a length. */
  raw(bytes: Uint8Array): void {
    const size = bytes.length;
    if (this.#at < size) this.#grow(size);
    this.#at -= size;
    if (size >= SHORT_BYTES) {
      this.#buffer.set(bytes, this.#at);
      return;
    }
    const buffer = this.#buffer;
    for (let from = 0, to = this.#at; from < size; from++, to++) buffer[to] = bytes[from] as number;
  }

  /** Writes the bytes after their length. */
  bytes(bytes: Uint8Array): void {
    this.raw(bytes);
    this.uint32(bytes.length);
  }

  /** Writes the text after its length. */
  string(text: string): void {
    const size = utf8Length(text);
    if (this.#at < size) this.#grow(size);
    this.#at -= size;
    utf8Write(text, this.#buffer, this.#at);
    this.uint32(size);
  }

  #varint64(low: number, high: number): void {
    if (this.#at < 10) this.#grow(10);
    let size = 5;
    for (let rest = high >>> 3; rest !== 0; rest >>>= 7) size++;
    let to = this.#at - size;
    this.#at = to;
    const buffer = this.#buffer;
    let restLow = low;
    let restHigh = high;
    for (let left = size; left > 1; left--) {
      buffer[to++] = (restLow & 0x7f) | 0x80;
      restLow = ((restLow >>> 7) | (restHigh << 25)) >>> 0;
      restHigh >>>= 7;
    }
    buffer[to] = restLow;
  }

  #grow(needed: number): void {
    const written = this.length;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, written + needed));
    grown.set(this.#buffer.subarray(this.#at), grown.length - written);
    this.#at = grown.length - written;
    this.#buffer = grown;
  }
}
