/** Passwords and tokens by libraries, where they have to work: in workerd. */
import { expect, test } from "vitest";
import { toBase64 } from "../../../src/base/text-codes.ts";
import { jwtTokens } from "../../../src/member/auth/jwt-tokens.ts";
import { memberPasswords } from "../../../src/member/auth/passwords.ts";

test("EA6: a password is hashed and verified in workerd, and so is one that an etcd hashed", async () => {
  const passwords = memberPasswords((work) => work(), 4);
  expect(await passwords.verify("pässwörd", await passwords.hash("pässwörd"))).toBe(true);
  const etcds = "$2a$10$OAoRsAiLmTllmMOP7rHS6eAO6IP99gDxc7z5jVDxQvoE52icCaSsu";
  expect(await passwords.verify("pässwörd", etcds)).toBe(true);
  expect(await passwords.verify("password", etcds)).toBe(false);
});

test.each([
  ["EdDSA", { name: "Ed25519" }],
  ["ES256", { name: "ECDSA", namedCurve: "P-256" }],
  ["ES512", { name: "ECDSA", namedCurve: "P-521" }],
  ["PS256", { name: "RSA-PSS", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" }],
])("EA7: workerd signs and verifies tokens by %s", async (method, algorithm) => {
  const pair = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const pkcs8 = new Uint8Array((await crypto.subtle.exportKey("pkcs8", pair.privateKey)) as ArrayBuffer);
  const privateKey = `-----BEGIN PRIVATE KEY-----\\n${toBase64(pkcs8)}\\n-----END PRIVATE KEY-----`;
  const tokens = await jwtTokens({ method, ttlMs: 60_000, privateKey, publicKey: "", nowMs: () => Date.now() });
  const token = await tokens.issue("amy", 7, "");
  expect(await tokens.callerOf(token, 7)).toEqual({ username: "amy", revision: 7 });
  const [head = "", , tail = ""] = token.split(".");
  const forged = btoa(JSON.stringify({ username: "root", revision: 7, exp: 9e9 })).replaceAll("=", "");
  expect(await tokens.callerOf(`${head}.${forged}.${tail}`, 7)).toBeUndefined();
});
