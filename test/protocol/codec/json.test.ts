import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import { decodeJson } from "../../../src/protocol/codec/json-decode.ts";
import { encodeJson } from "../../../src/protocol/codec/json-encode.ts";
import { integerOf } from "../../../src/protocol/codec/json-integer.ts";
import {
  compareSchema,
  eventSchema,
  putRequestSchema,
  putResponseSchema,
  rangeRequestSchema,
  rangeResponseSchema,
  requestOpSchema,
  txnRequestSchema,
} from "../../../src/protocol/api/schema/kv-schema.ts";
import {
  compare,
  keyValue,
  putRequest,
  rangeRequest,
  rangeResponse,
  txnRequest,
} from "../../../src/protocol/api/kv.ts";
import { responseHeader } from "../../../src/protocol/api/header.ts";
import {
  leaseGrantRequestSchema,
  leaseTimeToLiveResponseSchema,
} from "../../../src/protocol/api/schema/lease-schema.ts";
import { hashKvResponseSchema, moveLeaderResponseSchema } from "../../../src/protocol/api/schema/maintenance-schema.ts";
import { memberListResponseSchema } from "../../../src/protocol/api/schema/cluster-schema.ts";
import { watchCreateRequestSchema, watchRequestSchema } from "../../../src/protocol/api/schema/watch-schema.ts";
import { authUserAddRequestSchema } from "../../../src/protocol/api/schema/auth-schema.ts";
import type { Schema } from "../../../src/protocol/codec/schema.ts";
import { ALL_SCHEMAS } from "../support/all-schemas.ts";
import { arbitraryMessage } from "../support/arbitrary.ts";

function refusal(schema: Schema<unknown>, text: string | Uint8Array): string {
  try {
    decodeJson(schema, text);
  } catch (error) {
    expect(error).toBeInstanceOf(EtcdError);
    expect((error as EtcdError).code).toBe(GrpcCode.InvalidArgument);
    return (error as EtcdError).message;
  }
  return "not refused";
}

describe("round trips", () => {
  test.each(ALL_SCHEMAS.map((schema) => [schema.name, schema] as const))("%s is decoded from its JSON", (_, schema) => {
    fc.assert(
      fc.property(arbitraryMessage(schema), (message) => {
        const text = encodeJson(schema, message);
        expect(decodeJson(schema, text)).toEqual(message);
        expect(decodeJson(schema, utf8Encode(text))).toEqual(message);
        expect(() => JSON.parse(text) as unknown).not.toThrow();
      }),
      { numRuns: 15 },
    );
  });
});

describe("etcd's JSON output", () => {
  test("proto names, 64-bit integers as strings, bytes as base64, zeroes left out", () => {
    const response = rangeResponse({
      header: responseHeader({ clusterId: 2n ** 64n - 1n, revision: 7 }),
      kvs: [
        keyValue({
          key: utf8Encode("foo"),
          createRevision: 2,
          modRevision: 7,
          version: 3,
          value: new Uint8Array([255, 239]),
          lease: -5n,
        }),
      ],
      count: 1,
    });
    expect(encodeJson(rangeResponseSchema, response)).toBe(
      '{"header":{"cluster_id":"18446744073709551615","revision":"7"},"kvs":[{"key":"Zm9v","create_revision":"2",' +
        '"mod_revision":"7","version":"3","value":"/+8=","lease":"-5"}],"count":"1"}',
    );
  });

  test("unusual names are spelled as in the .proto", () => {
    const lease = { header: responseHeader(), id: 1n, ttl: 2, grantedTtl: 3, keys: [utf8Encode("k")] };
    expect(encodeJson(leaseTimeToLiveResponseSchema, lease)).toBe(
      '{"header":{},"ID":"1","TTL":"2","grantedTTL":"3","keys":["aw=="]}',
    );
    const member = { id: 9n, name: "a", peerUrls: ["p"], clientUrls: ["c"], isLearner: true };
    expect(encodeJson(memberListResponseSchema, { header: responseHeader(), members: [member] })).toBe(
      '{"header":{},"members":[{"ID":"9","name":"a","peerURLs":["p"],"clientURLs":["c"],"isLearner":true}]}',
    );
  });

  test("a uint32 is a number, an enum its name, an enum's zero is left out", () => {
    const hash = { header: responseHeader(), hash: 4_000_000_000, compactRevision: 0, hashRevision: 0 };
    expect(encodeJson(hashKvResponseSchema, hash)).toBe('{"header":{},"hash":4000000000}');
    expect(encodeJson(eventSchema, { type: "DELETE", kv: undefined, prevKv: undefined })).toBe('{"type":"DELETE"}');
    expect(encodeJson(eventSchema, { type: "PUT", kv: undefined, prevKv: undefined })).toBe("{}");
    expect(encodeJson(rangeRequestSchema, rangeRequest({ sortTarget: 99, sortOrder: 2 }))).toBe(
      '{"sort_order":"DESCEND","sort_target":99}',
    );
  });

  test("a union's member is written if it is zero, and a missing header is not", () => {
    const guard = compare({ target: "VERSION", targetUnion: { type: "version", version: 0 } });
    expect(encodeJson(compareSchema, guard)).toBe('{"version":"0"}');
    expect(encodeJson(moveLeaderResponseSchema, { header: undefined })).toBe("{}");
  });

  test("text is escaped as JSON, and half a surrogate pair becomes U+FFFD", () => {
    const user = { name: 'a"\n\u2028\ud800', password: "", options: undefined, hashedPassword: "" };
    expect(JSON.parse(encodeJson(authUserAddRequestSchema, user))).toEqual({ name: 'a"\n\u2028\ufffd' });
  });
});

describe("etcd's JSON input", () => {
  test("a field has its proto name or its lowerCamelCase name", () => {
    for (const text of ['{"range_end":"AA==","sort_order":"ASCEND"}', '{"rangeEnd":"AA==","sortOrder":"ASCEND"}']) {
      expect(decodeJson(rangeRequestSchema, text)).toEqual(
        rangeRequest({ rangeEnd: new Uint8Array(1), sortOrder: "ASCEND" }),
      );
    }
    expect(decodeJson(leaseGrantRequestSchema, '{"TTL":5,"ID":"7"}')).toEqual({ ttl: 5, id: 7n });
    expect(decodeJson(leaseGrantRequestSchema, '{"ttl":5,"id":"7"}')).toEqual({ ttl: 0, id: 0n });
  });

  test("an unknown field is discarded, whatever its content", () => {
    expect(
      decodeJson(rangeRequestSchema, '{"x":{"limit":[1,{"y":null}]},"limit":3,"constructor":1,"__proto__":2}'),
    ).toEqual(rangeRequest({ limit: 3 }));
  });

  test("null is an absent field, for scalars, lists, messages and union members", () => {
    expect(decodeJson(txnRequestSchema, '{"compare":null}')).toEqual(txnRequest());
    expect(decodeJson(putResponseSchema, '{"prev_kv":null,"header":null}')).toMatchObject({ prevKv: undefined });
    expect(decodeJson(requestOpSchema, '{"request_range":null,"request_put":{}}')).toEqual({
      type: "put",
      put: putRequest(),
    });
  });

  test("null in a list is rejected", () => {
    expect(refusal(txnRequestSchema, '{"compare":[null]}')).toBe(
      "proto: syntax error (line 1:13): unexpected token null",
    );
    expect(refusal(watchCreateRequestSchema, '{"filters":[null]}')).toBe(
      "proto: (line 1:13): invalid value for enum field filters: null",
    );
  });

  test("bytes are base64 of either alphabet, with or without padding", () => {
    for (const text of ['"/+8="', '"_-8="', '"/+8"', '"_-8"']) {
      expect(decodeJson(putRequestSchema, `{"key":${text}}`).key).toEqual(new Uint8Array([255, 239]));
    }
    for (const text of ['"/-8="', '"a"', '"YQ="', '"YQ==="', '"a b="', "5", "true", "[1]"]) {
      expect(refusal(putRequestSchema, `{"key":${text}}`)).toMatch(
        /^proto: \(line 1:8\): invalid value for bytes field key: /,
      );
    }
  });

  test("an integer is a number or a string, in any spelling that is an integer", () => {
    const spellings = ["100", '"100"', "1e2", '"1E+2"', "100.0", "1000e-1", "10.0e1", '"0.1e3"'];
    for (const spelling of spellings)
      expect(decodeJson(rangeRequestSchema, `{"limit":${spelling}}`).limit, spelling).toBe(100);
    for (const zero of ["0", "-0", '"-0"', "0.0", "0e99"])
      expect(decodeJson(rangeRequestSchema, `{"limit":${zero}}`).limit).toBe(0);
  });

  test("a value that is not an integer is rejected with protojson's message", () => {
    for (const text of [
      "1.5",
      '"1.5"',
      "1e-1",
      '""',
      '" 1"',
      '"1 "',
      '"0x10"',
      '"abc"',
      '"01"',
      '"1_000"',
      "true",
      "{}",
      "9223372036854775808",
      "1e30",
    ]) {
      const shown = text === "{}" ? "{" : text;
      expect(refusal(rangeRequestSchema, `{"revision":${text}}`)).toBe(
        `proto: (line 1:13): invalid value for int64 field revision: ${shown}`,
      );
    }
    expect(refusal(putResponseSchema, '{"header":{"cluster_id":-1}}')).toContain(
      "invalid value for uint64 field clusterId: -1",
    );
  });

  test("a 64-bit id keeps its digits though it is a JSON number", () => {
    expect(decodeJson(putRequestSchema, '{"lease":9223372036854775807}').lease).toBe(2n ** 63n - 1n);
    expect(decodeJson(putRequestSchema, '{"lease":-9223372036854775808}').lease).toBe(-(2n ** 63n));
    expect(decodeJson(putResponseSchema, '{"header":{"member_id":18446744073709551615}}').header.memberId).toBe(
      2n ** 64n - 1n,
    );
  });

  test("a watch's id of 2^53 is rejected; a bound is cut to 2^53", () => {
    expect(refusal(watchRequestSchema, '{"cancel_request":{"watch_id":"9007199254740992"}}')).toContain(
      "value of 2^53 or more is not supported for int64 field watchId",
    );
    expect(decodeJson(rangeRequestSchema, '{"revision":"9223372036854775807"}').revision).toBe(Number.MAX_SAFE_INTEGER);
    expect(decodeJson(rangeRequestSchema, '{"limit":"9223372036854775807"}').limit).toBe(Number.MAX_SAFE_INTEGER);
  });

  test("an enum has a name or number; an unknown number is kept, an unknown name discarded", () => {
    expect(decodeJson(rangeRequestSchema, '{"sort_order":2,"sort_target":"MOD"}')).toEqual(
      rangeRequest({ sortOrder: "DESCEND", sortTarget: "MOD" }),
    );
    expect(decodeJson(rangeRequestSchema, '{"sort_target":99}').sortTarget).toBe(99);
    expect(decodeJson(rangeRequestSchema, '{"sort_target":"mod"}').sortTarget).toBe("KEY");
    expect(decodeJson(watchCreateRequestSchema, '{"filters":["NODELETE","WHAT",0]}').filters).toEqual([
      "NODELETE",
      "NOPUT",
    ]);
    expect(refusal(rangeRequestSchema, '{"sort_target":4294967296}')).toContain(
      "invalid value for enum field sortTarget: 4294967296",
    );
    expect(refusal(rangeRequestSchema, '{"sort_target":true}')).toContain(
      "invalid value for enum field sortTarget: true",
    );
  });

  test("a bool is only true or false", () => {
    expect(decodeJson(rangeRequestSchema, '{"keys_only":true}').keysOnly).toBe(true);
    for (const text of ['"true"', "1", "[]"])
      expect(refusal(rangeRequestSchema, `{"keysOnly":${text}}`)).toContain("invalid value for bool field keysOnly");
  });

  test("a field may occur only once, under one name or under both", () => {
    expect(refusal(rangeRequestSchema, '{"limit":1,"limit":1}')).toBe('proto: (line 1:12): duplicate field "limit"');
    expect(refusal(rangeRequestSchema, '{"range_end":"","rangeEnd":""}')).toBe(
      'proto: (line 1:17): duplicate field "rangeEnd"',
    );
  });

  test("a union takes one member", () => {
    expect(refusal(requestOpSchema, '{"request_put":{},"requestRange":{}}')).toBe(
      'proto: (line 1:19): error parsing "requestRange", oneof etcdserverpb.RequestOp.request is already set',
    );
    expect(refusal(compareSchema, '{"version":0,"value":""}')).toContain(
      "oneof etcdserverpb.Compare.target_union is already set",
    );
    expect(decodeJson(watchRequestSchema, '{"progress_request":{}}')).toEqual({ type: "progress", progress: {} });
  });

  test("a scalar where a message or a list belongs is an unexpected token", () => {
    expect(refusal(requestOpSchema, '{"request_put":5}')).toBe("proto: syntax error (line 1:16): unexpected token 5");
    expect(refusal(txnRequestSchema, '{\n "compare": {}}')).toBe("proto: syntax error (line 2:13): unexpected token {");
    expect(refusal(txnRequestSchema, "[]")).toBe("proto: syntax error (line 1:1): unexpected token [");
    expect(refusal(txnRequestSchema, "  null")).toBe("proto: syntax error (line 1:1): unexpected token null");
  });

  test("an empty body is the empty message, and text after the first value is ignored", () => {
    expect(decodeJson(rangeRequestSchema, "")).toEqual(rangeRequest());
    expect(decodeJson(rangeRequestSchema, " \n")).toEqual(rangeRequest());
    expect(decodeJson(rangeRequestSchema, '{"limit":1} }garbage')).toEqual(rangeRequest({ limit: 1 }));
  });

  test("escapes in names and texts are read", () => {
    expect(decodeJson(authUserAddRequestSchema, String.raw`{"n\u0061me":"\ud83d\ude00\n\"\\\/"}`).name).toBe(
      '😀\n"\\/',
    );
  });
});

describe("text that is not JSON", () => {
  const refused: readonly (readonly [string, string])[] = [
    ['{"limit":1,}', "invalid character '}' looking for beginning of object key string"],
    ['{"a":[1,]}', "invalid character ']' looking for beginning of value"],
    ["{limit:1}", "invalid character 'l' looking for beginning of object key string"],
    ["{'limit':1}", "invalid character '\\'' looking for beginning of object key string"],
    ['{"limit" 1}', "invalid character '1' after object key"],
    ['{"limit":1 "a":2}', "invalid character '\"' after object key:value pair"],
    ['{"a":[1 2]}', "invalid character '2' after array element"],
    ['{"limit":NaN}', "invalid character 'N' looking for beginning of value"],
    ['{"limit":Infinity}', "invalid character 'I' looking for beginning of value"],
    ['{"limit":+1}', "invalid character '+' looking for beginning of value"],
    ['{"limit":01}', "invalid character '1' after object key:value pair"],
    ['{"limit":.5}', "invalid character '.' looking for beginning of value"],
    ['{"limit":1.}', "invalid character '}' after decimal point in numeric literal"],
    ['{"limit":1e}', "invalid character '}' in exponent of numeric literal"],
    ['{"limit":-}', "invalid character '}' in numeric literal"],
    ['{"limit":nul}', "invalid character '}' in literal null (expecting 'l')"],
    ['{"limit":tRue}', "invalid character 'R' in literal true (expecting 'r')"],
    ['{"key":"\n"}', "invalid character '\\n' in string literal"],
    [String.raw`{"key":"\x41"}`, "invalid character 'x' in string escape code"],
    [String.raw`{"key":"\u00g0"}`, "invalid character 'g' in \\u hexadecimal character escape"],
    ['{"limit":1', "unexpected EOF"],
    ['{"key":"abc', "unexpected EOF"],
    ['{"key":"\\', "unexpected EOF"],
    ["/* */{}", "invalid character '/' looking for beginning of value"],
    ["\ufeff{}", "invalid character 'ï' looking for beginning of value"],
    ["\u00a0{}", "invalid character 'Â' looking for beginning of value"],
  ];

  test.each(refused)("%s is rejected with Go's message", (text, words) => {
    expect(refusal(rangeRequestSchema, text)).toBe(words);
  });

  test.each([
    [String.raw`{"name":"\ud800"}`, "proto: unexpected EOF"],
    [String.raw`{"name":"\ud800"}      `, "proto: unexpected EOF"],
    [String.raw`{"x":"\udc00aa"}`, "proto: unexpected EOF"],
    [String.raw`{"name":"\ud800","x":1}`, badEscape(9, String.raw`\",\"x\":`)],
    [String.raw`{"x":"\ud800\u0041"}`, badEscape(6, String.raw`\\u0041`)],
    [String.raw`{"x":"\udc00\udc00"}`, badEscape(6, String.raw`\\udc00`)],
    [String.raw`{"x":"\udc00aaaéaaa","name":""}`, badEscape(6, "aaaéa")],
    [String.raw`{"\udc00aaaaaé":1}`, badEscape(2, String.raw`aaaaa\xc3`)],
    // The first error in the text is reported, unless the text is not JSON.
    [String.raw`{"name":1,"x":"\ud800"}`, "proto: (line 1:9): invalid value for string field name: 1"],
    [String.raw`{"x":"\ud800",,}`, "invalid character ',' looking for beginning of object key string"],
  ])(
    "half a surrogate pair as an escape, %s, is rejected with what protojson took for the other half",
    (text, words) => {
      expect(refusal(authUserAddRequestSchema, text)).toBe(words);
    },
  );

  test("half a surrogate pair is rejected as text, in known fields and others", () => {
    expect(refusal(authUserAddRequestSchema, `{"x":["\udc00"]}`)).toContain("invalid UTF-8 in string");
    for (const half of ["\ud800", "\ud800x", "\udc00", "\udc00\udc00", "\ud800\ud800"]) {
      const words = "proto: syntax error (line 1:9): invalid UTF-8 in string";
      expect(refusal(authUserAddRequestSchema, `{"name":"${half}"}`)).toBe(words);
    }
  });

  test("bytes that are not UTF-8 are rejected", () => {
    expect(refusal(rangeRequestSchema, new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe(
      "proto: syntax error: invalid UTF-8 in string",
    );
  });

  test("nesting deeper than 10,000 is rejected, as by Go's reader, and costs no stack", () => {
    const deep = (depth: number): string => `{"x":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
    expect(refusal(rangeRequestSchema, deep(10_000))).toBe("not refused");
    expect(refusal(rangeRequestSchema, deep(10_001))).toBe("invalid character '[' exceeded max depth");
    const txns = `{"success":[{"requestTxn":`.repeat(3334);
    expect(refusal(txnRequestSchema, txns)).toBe("invalid character '[' exceeded max depth");
  });

  test("nested txns are decoded deeper than etcd accepts them, and rejected deeper than JavaScript's stack", () => {
    const nested = (txns: number): string => `${`{"success":[{"requestTxn":`.repeat(txns)}{}${"}]}".repeat(txns)}`;
    expect(refusal(txnRequestSchema, nested(400))).toBe("not refused");
    expect(refusal(txnRequestSchema, nested(3333))).toBe("etcdserver: too many operations in txn request");
  });

  test("messages above the allowed number are rejected before they fill the memory", () => {
    const many = `{"compare":[${Array.from({ length: 1000 }, () => "{}").join(",")}]}`;
    expect(decodeJson(txnRequestSchema, many, { messagesMax: 1000 }).compare.length).toBe(1000);
    expect(() => decodeJson(txnRequestSchema, many, { messagesMax: 999 })).toThrow("too many messages in one");
  });

  test("the codec accepts and rejects what JSON.parse does", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"x"',
      '"',
      "\\",
      "1",
      "-",
      "0",
      ".5",
      "e1",
      "true",
      "null",
      " ",
      "\n",
      "\\u0041",
      "nul",
    );
    const texts = fc.oneof(
      fc.array(pieces, { maxLength: 10 }).map((list) => list.join("")),
      fc.json(),
    );
    fc.assert(
      fc.property(texts, (text) => {
        let isJson = true;
        try {
          JSON.parse(`{"x":${text}}`);
        } catch {
          isJson = false;
        }
        // Text after the first value is ignored, so only a text that is one whole value can be compared.
        const outcome = refusal(rangeRequestSchema, `{"x":${text}}`);
        if (isJson) expect(outcome).toBe(text.includes("\\ud") ? outcome : "not refused");
        else if (outcome === "not refused") expect(text).toContain("}");
      }),
      { numRuns: 1000 },
    );
  });

  test("random and damaged JSON results in a message or an EtcdError, for every schema", () => {
    const cases = fc.constantFrom(...ALL_SCHEMAS).chain((schema) =>
      fc.record({
        schema: fc.constant(schema),
        text: fc
          .tuple(
            arbitraryMessage(schema),
            fc.nat(),
            fc.constantFrom('"', "{", "}", "[", "]", ",", ":", "9", "e", "\\", "null", ""),
          )
          .map(([message, at, piece]) => {
            const text = encodeJson(schema, message);
            const cut = at % (text.length + 1);
            return text.slice(0, cut) + piece + text.slice(cut + 1);
          }),
      }),
    );
    fc.assert(
      fc.property(cases, ({ schema, text }) => {
        if (refusal(schema, text) === "not refused") encodeJson(schema, decodeJson(schema, text));
      }),
      { numRuns: 800 },
    );
  });
});

describe("integers", () => {
  test("any spelling of an integer is that integer, and a fraction is rejected", () => {
    const spellings = fc.record({
      digits: fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
      shift: fc.integer({ min: -30, max: 10 }),
    });
    fc.assert(
      fc.property(spellings, ({ digits, shift }) => {
        const exact =
          shift >= 0
            ? digits * 10n ** BigInt(shift)
            : digits % 10n ** BigInt(-shift) === 0n
              ? digits / 10n ** BigInt(-shift)
              : undefined;
        expect(integerOf(`${digits}e${shift}`)).toBe(exact);
        expect(integerOf(`${digits}.000e${shift}`)).toBe(exact);
      }),
    );
  });

  test("a huge exponent costs nothing", () => {
    expect(integerOf("1e999999999999")).toBeUndefined();
    expect(integerOf("0e999999999999")).toBe(0n);
    expect(integerOf("1e-999999999999")).toBeUndefined();
    expect(integerOf("9".repeat(100_000))).toBeUndefined();
  });
});

function badEscape(column: number, found: string): string {
  return `proto: syntax error (line 1:${column}): invalid escape code "${found}" in string`;
}
