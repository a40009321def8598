import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BATCH_FRAMES_MAX,
  decodeFrame,
  decodeFrames,
  encodeBatch,
  encodeFrame,
  PIECE_BYTES,
  piecesOf,
} from "../../src/protocol/mux-frame.ts";
import type { MuxFrame } from "../../src/protocol/mux-frame.ts";

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

test("every batch is decoded from its own bytes, and a single frame as itself", () => {
  fc.assert(
    fc.property(fc.array(frames, { minLength: 1, maxLength: 8 }), (batch) => {
      expect(decodeFrames(encodeBatch(batch.map(encodeFrame)))).toEqual({ frames: batch, isBatch: true });
    }),
  );
  const ping = { type: "ping", stream: 0 } as const;
  expect(decodeFrames(encodeFrame(ping))).toEqual({ frames: [ping], isBatch: false });
});

test("a batch that is empty, cut off, too long or within a batch is nothing", () => {
  const ping = encodeFrame({ type: "ping", stream: 0 });
  const whole = encodeBatch([ping, ping]);
  expect(decodeFrames(whole)?.frames).toHaveLength(2);
  for (let length = 1; length < whole.length; length++) {
    const cut = decodeFrames(whole.subarray(0, length));
    // Cut between two frames, it is a batch of the first.
    if (length === encodeBatch([ping]).length) expect(cut?.frames).toHaveLength(1);
    else expect(cut).toBeUndefined();
  }
  expect(decodeFrames(encodeBatch([whole]))).toBeUndefined();
  expect(decodeFrames(encodeBatch(Array.from({ length: BATCH_FRAMES_MAX }, () => ping)))).toBeDefined();
  expect(decodeFrames(encodeBatch(Array.from({ length: BATCH_FRAMES_MAX + 1 }, () => ping)))).toBeUndefined();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void decodeFrames(Uint8Array.of(8, ...bytes))));
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
