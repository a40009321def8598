/** Reads protobuf from untrusted bytes: every read is bounded by the message that it belongs to. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { utf8DecodeStrict } from "../../base/utf8.ts";
import { DecodeError, TooDeepError } from "../decode-error.ts";

export const WIRE_VARINT = 0;
export const WIRE_FIXED64 = 1;
export const WIRE_BYTES = 2;
export const WIRE_START_GROUP = 3;
export const WIRE_END_GROUP = 4;
export const WIRE_FIXED32 = 5;

/**
 * Maximum nesting of messages. etcd's limit is 10,000, which exceeds JavaScript's stack. Messages that etcd accepts are
 * less than 260 deep, and stored ones less (mvcc/validate.ts).
 */
export const DEPTH_MAX = 1000;

const TWO_32 = 0x1_0000_0000;
const scratch = new DataView(new ArrayBuffer(8));

export class ProtoReader {
  /** The next byte to read. */
  at: number = 0;
  /** The end of the message that is being read. */
  end: number;
  readonly #bytes: Uint8Array;
  readonly #copy: boolean;
  #depth: number = 0;
  #messagesLeft: number;
  /** The halves of the last varint. */
  #low: number = 0;
  #high: number = 0;

  constructor(bytes: Uint8Array, copy: boolean, messagesMax: number) {
    this.#bytes = bytes;
    this.#copy = copy;
    this.#messagesLeft = messagesMax;
    this.end = bytes.length;
  }

  /** Reads the low 32 bits of a varint, unsigned. */
  uint32(): number {
    if (this.at < this.end) {
      const first = this.#bytes[this.at] as number;
      if (first < 0x80) {
        this.at++;
        return first;
      }
    }
    this.#varint();
    return this.#low >>> 0;
  }

  /** Reads a field's tag: a 32-bit varint with the field number and the wire type. */
  tag(): number {
    const tag = this.#exactUint32();
    if (tag < 8) throw new DecodeError("protobuf: field number 0");
    return tag;
  }

  bool(): boolean {
    this.#varint();
    return (this.#low | this.#high) !== 0;
  }

  /** Reads an int64; undefined if it is not a safe integer. `outOfRangeSign` is then its sign. */
  int(): number | undefined {
    this.#varint();
    const high = this.#high | 0;
    if (high < -0x20_0000 || high > 0x1f_ffff) return undefined;
    const value = high * TWO_32 + (this.#low >>> 0);
    return Number.isSafeInteger(value) ? value : undefined;
  }

  /** Reads a uint64; undefined if it is not a safe integer. */
  uint(): number | undefined {
    this.#varint();
    const high = this.#high >>> 0;
    return high > 0x1f_ffff ? undefined : high * TWO_32 + (this.#low >>> 0);
  }

  get outOfRangeSign(): number {
    return (this.#high | 0) < 0 ? -1 : 1;
  }

  signedId(): bigint {
    this.#varint();
    if (this.#high === 0) return BigInt(this.#low >>> 0);
    this.#toScratch();
    return scratch.getBigInt64(0, true);
  }

  unsignedId(): bigint {
    this.#varint();
    if (this.#high === 0) return BigInt(this.#low >>> 0);
    this.#toScratch();
    return scratch.getBigUint64(0, true);
  }

  /** Returns a view into the input, or a copy if the reader was created to copy. */
  bytes(): Uint8Array {
    const length = this.length();
    const from = this.at;
    this.at = from + length;
    if (length === 0) return EMPTY_BYTES;
    return this.#copy ? this.#bytes.slice(from, this.at) : this.#bytes.subarray(from, this.at);
  }

  string(): string {
    const length = this.length();
    const from = this.at;
    this.at = from + length;
    if (length === 0) return "";
    const text = utf8DecodeStrict(this.#bytes.subarray(from, this.at));
    if (text === undefined) throw new DecodeError("protobuf: a string is not valid UTF-8");
    return text;
  }

  /** Reads a length that the rest of the message can contain. */
  length(): number {
    const length = this.#exactUint32();
    if (length > this.end - this.at) {
      throw new DecodeError(`protobuf: a length of ${length} bytes where ${this.end - this.at} are left`);
    }
    return length;
  }

  /** Enters a nested message. Pass the result to `leave`. */
  enter(): number {
    const length = this.length();
    if (this.#depth === DEPTH_MAX) throw new TooDeepError(`protobuf: nested deeper than ${DEPTH_MAX} messages`);
    this.#deeper();
    const outerEnd = this.end;
    this.end = this.at + length;
    return outerEnd;
  }

  leave(outerEnd: number): void {
    this.end = outerEnd;
    this.#depth--;
  }

  /** Skips the value of an unknown field. */
  skip(tag: number): void {
    const wire = tag & 7;
    if (wire === WIRE_VARINT) this.#varint();
    else if (wire === WIRE_BYTES) {
      const length = this.length();
      this.at += length;
    } else if (wire === WIRE_FIXED64) this.#advance(8);
    else if (wire === WIRE_FIXED32) this.#advance(4);
    else if (wire === WIRE_START_GROUP) this.#skipGroup(tag >>> 3);
    else throw new DecodeError(`protobuf: wire type ${wire} where a field starts`);
  }

  #skipGroup(field: number): void {
    this.#deeper();
    for (;;) {
      const tag = this.tag();
      if ((tag & 7) !== WIRE_END_GROUP) {
        this.skip(tag);
        continue;
      }
      if (tag >>> 3 !== field) throw new DecodeError("protobuf: a group ends that did not start");
      this.#depth--;
      return;
    }
  }

  #deeper(): void {
    if (this.#messagesLeft-- <= 0) throw new DecodeError("protobuf: too many messages in one");
    this.#depth++;
    if (this.#depth > DEPTH_MAX) throw new DecodeError(`protobuf: nested deeper than ${DEPTH_MAX} groups`);
  }

  #advance(size: number): void {
    if (size > this.end - this.at) throw new DecodeError("protobuf: a value is cut off");
    this.at += size;
  }

  /** Reads a varint that must fit 32 bits. */
  #exactUint32(): number {
    if (this.at < this.end) {
      const first = this.#bytes[this.at] as number;
      if (first < 0x80) {
        this.at++;
        return first;
      }
    }
    this.#varint();
    if (this.#high !== 0) throw new DecodeError("protobuf: a tag or length of more than 32 bits");
    return this.#low >>> 0;
  }

  #toScratch(): void {
    scratch.setInt32(0, this.#low, true);
    scratch.setInt32(4, this.#high, true);
  }

  /** Reads a varint into #low and #high. At most ten bytes, of which the tenth holds one bit. */
  #varint(): void {
    let low = 0;
    let high = 0;
    for (let index = 0; index < 10; index++) {
      if (this.at >= this.end) throw new DecodeError("protobuf: a varint is cut off");
      const byte = this.#bytes[this.at++] as number;
      const bits = byte & 0x7f;
      if (index < 4) low |= bits << (index * 7);
      else if (index === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (index * 7 - 32);
      if (index === 9 && byte > 1) break;
      if (byte >= 0x80) continue;
      this.#low = low;
      this.#high = high;
      return;
    }
    throw new DecodeError("protobuf: a varint is longer than 64 bits");
  }
}
