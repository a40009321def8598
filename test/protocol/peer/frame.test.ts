import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../../src/base/text-codes.ts";
import { DecodeError } from "../../../src/protocol/decode-error.ts";
import type { FrameBody } from "../../../src/protocol/peer/frame-schema.ts";
import { FRAME_HEADER_BYTES, FrameVersionError, decodeFrame, encodeFrame } from "../../../src/protocol/peer/frame.ts";
import { PROTOCOL_VERSION } from "../../../src/protocol/version.ts";
import { arbitraryRaftMessage } from "../support/arbitrary-raft.ts";

const id = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const header = fc.record({ clusterId: id, from: id, to: id });
const number = fc.maxSafeNat();
const data = fc.uint8Array({ maxLength: 100 });
const text = fc.string({ maxLength: 20 });
const strings = fc.array(text, { maxLength: 2 });
const member = fc.record({ id, name: text, peerUrls: strings, clientUrls: strings, isLearner: fc.boolean() });
const bodyOf = <Type extends FrameBody["type"]>(type: Type): { type: fc.Arbitrary<Type> } => ({
  type: fc.constant(type),
});

const body: fc.Arbitrary<FrameBody> = fc.oneof(
  fc.record({ ...bodyOf("raft"), messages: fc.array(arbitraryRaftMessage(), { maxLength: 3 }) }),
  fc.record({
    ...bodyOf("snapshot-chunk"),
    transferId: number,
    message: arbitraryRaftMessage().filter((message) => message.type === "snapshot"),
    seq: number,
    last: fc.boolean(),
    data,
  }),
  fc.record({ ...bodyOf("quiet"), term: number, index: number }),
  fc.record({ ...bodyOf("wake") }),
  fc.record({ ...bodyOf("not-leading") }),
  fc.record({ ...bodyOf("snapshot-ack"), transferId: number, nextSeq: number }),
  fc.record({ ...bodyOf("join"), name: text, memberId: id, key: data, invitation: data }),
  fc.record({ ...bodyOf("join-response"), refusal: text, clusterId: id, members: fc.array(member, { maxLength: 3 }) }),
  fc.record({ ...bodyOf("ping"), nonce: number }),
  fc.record({ ...bodyOf("pong"), nonce: number }),
  fc.record({ ...bodyOf("goodbye") }),
  fc.record({ ...bodyOf("rpc"), id: number, method: text, payload: data }),
  fc.record({ ...bodyOf("rpc-response"), id: number, code: fc.nat(16), message: text, payload: data }),
);

const LIMIT = { maxBytes: 1 << 20 };

describe("frames", () => {
  test("a frame decodes to what was encoded", () => {
    fc.assert(
      fc.property(header, body, (head, content) => {
        const frame = encodeFrame(head, content);
        expect(decodeFrame(frame, LIMIT)).toEqual({ header: head, body: content });
        expect(decodeFrame(frame, { ...LIMIT, copy: true })).toEqual({ header: head, body: content });
      }),
      { numRuns: 200 },
    );
  });

  test("a frame in the middle of a larger buffer is decoded from there", () => {
    const frame = encodeFrame({ clusterId: 1n, from: 2n, to: 3n }, { type: "ping", nonce: 5 });
    const padded = new Uint8Array(frame.length + 20).fill(0xee);
    padded.set(frame, 10);
    expect(decodeFrame(padded.subarray(10, 10 + frame.length), LIMIT)).toEqual({
      header: { clusterId: 1n, from: 2n, to: 3n },
      body: { type: "ping", nonce: 5 },
    });
  });

  test("the header is magic, version, flags, kind and three ids, big-endian", () => {
    const frame = encodeFrame({ clusterId: 1n, from: 0xa0n, to: 2n ** 64n - 1n }, { type: "pong", nonce: 3 });
    const version = PROTOCOL_VERSION.toString(16).padStart(2, "0");
    expect(toHex(frame)).toBe(
      `51${version}0006` + "0000000000000001" + "00000000000000a0" + "ffffffffffffffff" + "0803",
    );
    expect(frame.length).toBe(FRAME_HEADER_BYTES + 2);
  });

  test("another version is distinguished from garbage, and the error names both versions", () => {
    const frame = encodeFrame({ clusterId: 1n, from: 2n, to: 3n }, { type: "goodbye" });
    frame[1] = 200;
    // Only the first two bytes can be relied on.
    for (const seen of [frame, frame.subarray(0, 2)]) {
      expect(() => decodeFrame(seen, LIMIT)).toThrow(new FrameVersionError(200, PROTOCOL_VERSION));
      expect(() => decodeFrame(seen, LIMIT)).toThrow(
        `the sender speaks protocol version 200, we speak ${PROTOCOL_VERSION}`,
      );
    }
  });

  test("bytes that are not a frame are rejected: other magic, unknown flags or kind, cut off, too long", () => {
    const frame = encodeFrame({ clusterId: 1n, from: 2n, to: 3n }, { type: "goodbye" });
    const changed = (at: number, byte: number): Uint8Array => frame.map((old, index) => (index === at ? byte : old));
    const refused: readonly (readonly [Uint8Array, string])[] = [
      [new Uint8Array(0), "not a frame"],
      [changed(0, 0x52), "not a frame"],
      [changed(2, 1), "unknown flags 1"],
      [changed(3, 99), "unknown kind 99"],
      [frame.subarray(0, 27), "the header is cut off"],
    ];
    for (const [bytes, words] of refused) expect(() => decodeFrame(bytes, LIMIT)).toThrow(words);
    expect(() => decodeFrame(frame, { maxBytes: 27 })).toThrow("28 bytes, of at most 27");
  });

  test("random and damaged frames result in a frame or a DecodeError", () => {
    const damaged = fc.tuple(header, body, fc.nat(), fc.nat(255)).map(([head, content, at, byte]) => {
      const frame = encodeFrame(head, content);
      frame[2 + (at % (frame.length - 2))] = byte;
      return byte % 4 === 0 ? frame.subarray(0, at % frame.length) : frame;
    });
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array()), (bytes) => {
        try {
          decodeFrame(bytes, LIMIT);
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 800 },
    );
  });
});
