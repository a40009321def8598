import { createHmac, hkdfSync } from "node:crypto";
import { expect, test } from "vitest";
import { equalSecrets } from "../../src/base/bytes.ts";
import { hkdfSha256, hmacSha256 } from "../../src/base/hmac-sha256.ts";
import { Prng } from "../../src/base/prng.ts";

function bytes(prng: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => prng.int(0, 256));
}

test("HMAC and HKDF equal Node's, for keys and messages of every length around a block", () => {
  const prng = new Prng(7n);
  for (let length = 0; length < 140; length++) {
    const [key, message] = [bytes(prng, length), bytes(prng, 139 - length)];
    expect(hmacSha256(key, message)).toEqual(new Uint8Array(createHmac("sha256", key).update(message).digest()));
    expect(hkdfSha256(key, message, message)).toEqual(new Uint8Array(hkdfSync("sha256", key, message, message, 32)));
  }
});

test("secrets are equal if all bytes are", () => {
  const secret = new Uint8Array([1, 2, 3]);
  expect(equalSecrets(secret, secret.slice())).toBe(true);
  for (const other of [[], [1, 2], [1, 2, 4], [0, 2, 3], [1, 2, 3, 0]]) {
    expect(equalSecrets(secret, new Uint8Array(other))).toBe(false);
  }
});
