/**
 * The encoding of entries and row lists on disk: varints and length-prefixed bytes, after a checksum. It is independent
 * of the wire format, so that a member can read its store whatever version its peers run.
 */
import { crc32c } from "../../base/crc32c.ts";
import type { Entry, LogIndex } from "../../protocol/peer/raft-message.ts";

const CHECKSUM_BYTES = 4;
const VARINT_BYTES_MAX = 8;

export class RecordWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #length: number = CHECKSUM_BYTES;

  constructor(expectedBytes: number = 256) {
    this.#bytes = new Uint8Array(CHECKSUM_BYTES + expectedBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** Writes a safe integer that is not negative. */
  varint(value: number): void {
    this.#reserve(VARINT_BYTES_MAX);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Returns the record with its checksum. The writer must not be used again. */
  finish(): Uint8Array<ArrayBuffer> {
    const record = this.#bytes.subarray(0, this.#length);
    new DataView(record.buffer).setUint32(0, crc32c(record.subarray(CHECKSUM_BYTES)), true);
    return record;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** A record that is damaged. The caller knows the table and the row, and adds them to the message. */
export class RecordError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "RecordError";
  }
}

/** Returned bytes are views into the record. */
export class RecordReader {
  readonly #bytes: Uint8Array;
  #at: number = CHECKSUM_BYTES;

  constructor(record: Uint8Array) {
    if (record.length < CHECKSUM_BYTES) throw new RecordError("it is cut off");
    const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
    if (view.getUint32(0, true) !== crc32c(record.subarray(CHECKSUM_BYTES)))
      throw new RecordError("its checksum is wrong");
    this.#bytes = record;
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RecordError("it is cut off");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new RecordError("a number is too large");
  }

  bytes(): Uint8Array {
    const length = this.varint();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RecordError("it is cut off");
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }
}

export function writeEntries(writer: RecordWriter, entries: readonly Entry[]): void {
  writer.varint(entries.length);
  writer.varint(entries[0]?.index ?? 0);
  for (const entry of entries) {
    writer.varint(entry.type === "normal" ? 0 : 1);
    writer.varint(entry.term);
    writer.bytes(entry.data);
  }
}

export function readEntries(reader: RecordReader): readonly Entry[] {
  const count = reader.varint();
  const first = reader.varint();
  const entries: Entry[] = [];
  for (let at = 0; at < count; at++) {
    const type = reader.varint();
    if (type > 1) throw new RecordError("an entry has an unknown type");
    const term = reader.varint();
    entries.push({ type: type === 0 ? "normal" : "conf-change", index: first + at, term, data: reader.bytes() });
  }
  return entries;
}

export function encodeEntries(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  let expected = 32;
  for (const entry of entries) expected += entry.data.length + 16;
  const writer = new RecordWriter(expected);
  writeEntries(writer, entries);
  return writer.finish();
}

/** Decodes the entries [first, last]. Throws RecordError. */
export function decodeEntries(record: Uint8Array, first: LogIndex, last: LogIndex): readonly Entry[] {
  const reader = new RecordReader(record);
  const entries = readEntries(reader);
  if (entries[0]?.index !== first || entries.length !== last - first + 1) {
    throw new RecordError(`it holds other entries than [${first}, ${last}]`);
  }
  if (!reader.atEnd) throw new RecordError("something follows its last entry");
  return entries;
}

/** Writes any 64-bit number: the id of a member or a lease. */
export function writeU64(writer: RecordWriter, value: bigint): void {
  const bits = BigInt.asUintN(64, value);
  writer.varint(Number(bits >> 32n));
  writer.varint(Number(bits & 0xffff_ffffn));
}

export function readU64(reader: RecordReader): bigint {
  const [high, low] = [reader.varint(), reader.varint()];
  // Most rows have no lease.
  if (high === 0 && low === 0) return 0n;
  return BigInt.asUintN(64, (BigInt(high) << 32n) | BigInt(low));
}
