import { describe, expect, test } from "vitest";
import { toBase64 } from "../../../src/base/text-codes.ts";
import { paced } from "../../../src/member/auth/pace.ts";
import type { Slice } from "../../../src/member/auth/pace.ts";
import { costOfHash, parsePasswordHash } from "../../../src/auth/password-hashes.ts";
import { memberPasswords } from "../../../src/member/auth/passwords.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const AT_ONCE: Slice = (work) => work();
const passwords = memberPasswords(AT_ONCE, 4);
/** Made by etcd 3.7.1, of "pässwörd". */
const ETCDS = "$2a$10$OAoRsAiLmTllmMOP7rHS6eAO6IP99gDxc7z5jVDxQvoE52icCaSsu";

describe("passwords", () => {
  test("AP1: a new password becomes a bcrypt hash of the configured cost, which an etcd verifies too", async () => {
    const hashed = await passwords.hash("pässwörd");
    expect(hashed).toMatch(/^\$2b\$04\$[./A-Za-z0-9]{53}$/);
    expect(await passwords.verify("pässwörd", hashed)).toBe(true);
    expect(await passwords.verify("password", hashed)).toBe(false);
    expect(await memberPasswords(AT_ONCE).hash("x")).toMatch(/^\$2b\$10\$/);
  });

  test("AP2: the same password never has the same hash", async () => {
    expect(await passwords.hash("a")).not.toBe(await passwords.hash("a"));
  });

  test("AP7: a hash made by etcd is verified", async () => {
    expect(await passwords.verify("pässwörd", ETCDS)).toBe(true);
    expect(await passwords.verify("passwort", ETCDS)).toBe(false);
  });

  test("AP8: 72 bytes of a password count, as in etcd: a longer one is refused with its error text", async () => {
    const hashed = await passwords.hash("é".repeat(36));
    expect(await passwords.verify("é".repeat(36), hashed)).toBe(true);
    await expect(passwords.hash(`${"é".repeat(36)}x`)).rejects.toThrow("bcrypt: password length exceeds 72 bytes");
    // etcd's log-in reads 72 bytes and no more.
    expect(await passwords.verify(`${"é".repeat(36)}x`, hashed)).toBe(true);
    expect(await passwords.verify("é".repeat(35), hashed)).toBe(false);
    expect(await passwords.verify("é".repeat(5_000), hashed)).toBe(false);
  });

  test("AP3: hashes of older versions are verified: one round is PBKDF2 by RFC 8018, two are two of them", async () => {
    const salt = new Uint8Array(16).fill(5);
    const once = await pbkdf2(new TextEncoder().encode("pw"), salt, 100);
    const twice = await pbkdf2(once, salt, 100);
    expect(await passwords.verify("pw", pbkdf2Text(1, salt, once))).toBe(true);
    expect(await passwords.verify("pw", pbkdf2Text(2, salt, twice))).toBe(true);
    expect(await passwords.verify("pw", pbkdf2Text(2, salt, once))).toBe(false);
  });

  test.each([
    "",
    "plain",
    "$pbkdf2-sha256$i=0,r=1$AAAA$AAAA",
    "$pbkdf2-sha256$i=999999,r=99$AAAAAAAAAAAAAAAAAAAAAA==$QUJD",
    "$2b$31$......................................................".slice(0, 60),
    "$2a$13$zMLaWiDpQZH35TdHvJqg6O.4X5KXRVVIZs9bTRAiBaySUObanE.TC",
    "$2x$04$.....................................................",
    "$2b$04$",
  ])("AP4: %j matches no password, and costs a hash of a new user's cost", async (hashed) => {
    let slices = 0;
    const counted = memberPasswords((work) => {
      slices += 1;
      return work();
    }, 4);
    expect(parsePasswordHash(hashed)).toBeUndefined();
    expect(await counted.verify("", hashed)).toBe(false);
    expect(slices).toBe(1);
  });

  test("AP9: the decoy has the cost of new hashes", async () => {
    expect(parsePasswordHash(passwords.decoy)).toBeDefined();
    expect(costOfHash(passwords.decoy)).toBe(costOfHash(await passwords.hash("x")));
    expect(await passwords.verify("", passwords.decoy)).toBe(false);
  });

  test("AP10: hashes have the same cost if their function and its parameters are equal", () => {
    expect(costOfHash(ETCDS)).toBe(costOfHash(memberPasswords(AT_ONCE).decoy));
    expect(costOfHash(ETCDS)).not.toBe(costOfHash(passwords.decoy));
    expect(costOfHash("$pbkdf2-sha256$i=100,r=6$a$b")).toBe("$pbkdf2-sha256$i=100,r=6");
  });
});

describe("the pace of expensive work", () => {
  test("AP11: after a slice the thread is free for twice as long as it took, and only then the next one runs", async () => {
    const clock = new VirtualClock();
    const slice = paced(clock);
    const begun: number[] = [];
    const work = (): Promise<void> => {
      begun.push(clock.nowMs());
      return new Promise((done) => void clock.setTimer(30, done));
    };
    const all = Promise.all([slice(work), slice(work), slice(work)]);
    await clock.advance(500);
    await all;
    expect(begun).toEqual([0, 90, 180]);
  });

  test("AP12: the result does not wait for the pause, and a slice that fails is followed by the next", async () => {
    const clock = new VirtualClock();
    const slice = paced(clock);
    await expect(slice(() => Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    const next = slice(async () => "done");
    await clock.advance(0);
    expect(await next).toBe("done");
  });

  test("AP13: a PBKDF2 hash leaves the thread to other work after each of its rounds", async () => {
    const salt = new Uint8Array(16).fill(5);
    let slices = 0;
    const counted = memberPasswords((work) => {
      slices += 1;
      return work();
    });
    expect(await counted.verify("pw", pbkdf2Text(6, salt, new Uint8Array(32)))).toBe(false);
    expect(slices).toBe(6);
  });
});

function pbkdf2Text(rounds: number, salt: Uint8Array, hash: Uint8Array): string {
  return `$pbkdf2-sha256$i=100,r=${rounds}$${toBase64(salt)}$${toBase64(hash)}`;
}

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
