import { describe, expect, test } from "vitest";
import { crc32c } from "../../../src/base/crc32c.ts";
import {
  decodeEntries,
  encodeEntries,
  readU64,
  RecordError,
  RecordReader,
  RecordWriter,
  writeU64,
} from "../../../src/storage/common/record.ts";
import { entriesOf } from "../../contract/storage-kit.ts";

describe("a record of entries", () => {
  test("comes back as it was written", () => {
    const entries = entriesOf(7, 9, 3);
    expect(decodeEntries(encodeEntries(entries), 7, 9)).toEqual(entries);
  });

  test("of which any byte was changed, or any were lost, is refused", () => {
    const record = encodeEntries(entriesOf(1, 3, 1));
    for (let at = 0; at < record.length; at++) {
      const damaged = record.slice();
      damaged[at] = (damaged[at] as number) ^ 0x10;
      expect(() => decodeEntries(damaged, 1, 3)).toThrow(RecordError);
      expect(() => decodeEntries(record.subarray(0, at), 1, 3)).toThrow(RecordError);
    }
  });

  test("that holds other entries than its row says is refused", () => {
    const record = encodeEntries(entriesOf(4, 6, 1));
    expect(() => decodeEntries(record, 3, 5)).toThrow("other entries than [3, 5]");
    expect(() => decodeEntries(record, 4, 7)).toThrow("other entries than [4, 7]");
  });
});

/** Whoever writes records may err, and the checksum is right then. */
describe("a record with a right checksum", () => {
  test.each<readonly [string, readonly number[], string]>([
    ["a batch cut off within a number", [1, 0x80], "cut off"],
    ["a batch cut off within its data", [1, 1, 0, 1, 5, 0xaa], "cut off"],
    ["an entry of an unknown type", [1, 1, 2, 1, 0], "unknown type"],
    ["bytes behind the last entry", [1, 1, 0, 1, 0, 0], "follows its last entry"],
    ["a number of nine bytes", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], "too large"],
    ["a number of eight bytes beyond 2^53", [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], "too large"],
  ])("and %s is refused", (_, body, message) => {
    expect(() => decodeEntries(sealed(body), 1, 1)).toThrow(new RegExp(message));
  });

  test("holds any 64 bits", () => {
    for (const value of [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 0x1234_5678_9abc_def0n]) {
      const writer = new RecordWriter(16);
      writeU64(writer, value);
      expect(readU64(new RecordReader(writer.finish()))).toBe(BigInt.asUintN(64, value));
    }
  });
});

function sealed(body: readonly number[]): Uint8Array {
  const record = Uint8Array.from([0, 0, 0, 0, ...body]);
  new DataView(record.buffer).setUint32(0, crc32c(record.subarray(4)), true);
  return record;
}
