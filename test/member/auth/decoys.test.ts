import { expect, test } from "vitest";
import { toBase64 } from "../../../src/base/text-codes.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { AuthStore } from "../../../src/auth/auth-store.ts";
import { Decoys } from "../../../src/member/auth/decoys.ts";
import { costOfHash } from "../../../src/auth/password-hashes.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import { authUserAddRequest } from "../../../src/protocol/api/auth.ts";

const HOOK = { assign: (): void => {}, invalidateUser: (): void => {}, invalidateAll: (): void => {} };

function storeOf(hashes: readonly string[]): AuthStore {
  const auth = new AuthStore(new MemoryTables(), HOOK);
  for (const [at, hash] of hashes.entries()) {
    const hashedPassword = toBase64(utf8Encode(hash));
    auth.userAdd(authUserAddRequest({ name: `user${at}`, hashedPassword }));
  }
  auth.userAdd(authUserAddRequest({ name: "cn", options: { noPassword: true } }));
  return auth;
}

const OLD = ["a", "b", "c"].map((salt) => `$pbkdf2-sha256$i=100000,r=6$${salt}$x`);
const NEW = [`$2b$10$${"a".repeat(53)}`, `$2a$10$${"b".repeat(53)}`];
const NAMES = Array.from({ length: 500 }, (_, at) => `nobody${at}`);

test("AD1: unknown names cost what users' hashes cost, each cost as often as users have it", () => {
  const auth = storeOf([...OLD, ...NEW]);
  const decoys = new Decoys();
  const costs = NAMES.map((name) => costOfHash(decoys.hashFor(auth, name) ?? ""));
  expect(new Set(costs)).toEqual(new Set(["$pbkdf2-sha256$i=100000,r=6", "$2b$10"]));
  const old = costs.filter((cost) => cost.startsWith("$pbkdf2")).length;
  expect(old / NAMES.length).toBeGreaterThan(0.5);
  expect(old / NAMES.length).toBeLessThan(0.7);
});

test("AD2: a name costs the same each time and on every member, and differently in another cluster", () => {
  const auth = storeOf([...OLD, ...NEW]);
  const [one, other] = [new Decoys(), new Decoys()];
  const costsBy = (decoys: Decoys, store: AuthStore): readonly string[] =>
    NAMES.map((name) => costOfHash(decoys.hashFor(store, name) ?? ""));
  expect(costsBy(one, auth)).toEqual(costsBy(other, storeOf([...OLD, ...NEW])));
  expect(costsBy(one, storeOf([`${OLD[0]}y`, ...OLD.slice(1), ...NEW]))).not.toEqual(costsBy(other, auth));
});

test("AD3: changed users are read again; without any password there is no hash", () => {
  const auth = storeOf([]);
  const decoys = new Decoys();
  expect(decoys.hashFor(auth, "x")).toBeUndefined();
  auth.userAdd(authUserAddRequest({ name: "amy", hashedPassword: toBase64(utf8Encode(NEW[0] ?? "")) }));
  expect(decoys.hashFor(auth, "x")).toBe(NEW[0]);
  expect(decoys.hashFor(storeOf(OLD.slice(0, 1)), "x")).toBe(OLD[0]);
});
