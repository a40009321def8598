import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DecodeError } from "../../../src/protocol/decode-error.ts";
import { PART_HEADER_BYTES, Reassembler, fragment } from "../../../src/protocol/peer/fragment.ts";

function randomFrame(size: number): Uint8Array {
  return new Uint8Array(size).map((_, at) => (at * 7919) >> 3);
}

describe("fragments", () => {
  test("a frame comes back whole, and no part is larger than the transport accepts", () => {
    const reassembler = new Reassembler(10_000);
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 3000 }),
        fc.integer({ min: 12, max: 700 }),
        (frame, maxBytes) => {
          const parts = fragment(frame, maxBytes);
          const results = parts.map((part) => {
            expect(part.length).toBeLessThanOrEqual(maxBytes);
            return reassembler.push(part);
          });
          expect(results.pop()).toEqual(frame);
          expect(results.every((result) => result === undefined)).toBe(true);
          expect(reassembler.heldBytes).toBe(0);
        },
      ),
    );
  });

  test("a lost, repeated or swapped part is an error, and the next frame is read again", () => {
    const frame = randomFrame(100);
    const [a, b, c, d] = fragment(frame, 40) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    for (const order of [[a, c], [b], [a, a], [a, b, d], [a, b, b]]) {
      const reassembler = new Reassembler(1000);
      expect(() => order.map((part) => reassembler.push(part))).toThrow(/part \d where part \d is due/);
      expect([a, b, c, d].map((part) => reassembler.push(part)).at(-1)).toEqual(frame);
    }
  });

  test("a part of another frame is an error", () => {
    const reassembler = new Reassembler(1000);
    reassembler.push(fragment(randomFrame(100), 40)[0] as Uint8Array);
    const other = fragment(randomFrame(100).fill(1), 40)[1] as Uint8Array;
    expect(() => reassembler.push(other)).toThrow("a part of another frame");
  });

  test("changed content is an error", () => {
    const [only] = fragment(randomFrame(20), 100) as [Uint8Array];
    only[PART_HEADER_BYTES + 3] = 0xff;
    expect(() => new Reassembler(1000).push(only)).toThrow("the checksum does not match");
  });

  test("a frame above the limit is rejected at its first part, and no more is held than was announced", () => {
    const [first] = fragment(randomFrame(1001), 100) as [Uint8Array];
    expect(() => new Reassembler(1000).push(first)).toThrow("a frame of 1001 bytes, of at most 1000");
    const [short] = fragment(randomFrame(20), 100) as [Uint8Array];
    const padded = new Uint8Array(short.length + 1);
    padded.set(short);
    expect(() => new Reassembler(1000).push(padded)).toThrow("more bytes than announced");
  });

  test("random parts result in a frame, in nothing or in a DecodeError, and hold no more than the limit", () => {
    const valid = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.nat(9)).map(([frame, pick]) => {
      const parts = fragment(frame, 30);
      return parts[pick % parts.length] as Uint8Array;
    });
    const damaged = fc.tuple(valid, fc.nat(), fc.nat(255)).map(([part, at, byte]) => {
      part[at % part.length] = byte;
      return part;
    });
    fc.assert(
      fc.property(fc.array(fc.oneof(valid, damaged, fc.uint8Array({ maxLength: 40 })), { maxLength: 12 }), (parts) => {
        const reassembler = new Reassembler(60);
        for (const part of parts) {
          try {
            reassembler.push(part);
          } catch (error) {
            expect(error).toBeInstanceOf(DecodeError);
          }
          expect(reassembler.heldBytes).toBeLessThanOrEqual(60);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
