import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes } from "../../../src/base/bytes.ts";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import { JsonStreamReader } from "../../../src/protocol/codec/json-stream.ts";

function readAll(reader: JsonStreamReader, chunks: readonly Uint8Array[]): string[] {
  const messages: string[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let next = reader.next(); next !== undefined; next = reader.next()) messages.push(utf8Decode(next));
  }
  return messages;
}

test("messages come out as they went in, wherever the chunks are cut", () => {
  const objects = fc.array(fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()), { maxLength: 6 });
  fc.assert(
    fc.property(objects, fc.constantFrom("", "\n", " \t\r\n "), fc.array(fc.nat(60)), (values, space, cuts) => {
      const texts = values.map((value) => JSON.stringify(value));
      let rest = concatBytes(...texts.map((text) => utf8Encode(space + text + space)));
      const chunks: Uint8Array[] = [];
      for (const cut of cuts) {
        chunks.push(rest.slice(0, cut));
        rest = rest.slice(cut);
      }
      const reader = new JsonStreamReader(1_000_000);
      expect(readAll(reader, [...chunks, rest])).toEqual(texts.map((text) => utf8Decode(utf8Encode(text))));
      expect(() => reader.end()).not.toThrow();
    }),
  );
});

test("brackets and quotes in texts do not end a message", () => {
  const text = String.raw`{"a":"}]\"{\\","b":[{}]}`;
  expect(readAll(new JsonStreamReader(100), [utf8Encode(`${text}{}`)])).toEqual([text, "{}"]);
});

test("input that ends inside a message is an error; trailing space is allowed", () => {
  const reader = new JsonStreamReader(100);
  expect(readAll(reader, [utf8Encode('{} \n{"a":')])).toEqual(["{}"]);
  expect(() => reader.end()).toThrow("unexpected EOF");
  reader.push(utf8Encode("1} \n"));
  expect(utf8Decode(reader.next() ?? new Uint8Array(0))).toBe('{"a":1}');
  expect(() => reader.end()).not.toThrow();
});

test("input that cannot be a message is rejected at its first character", () => {
  for (const text of ["5", '"text"', "}", "null", ",{}", "\ufeff{}"]) {
    expect(() => readAll(new JsonStreamReader(100), [utf8Encode(`  ${text}`)])).toThrow("unexpected token");
  }
});

test("a message above the limit is rejected while it arrives; many small ones are accepted", () => {
  const reader = new JsonStreamReader(16);
  expect(readAll(reader, [utf8Encode("{}".repeat(1000))]).length).toBe(1000);
  expect(() => readAll(reader, [utf8Encode('{"a":"'), utf8Encode("x".repeat(20))])).toThrow(
    new EtcdError(GrpcCode.ResourceExhausted, "grpc: received message larger than max (17 vs. 16)"),
  );
});
