import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import fc from "fast-check";
import { Sha256 } from "../../src/base/sha256.ts";

test("SHA-256 of bytes in parts is what the platform says of the whole", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), (parts) => {
      const ours = new Sha256();
      for (const part of parts) ours.update(part);
      const theirs = createHash("sha256").update(Buffer.concat(parts)).digest();
      expect(Buffer.from(ours.digest()).equals(theirs)).toBe(true);
    }),
  );
});

test("a digest that was taken is not spoilt by bytes that come after it", () => {
  const hash = new Sha256().update(new Uint8Array(3));
  hash.digest();
  expect(() => hash.update(new Uint8Array(1))).toThrow("destroyed");
  expect(() => hash.digest()).toThrow("destroyed");
});
