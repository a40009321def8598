import fc from "fast-check";
import { expect, test } from "vitest";
import { type MuxFrame, decodeFrame, encodeFrame, PIECE_BYTES, piecesOf } from "../../src/protocol/mux-frame.ts";

const stream = fc.nat({ max: 0xffff_ffff });
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const frames: fc.Arbitrary<MuxFrame> = fc.oneof(
  fc.record({ type: fc.constant("open" as const), stream, method: text, token: text, requireLeader: fc.boolean() }),
  fc.record({ type: fc.constant("piece" as const), stream, bytes: fc.uint8Array(), isLast: fc.boolean() }),
  fc.record({ type: fc.constant("cancel" as const), stream }),
  fc.record({ type: fc.constant("credit" as const), stream, bytes: fc.nat({ max: 0xffff_ffff }) }),
  fc.record({ type: fc.constant("end" as const), stream, code: fc.nat({ max: 16 }), message: text }),
  fc.constant({ type: "ping" as const, stream: 0 as const }),
);

test("every frame is decoded from its own bytes", () => {
  fc.assert(
    fc.property(frames, (frame) => {
      expect(decodeFrame(encodeFrame(frame))).toEqual(frame);
    }),
  );
});

test("any bytes decode to a frame or to nothing", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => void decodeFrame(bytes)));
});

test("pieces of a message add up to it, and none of them is large", () => {
  fc.assert(
    fc.property(fc.nat({ max: 3 * PIECE_BYTES }), (length) => {
      const message = Uint8Array.from({ length }, (_, at) => at);
      const pieces = [...piecesOf(7, message)];
      expect(Buffer.compare(Buffer.concat(pieces.map(({ bytes }) => bytes)), message)).toBe(0);
      expect(pieces.map(({ isLast }) => isLast)).toEqual(pieces.map((_, at) => at === pieces.length - 1));
      expect(Math.max(...pieces.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(PIECE_BYTES);
    }),
    { numRuns: 20 },
  );
});
