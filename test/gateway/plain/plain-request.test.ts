import fc from "fast-check";
import { expect, test } from "vitest";
import { percentEncode, plainTarget, wantsJson } from "../../../src/gateway/plain/plain-request.ts";

function target(path: string, method = "GET"): ReturnType<typeof plainTarget> {
  return plainTarget(new Request(`http://edge${path}`, { method }));
}

test("any bytes can be a key, and the place where a list goes on: what is encoded comes back", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (key, from) => {
      const path = [...key].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
      const read = target(`/kv/x${path}?prefix&from=${percentEncode(from)}`);
      expect(read.key).toEqual(Uint8Array.of(0x78, ...key));
      const below = Buffer.compare(from, read.key) < 0;
      expect(read.from).toEqual(below ? undefined : from);
    }),
  );
});

test("as do all that browsers encode themselves, and those that no one has to", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), (text) => {
      const key = new TextEncoder().encode(text);
      expect(target(`/kv/x${encodeURIComponent(text)}`).key).toEqual(new Uint8Array([120, ...key]));
    }),
  );
  expect(target("/kv/a+b c/ü").key).toEqual(new TextEncoder().encode("a+b c/ü"));
});

test("dots between slashes are the address's own, unless the slash is encoded", () => {
  expect(target("/kv/a/../b").key).toEqual(new TextEncoder().encode("b"));
  expect(target("/kv/a%2F..%2Fb").key).toEqual(new TextEncoder().encode("a/../b"));
});

test.each([
  ["application/json", true],
  ["application/json, text/plain, */*", true],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false],
  ["text/plain, application/json;q=0.5", false],
  ["application/json;q=0", false],
  ["*/*", false],
  ["", false],
])("Accept: %j prefers JSON: %s", (accept, expected) => {
  expect(wantsJson(new Headers({ accept }))).toBe(expected);
});
