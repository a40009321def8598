import { describe, expect, test } from "vitest";
import { SimpleTokens } from "../../../src/member/auth/simple-tokens.ts";
import { jwtTokens } from "../../../src/member/auth/jwt-tokens.ts";
import { openTokenProvider } from "../../../src/member/auth/token-providers.ts";
import type { TokenProvider } from "../../../src/member/auth/credentials.ts";
import { toBase64 } from "../../../src/base/text-codes.ts";

const AMY = { username: "amy", revision: 7 };
const RSA = { name: "RSASSA-PKCS1-v1_5", publicExponent: Uint8Array.of(1, 0, 1) };
const SECRET = "0123456789abcdef".repeat(4);

describe("tokens by --auth-token", () => {
  const noTokens = new SimpleTokens(() => 0, { ttlMs: 1, countMax: 1, lastIndexAtOpen: 0 });

  test("AJ1: simple is the default: sixteen letters from which the log makes a token", async () => {
    const provider = await openTokenProvider(noTokens, {});
    expect(provider.newPrefix()).toMatch(/^[a-zA-Z]{16}$/);
    expect(provider.newPrefix()).not.toBe(provider.newPrefix());
    expect(await provider.issue("amy", 7, "t.1")).toBe("t.1");
  });

  test.each([
    ["nonsense", "", 'no such token type: "nonsense"'],
    ["jwt", SECRET, '"" is no sign-method'],
    ["jwt,sign-method=none", SECRET, '"none" is no sign-method'],
    ["jwt,sign-method=HS256", "", "HS256 needs a secret of 32 bytes or more"],
    ["jwt,sign-method=HS256,sign-method=HS384", SECRET, "invalid auth options"],
    ["jwt,sign-method=HS256,ttl=soon", SECRET, "invalid auth options: ttl=soon"],
    ["jwt,sign-method=HS256,ttl=999ms", SECRET, "the ttl of a token is from 1s to 24h"],
    ["jwt,sign-method=HS256,ttl=24h1s", SECRET, "the ttl of a token is from 1s to 24h"],
    ["jwt,sign-method=HS256,ttl=0", SECRET, "invalid auth options: ttl=0"],
    ["jwt,sign-method", SECRET, "invalid auth options"],
    ["jwt,sign-method=ES256", SECRET, '"openssl pkcs8 -topk8 -nocrypt"'],
    ["jwt,sign-method=ES256", "", "ES256 needs a private key, or a public one to verify only"],
  ])("AJ2: %j with the key %j is refused with a message that says what is valid", async (type, privateKey, message) => {
    const opened = openTokenProvider(noTokens, { type, privateKey });
    await expect(opened).rejects.toThrow(/^auth: /);
    await expect(opened).rejects.toThrow(message);
  });

  test("AJ3: the TTL is parsed as Go writes it", async () => {
    const provider = await openTokenProvider(noTokens, { type: "jwt,sign-method=HS256,ttl=1h30m", privateKey: SECRET });
    const earliest = Date.now() / 1000;
    const [, body = ""] = (await provider.issue("amy", 7, "")).split(".");
    const latest = Date.now() / 1000;
    const { exp } = JSON.parse(atob(body)) as { exp: number };
    expect(exp).toBeGreaterThan(earliest + 5400 - 1);
    expect(exp).toBeLessThan(latest + 5400 + 1);
  });
});

describe("jwt", () => {
  test.each([
    [
      "RS256",
      { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-256" },
    ],
    ["PS384", { name: "RSA-PSS", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: "SHA-384" }],
    ["ES256", { name: "ECDSA", namedCurve: "P-256" }],
    ["ES384", { name: "ECDSA", namedCurve: "P-384" }],
    ["ES512", { name: "ECDSA", namedCurve: "P-521" }],
    ["EdDSA", { name: "Ed25519" }],
  ])(
    "AJ4: %s signs with the private key and verifies with the public one, and with that alone issues none",
    async (method, algorithm) => {
      const pair = await pems(algorithm);
      const options = { method, ttlMs: 60_000, nowMs: () => 0 };
      const signer = await jwtTokens({ ...options, privateKey: pair.privateKey, publicKey: "" });
      const verifier = await jwtTokens({ ...options, privateKey: "", publicKey: pair.publicKey });
      const token = await signer.issue("amy", 7, "");
      expect(await signer.callerOf(token, 9)).toEqual(AMY);
      expect(await verifier.callerOf(token, 9)).toEqual(AMY);
      expect(await verifier.callerOf(`${token.slice(0, -4)}AAAA`, 9)).toBeUndefined();
      await expect(verifier.issue("amy", 7, "")).rejects.toThrow("auth: token signing attempted with verify-only key");
      await expect(jwtTokens({ ...options, ...pair })).resolves.toBeDefined();
      const other = await pems(algorithm);
      const mixed = { ...options, privateKey: pair.privateKey, publicKey: other.publicKey };
      await expect(jwtTokens(mixed)).rejects.toThrow("auth: public and private keys don't match");
    },
  );

  test.each([
    ["RS256", { ...RSA, hash: "SHA-256", modulusLength: 1024 }, "needs an RSA key of 2048 bits or more, and has 1024"],
    ["PS256", { ...RSA, hash: "SHA-256", modulusLength: 1024 }, "needs an RSA key of 2048 bits or more, and has 1024"],
    ["ES256", { name: "ECDSA", namedCurve: "P-384" }, "is none for ES256"],
    ["ES384", { name: "ECDSA", namedCurve: "P-256" }, "is none for ES384"],
    ["ES512", { name: "Ed25519" }, "is none for ES512"],
    ["EdDSA", { name: "ECDSA", namedCurve: "P-256" }, '"openssl genpkey -algorithm ed25519" makes one'],
    ["RS256", { name: "ECDSA", namedCurve: "P-256" }, "is none for RS256"],
  ])(
    "AJ9: a key that is too weak for %s or of another kind is refused at the start (%#)",
    async (method, made, message) => {
      const pair = await pems(made);
      const options = { method, ttlMs: 60_000, nowMs: () => 0 };
      await expect(jwtTokens({ ...options, privateKey: pair.privateKey, publicKey: "" })).rejects.toThrow(message);
      await expect(jwtTokens({ ...options, privateKey: "", publicKey: pair.publicKey })).rejects.toThrow(message);
    },
  );

  test.each([
    ["HS256", 32],
    ["HS384", 48],
    ["HS512", 64],
  ])("AJ5: %s signs and verifies with the one secret, of %d bytes or more", async (method, bytes) => {
    const options = { method, ttlMs: 60_000, publicKey: "", nowMs: () => 0 };
    const ours = await jwtTokens({ ...options, privateKey: "k".repeat(bytes) });
    const theirs = await jwtTokens({ ...options, privateKey: "o".repeat(bytes) });
    expect(await ours.callerOf(await ours.issue("amy", 7, ""), 9)).toEqual(AMY);
    expect(await ours.callerOf(await theirs.issue("amy", 7, ""), 9)).toBeUndefined();
    await expect(jwtTokens({ ...options, privateKey: "k".repeat(bytes - 1) })).rejects.toThrow(
      `auth: ${method} needs a secret of ${bytes} bytes or more as its private key, and has ${bytes - 1}`,
    );
  });

  test("AJ6: a token expires at its time, within the tolerance for members' clocks", async () => {
    let nowMs = 1_000_000;
    const provider = await hs256(() => nowMs);
    const token = await provider.issue("amy", 7, "");
    nowMs += 64_999;
    expect(await provider.callerOf(token, 7)).toEqual(AMY);
    nowMs += 1;
    expect(await provider.callerOf(token, 7)).toBeUndefined();
  });

  test("AJ10: a token of etcd's form is accepted, and extra claims do not matter", async () => {
    const provider = await hs256(() => 0);
    expect(await provider.callerOf(await signed({}, {}), 7)).toEqual(AMY);
    // As golang-jwt writes it, with the claims in the order of their names.
    expect(JSON.parse(atob((await provider.issue("amy", 7, "")).split(".")[1] ?? ""))).toEqual({ ...AMY, exp: 60 });
    expect(await provider.callerOf(await signed({ kid: "1" }, { iss: "x", nbf: 4 }), 7)).toEqual(AMY);
  });

  test.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ["another method", { alg: "HS512" }, {}],
    ["no type", { typ: undefined }, {}],
    ["another type", { typ: "at+jwt" }, {}],
    ["an extension that is critical", { crit: ["b64"], b64: true }, {}],
    ["no user", {}, { username: undefined }],
    ["a user without a name", {}, { username: "" }],
    ["a user that is no text", {}, { username: 7 }],
    ["no revision", {}, { revision: undefined }],
    ["a revision that is text", {}, { revision: "7" }],
    ["a revision with a fraction", {}, { revision: 7.5 }],
    ["a revision below zero", {}, { revision: -1 }],
    ["no end", {}, { exp: undefined }],
    ["an end that is no number", {}, { exp: "later" }],
    ["an end that is past", {}, { exp: -6 }],
    ["an end further away than a token may last", {}, { exp: 24 * 60 * 60 + 6 }],
    ["a beginning to come", {}, { nbf: 99 }],
  ])("AJ7: a genuine token with %s is none", async (_what, header, claims) => {
    const provider = await hs256(() => 0);
    expect(await provider.callerOf(await signed(header, claims), 7)).toBeUndefined();
  });

  test("AJ11: a token without a signature is invalid, and a public key is not a secret", async () => {
    const provider = await hs256(() => 0);
    const [, body] = (await signed({}, {})).split(".");
    for (const alg of ["none", "None", "HS256"]) {
      const head = btoa(JSON.stringify({ alg, typ: "JWT" })).replaceAll("=", "");
      expect(await provider.callerOf(`${head}.${body}.`, 7)).toBeUndefined();
    }
    const pair = await pems({ name: "ECDSA", namedCurve: "P-256" });
    const es256 = await jwtTokens({ method: "ES256", ttlMs: 60_000, ...pair, nowMs: () => 0 });
    expect(await es256.callerOf(await signed({}, {}, pair.publicKey), 7)).toBeUndefined();
  });

  test("AJ12: a token that is too long is invalid, however genuine", async () => {
    const provider = await hs256(() => 0);
    expect(await provider.callerOf(await signed({}, { more: "x".repeat(1_000) }), 7)).toEqual(AMY);
    expect(await provider.callerOf(await signed({}, { more: "x".repeat(8_000) }), 7)).toBeUndefined();
  });

  test.each(["", ".", "..", "a.b.c", "a.b.c.d", "e30.e30.", "x".repeat(10_000)])(
    "AJ8: rubbish is no token (%#)",
    async (token) => {
      const provider = await hs256(() => 0);
      expect(await provider.callerOf(token, 7)).toBeUndefined();
    },
  );
});

function hs256(nowMs: () => number): Promise<TokenProvider> {
  return jwtTokens({ method: "HS256", ttlMs: 60_000, privateKey: SECRET, publicKey: "", nowMs });
}

/** A genuine token with arbitrary content. */
async function signed(
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>,
  secret = SECRET,
): Promise<string> {
  const head = { alg: "HS256", typ: "JWT", ...header };
  const body = { username: "amy", revision: 7, exp: 60, ...claims };
  const text = [head, body].map((part) => base64Url(new TextEncoder().encode(JSON.stringify(part)))).join(".");
  const algorithm = { name: "HMAC", hash: `SHA-${head.alg.slice(2)}` };
  const key = await crypto.subtle.importKey("raw", new TextEncoder().encode(secret), algorithm, false, ["sign"]);
  const signature = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text));
  return `${text}.${base64Url(new Uint8Array(signature))}`;
}

function base64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function pems(
  algorithm: Readonly<Record<string, unknown>> & { readonly name: string },
): Promise<{ privateKey: string; publicKey: string }> {
  const pair = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const pem = (label: string, bytes: ArrayBuffer): string =>
    `-----BEGIN ${label}-----\n${toBase64(new Uint8Array(bytes)).replaceAll(/(.{64})/g, "$1\n")}\n-----END ${label}-----\n`;
  return {
    privateKey: pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", pair.privateKey)),
    publicKey: pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", pair.publicKey)),
  };
}
