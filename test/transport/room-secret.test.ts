import { hkdfSync } from "node:crypto";
import { expect, test } from "vitest";
import { isRoomSecret, newRoomSecret, roomKeys } from "../../src/transport/room-secret.ts";

test("a secret is 32 bytes in base64url; a text that is cut, longer or written otherwise is not", () => {
  const secret = newRoomSecret();
  expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
  expect(newRoomSecret()).not.toBe(secret);
  expect(isRoomSecret(secret)).toBe(true);
  for (const cut of [
    secret.slice(0, -1),
    secret.slice(1),
    `${secret}A`,
    `${secret}=`,
    "",
    " ",
    `${secret.slice(0, -1)}+`,
  ]) {
    expect(isRoomSecret(cut)).toBe(false);
  }
  const zeros = "A".repeat(43);
  expect(isRoomSecret(zeros)).toBe(true);
  // The two bits after the last byte.
  expect(isRoomSecret(`${zeros.slice(0, -1)}B`)).toBe(false);
});

test("keys are derived from the secret by HKDF, and differ by room and by use", () => {
  const secret = Buffer.alloc(32, 9);
  const text = secret.toString("base64url");
  const keys = roomKeys("planning", text);
  const derived = (use: string) => Buffer.from(hkdfSync("sha256", secret, "quorate/room/1", `${use}\0planning`, 32));
  expect(keys.registry).toBe(derived("registry").toString("base64url"));
  expect(Buffer.from(keys.greeting)).toEqual(derived("greeting"));
  expect(Buffer.from(keys.admission)).toEqual(derived("admission"));
  const others = [roomKeys("planning2", text), roomKeys("planning", newRoomSecret()), roomKeys("planning", undefined)];
  const all = [keys, ...others].map(({ greeting }) => Buffer.from(greeting).toString("base64url"));
  expect(new Set([...all, keys.registry]).size).toBe(5);
});

test("an open room sends the registry no key", () => {
  expect(roomKeys("planning", undefined).registry).toBeUndefined();
});

test("deriving keys throws for a text that is not a secret", () => {
  expect(() => roomKeys("planning", "short")).toThrow("32 bytes");
});
