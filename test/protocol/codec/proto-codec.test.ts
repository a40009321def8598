import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../src/base/text-codes.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { DecodeError, TooDeepError } from "../../../src/protocol/decode-error.ts";
import { userSchema } from "../../../src/protocol/api/schema/auth-schema.ts";
import { internalRaftRequestSchema } from "../../../src/protocol/peer/internal-schema.ts";
import { internalRaftRequest, requestHeader } from "../../../src/protocol/peer/internal.ts";
import {
  compareSchema,
  eventSchema,
  keyValueSchema,
  putRequestSchema,
  putResponseSchema,
  rangeRequestSchema,
  requestOpSchema,
  txnRequestSchema,
} from "../../../src/protocol/api/schema/kv-schema.ts";
import { compare, putRequest, rangeRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import { leaseGrantRequestSchema } from "../../../src/protocol/api/schema/lease-schema.ts";
import { decode, encode } from "../../../src/protocol/codec/proto-codec.ts";
import type { Schema } from "../../../src/protocol/codec/schema.ts";
import {
  watchCancelRequestSchema,
  watchCreateRequestSchema,
  watchRequestSchema,
  watchResponseSchema,
} from "../../../src/protocol/api/schema/watch-schema.ts";
import { watchCreateRequest, watchResponse } from "../../../src/protocol/api/watch.ts";
import { ALL_SCHEMAS } from "../support/all-schemas.ts";
import { arbitraryMessage } from "../support/arbitrary.ts";

function fromText<Message>(schema: Schema<Message>, hex: string): Message {
  const bytes = fromHex(hex.replaceAll(" ", ""));
  if (bytes === undefined) throw new Error(`not hexadecimal: ${hex}`);
  return decode(schema, bytes);
}

describe("round trips", () => {
  test("all of etcd's messages have a table", () => {
    const names = ALL_SCHEMAS.map((schema) => schema.name);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.startsWith("etcdserverpb.")).length).toBe(101);
  });

  test.each(ALL_SCHEMAS.map((schema) => [schema.name, schema] as const))(
    "%s decodes to what was encoded",
    (_, schema) => {
      fc.assert(
        fc.property(arbitraryMessage(schema), (message) => {
          const bytes = encode(schema, message);
          expect(decode(schema, bytes)).toEqual(message);
          expect(decode(schema, bytes, { copy: true })).toEqual(message);
          expect(encode(schema, decode(schema, bytes))).toEqual(bytes);
        }),
        { numRuns: 25 },
      );
    },
  );

  test("a message larger than the writer's buffer survives its growth", () => {
    const value = new Uint8Array(200_000).map((_, at) => at % 251);
    const put = putRequest({ key: utf8Encode("large"), value });
    expect(decode(putRequestSchema, encode(putRequestSchema, put))).toEqual(put);
  });
});

describe("golden bytes, by hand from etcd's field numbers", () => {
  test("a put is key, value and lease under 1, 2 and 3", () => {
    const put = putRequest({ key: utf8Encode("foo"), value: utf8Encode("bar"), lease: -1n, ignoreLease: true });
    expect(toHex(encode(putRequestSchema, put))).toBe("0a03666f6f" + "1203626172" + "18ffffffffffffffffff01" + "3001");
  });

  test("a range request's numbers and enums are varints, and zeroes are absent", () => {
    const range = rangeRequest({
      key: utf8Encode("a"),
      limit: 300,
      revision: -1,
      sortOrder: "DESCEND",
      sortTarget: 99,
      maxCreateRevision: 2 ** 53 - 1,
    });
    expect(toHex(encode(rangeRequestSchema, range))).toBe(
      "0a0161" + "18ac02" + "20ffffffffffffffffff01" + "2802" + "3063" + "68ffffffffffffff0f",
    );
    expect(encode(rangeRequestSchema, rangeRequest())).toEqual(new Uint8Array(0));
  });

  test("a compare's range end has number 64 and its operand is written though it is zero", () => {
    const guard = compare({
      key: utf8Encode("k"),
      target: "MOD",
      targetUnion: { type: "modRevision", modRevision: 0 },
      rangeEnd: new Uint8Array(1),
    });
    expect(toHex(encode(compareSchema, guard))).toBe("1002" + "1a016b" + "3000" + "82040100");
  });

  test("an empty request in a union is kept, an empty union is not written", () => {
    expect(toHex(encode(requestOpSchema, { type: "range", range: rangeRequest() }))).toBe("0a00");
    expect(toHex(encode(requestOpSchema, { type: "none" }))).toBe("");
    expect(toHex(encode(watchRequestSchema, { type: "progress", progress: {} }))).toBe("1a00");
    expect(fromText(watchRequestSchema, "1a00")).toEqual({ type: "progress", progress: {} });
  });

  test("a logged put has its request under 4 and its header under 100", () => {
    const logged = internalRaftRequest({
      header: requestHeader({ id: 2n ** 64n - 1n, username: "é" }),
      request: { type: "put", put: putRequest({ key: utf8Encode("k") }) },
    });
    expect(toHex(encode(internalRaftRequestSchema, logged))).toBe(
      "22030a016b" + "a2060f" + "08ffffffffffffffffff01" + "1202c3a9",
    );
  });

  test("a response always has its header, an event only the pairs that it has", () => {
    const response = watchResponse({ events: [{ type: "DELETE", kv: undefined, prevKv: undefined }], watchId: -1 });
    expect(toHex(encode(watchResponseSchema, response))).toBe("0a00" + "10ffffffffffffffffff01" + "5a020801");
    expect(fromText(eventSchema, "1200")).toEqual({ type: "PUT", kv: keyValueSchema.create(), prevKv: undefined });
  });

  test("repeated numbers are written packed", () => {
    const create = watchCreateRequest({ filters: ["NODELETE", "NOPUT", 300] });
    expect(toHex(encode(watchCreateRequestSchema, create))).toBe("2a040100ac02");
  });
});

describe("proto3's rules", () => {
  test("the last occurrence of a scalar counts", () => {
    expect(fromText(rangeRequestSchema, "1805 1807").limit).toBe(7);
  });

  test("a message in several pieces is merged", () => {
    expect(fromText(putResponseSchema, "1203 0a0161 1203 2a0162").prevKv).toMatchObject({
      key: utf8Encode("a"),
      value: utf8Encode("b"),
    });
    expect(fromText(putResponseSchema, "0a02 1805 0a02 2007").header).toMatchObject({ revision: 5, raftTerm: 7 });
  });

  test("the last member of a union counts, and pieces of one member merge", () => {
    expect(fromText(requestOpSchema, "1203 0a0161 1a03 0a0162")).toMatchObject({
      type: "deleteRange",
      deleteRange: { key: utf8Encode("b") },
    });
    expect(fromText(requestOpSchema, "1203 0a0161 1203 120162")).toEqual({
      type: "put",
      put: putRequest({ key: utf8Encode("a"), value: utf8Encode("b") }),
    });
  });

  test("repeated numbers add up, packed or not", () => {
    expect(fromText(watchCreateRequestSchema, "2801 2a020001 2800").filters).toEqual([
      "NODELETE",
      "NOPUT",
      "NODELETE",
      "NOPUT",
    ]);
  });

  test("unknown fields of every wire type are skipped, groups with their content", () => {
    const unknown = "f80701 f907 0000000000000000 fa0703 616263 fd07 00000000 fb07 0801 fb07 fc07 fc07";
    expect(fromText(rangeRequestSchema, `${unknown} 1805`).limit).toBe(5);
  });

  test("any varint except zero is true", () => {
    expect(fromText(rangeRequestSchema, "38 8080808010").serializable).toBe(true);
    expect(fromText(rangeRequestSchema, "38 8000").serializable).toBe(false);
  });

  test("an enum value that etcd does not have is kept as its number", () => {
    expect(fromText(rangeRequestSchema, "3063")).toMatchObject({ sortTarget: 99 });
    expect(fromText(rangeRequestSchema, "30 ffffffffffffffffff01")).toMatchObject({ sortTarget: -1 });
    expect(fromText(rangeRequestSchema, "3003")).toMatchObject({ sortTarget: "MOD" });
  });

  test("an event that is neither put nor delete is rejected", () => {
    expect(() => fromText(eventSchema, "0802")).toThrow("mvccpb.Event.type: unknown value 2");
  });
});

describe("64-bit integers", () => {
  test("a watch's id of 2^53 is rejected, one below is kept, and likewise on the negative side", () => {
    expect(fromText(watchCancelRequestSchema, "08 ffffffffffffff0f").watchId).toBe(Number.MAX_SAFE_INTEGER);
    expect(fromText(watchCancelRequestSchema, "08 8180808080808 0f0ff01").watchId).toBe(Number.MIN_SAFE_INTEGER);
    expect(() => fromText(watchCancelRequestSchema, "08 8080808080808010")).toThrow(
      "WatchCancelRequest.watch_id: an integer of 2^53 or more",
    );
    expect(() => fromText(watchCancelRequestSchema, "08 80808080808080f0ff01")).toThrow("2^53");
  });

  test("a bound beyond 2^53 means unlimited", () => {
    expect(fromText(rangeRequestSchema, "18 ffffffffffffffff7f").limit).toBe(Number.MAX_SAFE_INTEGER);
    expect(fromText(rangeRequestSchema, "18 80808080808080808001").limit).toBe(Number.MIN_SAFE_INTEGER);
    expect(fromText(rangeRequestSchema, "20 ffffffffffffffff7f").revision).toBe(Number.MAX_SAFE_INTEGER);
    expect(fromText(leaseGrantRequestSchema, "08 ffffffffffffffff7f").ttl).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("ids keep all 64 bits and their sign", () => {
    expect(fromText(leaseGrantRequestSchema, "10 80808080808080808001").id).toBe(-(2n ** 63n));
    expect(fromText(putResponseSchema, "0a0b 08 ffffffffffffffffff01").header.clusterId).toBe(2n ** 64n - 1n);
  });
});

describe("garbage", () => {
  const refused: readonly (readonly [string, string, Schema<unknown>])[] = [
    ["a field of the wrong wire type", "0801", putRequestSchema],
    ["a number where a length stands", "1a0161", putRequestSchema],
    ["a length beyond the message", "0a05 6161", putRequestSchema],
    ["a length of one byte too many", "0a02 61", putRequestSchema],
    ["a length beyond the inner message but inside the outer", "0a02 0a03 616161", txnRequestSchema],
    ["a length of more than 32 bits", "0a 8080808010", putRequestSchema],
    ["a varint cut off", "18ff", putRequestSchema],
    ["a varint of eleven bytes", "18 8080808080808080808000", putRequestSchema],
    ["a varint of 65 bits", "18 80808080808080808002", putRequestSchema],
    ["field number 0", "0001", putRequestSchema],
    ["a tag of more than 32 bits", "8080808010 00", putRequestSchema],
    ["a group that ends without a start", "fc07", putRequestSchema],
    ["a group that never ends", "fb07 0801", putRequestSchema],
    ["a group that ends as another", "fb07 0c", putRequestSchema],
    ["wire type 6", "fe07", putRequestSchema],
    ["a fixed value cut off", "fd07 0000", putRequestSchema],
    ["a packed list whose last number is cut off", "2a01ff", watchCreateRequestSchema],
    ["text that is not UTF-8", "1a01ff", userSchema],
  ];

  test.each(refused)("%s is a DecodeError", (_, hex, schema) => {
    expect(() => fromText(schema, hex)).toThrow(DecodeError);
  });

  test("messages nested deeper than a thousand are rejected, groups too", () => {
    let nested = new Uint8Array(0);
    const wrap = (tag: number): void => {
      const length = nested.length < 128 ? [nested.length] : [(nested.length & 0x7f) | 0x80, nested.length >> 7];
      nested = new Uint8Array([tag, ...length, ...nested]);
    };
    const depths = (count: number): void => {
      nested = new Uint8Array(0);
      for (let level = 0; level < count; level++) wrap(level % 2 === 0 ? 0x22 : 0x12);
    };
    depths(1000);
    expect(() => decode(txnRequestSchema, nested)).not.toThrow();
    depths(1002);
    expect(() => decode(txnRequestSchema, nested)).toThrow(TooDeepError);
    expect(() => decode(txnRequestSchema, new Uint8Array(5000).fill(0x7b))).toThrow("nested deeper than 1000");
  });

  test("messages above the allowed number are rejected before they fill the memory", () => {
    const many = new Uint8Array(2000).map((_, at) => (at % 2 === 0 ? 0x0a : 0));
    expect(decode(txnRequestSchema, many, { messagesMax: 1000 }).compare.length).toBe(1000);
    expect(() => decode(txnRequestSchema, many, { messagesMax: 999 })).toThrow("too many messages in one");
  });

  test("random bytes and damaged messages result in a message or a DecodeError, for every schema", () => {
    const damage = fc.record({ at: fc.nat(), byte: fc.nat(255), cut: fc.nat(3) });
    const schemas = fc.constantFrom(...ALL_SCHEMAS);
    const cases = schemas.chain((schema) =>
      fc.record({
        schema: fc.constant(schema),
        bytes: fc.oneof(
          fc.uint8Array({ maxLength: 60 }),
          fc.tuple(arbitraryMessage(schema), damage).map(([message, { at, byte, cut }]) => {
            const valid = encode(schema, message);
            if (valid.length > 0) valid[at % valid.length] = byte;
            return cut === 0 ? valid.subarray(0, at % (valid.length + 1)) : valid;
          }),
        ),
      }),
    );
    fc.assert(
      fc.property(cases, ({ schema, bytes }) => {
        try {
          encode(schema, decode(schema, bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError);
        }
      }),
      { numRuns: 1500 },
    );
  });
});

describe("memory", () => {
  test("decoded bytes are views by default, and copies on request", () => {
    const bytes = encode(putRequestSchema, putRequest({ key: utf8Encode("key") }));
    const view = decode(putRequestSchema, bytes).key;
    const copy = decode(putRequestSchema, bytes, { copy: true }).key;
    bytes.fill(0);
    expect(view).toEqual(new Uint8Array(3));
    expect(copy).toEqual(utf8Encode("key"));
  });

  test("encoded messages do not share a buffer, and a failed encoding leaves nothing behind", () => {
    const put = putRequest({ key: utf8Encode("key") });
    const first = encode(putRequestSchema, put);
    expect(() => encode(rangeRequestSchema, rangeRequest({ key: utf8Encode("rest"), limit: 0.5 }))).toThrow(
      "safe integer",
    );
    expect(encode(putRequestSchema, put)).toEqual(first);
    expect(first.buffer.byteLength).toBe(first.length);
  });

  test("decoding never changes the zero values that messages start from", () => {
    decode(
      txnRequestSchema,
      encode(txnRequestSchema, txnRequest({ compare: [compare()], success: [{ type: "none" }] })),
    );
    expect(decode(txnRequestSchema, new Uint8Array(0))).toEqual(txnRequest());
    expect(decode(requestOpSchema, new Uint8Array(0))).toEqual({ type: "none" });
  });
});
