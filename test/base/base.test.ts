import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AssertionError, assert, must, unreachable } from "../../src/base/assert.ts";
import {
  bytesToLatin1,
  compareBytes,
  concatBytes,
  copyBytes,
  equalBytes,
  latin1ToBytes,
  prefixEnd,
  startsWith,
} from "../../src/base/bytes.ts";
import { crc32c } from "../../src/base/crc32c.ts";
import { fromBase64, fromHex, toBase64, toHex } from "../../src/base/text-codes.ts";
import { isUtf8, utf8Decode, utf8DecodeStrict, utf8Encode } from "../../src/base/utf8.ts";

const anyBytes = fc.uint8Array({ maxLength: 64 });

describe("assertions", () => {
  test("a false condition throws an AssertionError with the message", () => {
    expect(() => assert(false, "the invariant")).toThrow(new AssertionError("the invariant"));
    expect(() => assert(true, "the invariant")).not.toThrow();
  });

  test("must returns the value, and throws on undefined and null but not on other falsy values", () => {
    expect(must(0, "here")).toBe(0);
    expect(() => must(undefined, "gone")).toThrow("gone");
    expect(() => must(null, "gone")).toThrow("gone");
  });

  test("unreachable throws when the compiler was bypassed", () => {
    expect(() => unreachable("surprise" as never)).toThrow("surprise");
  });
});

describe("bytes", () => {
  test("bytes compare as Buffer compares them", () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (left, right) => {
        expect(compareBytes(left, right)).toBe(Buffer.compare(left, right));
        expect(equalBytes(left, right)).toBe(Buffer.compare(left, right) === 0);
      }),
    );
  });

  test("a prefix is what the first bytes are", () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (prefix, rest) => {
        const whole = concatBytes(prefix, rest);
        expect(startsWith(whole, prefix)).toBe(true);
        expect(startsWith(prefix, whole)).toBe(rest.length === 0);
      }),
    );
  });

  test("prefixEnd is above every key with the prefix and at or below every other greater key", () => {
    const withEnd = anyBytes.filter((prefix) => prefix.some((byte) => byte !== 0xff));
    fc.assert(
      fc.property(withEnd, anyBytes, anyBytes, (prefix, rest, other) => {
        const end = prefixEnd(prefix);
        expect(compareBytes(concatBytes(prefix, rest), end)).toBe(-1);
        if (compareBytes(other, prefix) > 0 && !startsWith(other, prefix)) {
          expect(compareBytes(other, end)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test("prefixEnd of a prefix without an end is etcd's zero byte", () => {
    expect(prefixEnd(new Uint8Array([0xff, 0xff]))).toEqual(new Uint8Array([0]));
    expect(prefixEnd(new Uint8Array([]))).toEqual(new Uint8Array([0]));
    expect(prefixEnd(new Uint8Array([1, 0xff]))).toEqual(new Uint8Array([2]));
  });

  test("a copy shares no buffer with its source", () => {
    const source = new Uint8Array([1, 2, 3]).subarray(1);
    const copy = copyBytes(source);
    source[0] = 9;
    expect(copy).toEqual(new Uint8Array([2, 3]));
    expect(copy.buffer.byteLength).toBe(2);
  });

  test("latin1 strings order as their bytes do and convert back to them", () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (left, right) => {
        const [a, b] = [bytesToLatin1(left), bytesToLatin1(right)];
        expect(a < b ? -1 : a > b ? 1 : 0).toBe(compareBytes(left, right));
        expect(latin1ToBytes(a)).toEqual(left);
      }),
    );
  });

  test("latin1 converts more bytes than fit one call's arguments", () => {
    const large = new Uint8Array(300_000).map((_, at) => at & 0xff);
    expect(latin1ToBytes(bytesToLatin1(large))).toEqual(large);
  });
});

describe("utf-8", () => {
  test("text encodes as the platform encodes it, lone surrogates too", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(utf8Encode(text)).toEqual(new TextEncoder().encode(text));
      }),
    );
    expect(utf8Encode("a\ud800b\udc00")).toEqual(new TextEncoder().encode("a\ud800b\udc00"));
  });

  test("well-formed bytes are distinguished as the platform does", () => {
    // Bytes near the borders of UTF-8, where random bytes are rare.
    const border = fc.constantFrom(
      0x41,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc1,
      0xc2,
      0xdf,
      0xe0,
      0xed,
      0xef,
      0xf0,
      0xf4,
      0xf5,
    );
    const bytes = fc.array(border, { maxLength: 6 }).map((list) => new Uint8Array(list));
    fc.assert(
      fc.property(bytes, (input) => {
        expect(utf8DecodeStrict(input)).toBe(strictDecode(input));
        expect(isUtf8(input)).toBe(strictDecode(input) !== undefined);
      }),
      { numRuns: 2000 },
    );
  });

  test("each byte that does not belong becomes one replacement character", () => {
    expect(utf8Decode(new Uint8Array([0x61, 0xff, 0x62, 0xc3]))).toBe("a\ufffdb\ufffd");
    expect(utf8Decode(utf8Encode("é€😀".repeat(3000)))).toBe("é€😀".repeat(3000));
  });
});

function strictDecode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

describe("text codes", () => {
  test("hexadecimal and base64 equal the platform's, and decode to the same bytes", () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
        expect(fromBase64(toBase64(bytes).replaceAll("=", ""))).toEqual(bytes);
        expect(fromBase64(Buffer.from(bytes).toString("base64url"))).toEqual(bytes);
      }),
    );
  });

  test("base64 rejects mixed alphabets, half padding, breaks and foreign characters", () => {
    for (const text of ["+_==", "YQ=", "Y", "YQ==YQ==", "YQ\n==", "Y Q=", "====", "=", "Yé==", "YWJj="]) {
      expect(fromBase64(text), text).toBeUndefined();
    }
  });

  test("hexadecimal rejects half a byte and foreign characters", () => {
    expect(fromHex("abc")).toBeUndefined();
    expect(fromHex("zz")).toBeUndefined();
    expect(fromHex("0x")).toBeUndefined();
  });
});

describe("crc32c", () => {
  test("the checksum of the standard's check string and of zeroes is the published one", () => {
    expect(crc32c(utf8Encode("123456789"))).toBe(0xe306_9283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a91_36aa);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  test("a checksum continues from the previous one", () => {
    expect(crc32c(utf8Encode("56789"), crc32c(utf8Encode("1234")))).toBe(0xe306_9283);
  });

  test("is the same however the bytes are cut, and however many are left beside whole slices", () => {
    const bytes = Uint8Array.from({ length: 40 }, (_, at) => (at * 151 + 7) & 0xff);
    const oneByOne = (end: number): number =>
      bytes.subarray(0, end).reduce((crc, value) => crc32c(Uint8Array.of(value), crc), 0);
    for (let end = 0; end <= bytes.length; end++) {
      expect(crc32c(bytes.subarray(0, end))).toBe(oneByOne(end));
      expect(crc32c(bytes.subarray(end), crc32c(bytes.subarray(0, end)))).toBe(oneByOne(bytes.length));
    }
  });
});
