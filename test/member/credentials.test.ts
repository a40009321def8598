import { describe, expect, test } from "vitest";
import { SimpleTokens } from "../../src/member/simple-tokens.ts";
import { jwtTokens } from "../../src/member/jwt-tokens.ts";
import { openTokenProvider } from "../../src/member/token-providers.ts";
import { DEFAULT_PASSWORD_COST, webCryptoPasswords } from "../../src/member/web-crypto-passwords.ts";
import { toBase64 } from "../../src/base/text-codes.ts";

const CHEAP = { iterations: 10, rounds: 2 };
const AMY = { username: "amy", revision: 7 };

describe("passwords", () => {
  test("AP1: a password is verified by its hash, which says how it was made", async () => {
    const passwords = webCryptoPasswords(CHEAP);
    const hashed = await passwords.hash("pässword");
    expect(hashed).toMatch(/^\$pbkdf2-sha256\$i=10,r=2\$[A-Za-z0-9+/=]{24}\$[A-Za-z0-9+/=]{44}$/);
    expect(await passwords.verify("pässword", hashed)).toBe(true);
    expect(await passwords.verify("password", hashed)).toBe(false);
    expect(
      await passwords.verify("pässword", await webCryptoPasswords({ iterations: 20, rounds: 1 }).hash("pässword")),
    ).toBe(true);
  });

  test("AP2: the same password never has the same hash", async () => {
    const passwords = webCryptoPasswords(CHEAP);
    expect(await passwords.hash("a")).not.toBe(await passwords.hash("a"));
  });

  test("AP3: one round is PBKDF2 as RFC 8018 has it, and two are two of them", async () => {
    const passwords = webCryptoPasswords(CHEAP);
    const salt = new Uint8Array(16).fill(5);
    const once = await pbkdf2(new TextEncoder().encode("pw"), salt, 100);
    const twice = await pbkdf2(once, salt, 100);
    const text = (rounds: number, hash: Uint8Array): string =>
      `$pbkdf2-sha256$i=100,r=${rounds}$${toBase64(salt)}$${toBase64(hash)}`;
    expect(await passwords.verify("pw", text(1, once))).toBe(true);
    expect(await passwords.verify("pw", text(2, twice))).toBe(true);
    expect(await passwords.verify("pw", text(2, once))).toBe(false);
  });

  test.each([
    "",
    "plain",
    "$pbkdf2-sha256$i=0,r=1$AAAA$AAAA",
    "$pbkdf2-sha256$i=999999,r=99$AAAAAAAAAAAAAAAAAAAAAA==$QUJD",
  ])("AP4: %j is nobody's hash, and costs no more than one", async (hashed) => {
    expect(await webCryptoPasswords(CHEAP).verify("", hashed)).toBe(false);
  });

  test("AP5: more than a few that wait are refused, so that strangers cannot keep a member busy", async () => {
    const passwords = webCryptoPasswords(CHEAP);
    const all = Array.from({ length: 60 }, () =>
      passwords.verifyNobody("x").then(
        () => "done",
        (error: unknown) => (error as Error).message,
      ),
    );
    const answers = await Promise.all(all);
    expect(answers.filter((answer) => answer === "etcdserver: too many requests").length).toBe(60 - 32);
    expect(await passwords.verify("x", await passwords.hash("x"))).toBe(true);
  });

  test("AP6: no round asks more of Cloudflare than it gives", () => {
    expect(DEFAULT_PASSWORD_COST.iterations).toBeLessThanOrEqual(100_000);
    expect(DEFAULT_PASSWORD_COST.iterations * DEFAULT_PASSWORD_COST.rounds).toBeGreaterThanOrEqual(600_000);
  });
});

describe("tokens by --auth-token", () => {
  const noTokens = new SimpleTokens(() => 0, { ttlMs: 1, countMax: 1, lastIndexAtOpen: 0 });

  test("AJ1: simple is the default: sixteen letters for the log to make a token of", async () => {
    const provider = await openTokenProvider(noTokens, {});
    expect(provider.newPrefix()).toMatch(/^[a-zA-Z]{16}$/);
    expect(provider.newPrefix()).not.toBe(provider.newPrefix());
    expect(await provider.issue("amy", 7, "t.1")).toBe("t.1");
  });

  test.each([
    ["nonsense", ""],
    ["jwt", "k"],
    ["jwt,sign-method=none", "k"],
    ["jwt,sign-method=HS256", ""],
    ["jwt,sign-method=HS256,sign-method=HS384", "k"],
    ["jwt,sign-method=HS256,ttl=soon", "k"],
    ["jwt,sign-method", "k"],
    ["jwt,sign-method=ES256", "k"],
  ])("AJ2: %j with the key %j is no setting", async (type, privateKey) => {
    await expect(openTokenProvider(noTokens, { type, privateKey })).rejects.toThrow(/^auth: /);
  });

  test("AJ3: the time to live is written as Go writes it", async () => {
    const provider = await openTokenProvider(noTokens, { type: "jwt,sign-method=HS256,ttl=1h30m", privateKey: "k" });
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

  test.each(["HS256", "HS384", "HS512"])("AJ5: %s signs and verifies with the one secret", async (method) => {
    const options = { method, ttlMs: 60_000, publicKey: "", nowMs: () => 0 };
    const ours = await jwtTokens({ ...options, privateKey: "secret" });
    const theirs = await jwtTokens({ ...options, privateKey: "other" });
    expect(await ours.callerOf(await ours.issue("amy", 7, ""), 9)).toEqual(AMY);
    expect(await ours.callerOf(await theirs.issue("amy", 7, ""), 9)).toBeUndefined();
  });

  test("AJ6: a token ends with its time", async () => {
    let nowMs = 1_000_000;
    const provider = await jwtTokens({
      method: "HS256",
      ttlMs: 60_000,
      privateKey: "k",
      publicKey: "",
      nowMs: () => nowMs,
    });
    const token = await provider.issue("amy", 7, "");
    nowMs += 59_999;
    expect(await provider.callerOf(token, 7)).toEqual(AMY);
    nowMs += 1;
    expect(await provider.callerOf(token, 7)).toBeUndefined();
  });

  test.each([
    ["no signature", { alg: "none" }, {}, ""],
    ["another method", { alg: "HS512" }, {}, undefined],
    ["no user", { alg: "HS256" }, { username: undefined }, undefined],
    ["no revision", { alg: "HS256" }, { revision: "7" }, undefined],
    ["an end that is no number", { alg: "HS256" }, { exp: "later" }, undefined],
    ["a beginning to come", { alg: "HS256" }, { nbf: 99 }, undefined],
  ])("AJ7: a token with %s is none", async (_what, header, claims, signature) => {
    const provider = await jwtTokens({
      method: "HS256",
      ttlMs: 60_000,
      privateKey: "k",
      publicKey: "",
      nowMs: () => 0,
    });
    const text = [header, { username: "amy", revision: 7, exp: 60, ...claims }]
      .map((part) => btoa(JSON.stringify(part)).replaceAll("=", ""))
      .join(".");
    const key = await crypto.subtle.importKey(
      "raw",
      new TextEncoder().encode("k"),
      { name: "HMAC", hash: "SHA-256" },
      false,
      ["sign"],
    );
    const signed = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(text)));
    const tail = signature ?? toBase64(signed).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    expect(await provider.callerOf(`${text}.${tail}`, 7)).toBeUndefined();
  });

  test.each(["", ".", "..", "a.b.c", "a.b.c.d", "e30.e30.", "x".repeat(10_000)])(
    "AJ8: rubbish is no token (%#)",
    async (token) => {
      const provider = await jwtTokens({
        method: "HS256",
        ttlMs: 60_000,
        privateKey: "k",
        publicKey: "",
        nowMs: () => 0,
      });
      expect(await provider.callerOf(token, 7)).toBeUndefined();
    },
  );
});

async function pbkdf2(
  secret: Uint8Array<ArrayBuffer>,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const key = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations }, key, 256),
  );
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
