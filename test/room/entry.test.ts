import { expect, test } from "vitest";
import type { Identity } from "../../src/storage/storage.ts";
import { enter, checkRegistry } from "../../src/room/entrance/entry.ts";
import type { StoredPast } from "../../src/room/entrance/entry.ts";
import { FakeRegistry } from "./support/registry.ts";

const OWN: Identity = { memberId: 5n, clusterId: 50n, name: "tab-0005" };

function stored(identity: Identity | undefined, lastIndex = 0, appliedAtOpen = 0): StoredPast {
  return { identity, appliedAtOpen, log: { lastIndex: () => lastIndex } };
}

function ids(): () => bigint {
  let last = 100n;
  return () => ++last;
}

test("a fresh store founds a room that is free, under the ids that it claimed with", async () => {
  const registry = new FakeRegistry();
  const entry = await enter(stored(undefined), registry, ids());
  expect(entry).toEqual({ type: "found", identity: { memberId: 101n, clusterId: 102n, name: "tab-0065" } });
  expect(registry.founding).toMatchObject({ cluster: "102", member: "101", confirmed: false });
});

test("a fresh store joins a room that somebody has founded, under an id of its own", async () => {
  const registry = new FakeRegistry();
  await registry.claim(1n, 10n);
  const entry = await enter(stored(undefined), registry, ids());
  expect(entry).toEqual({ type: "join", identity: { memberId: 101n, clusterId: 10n, name: "tab-0065" } });
});

test("a store with a past asks nobody", async () => {
  const registry = new FakeRegistry();
  registry.isReachable = false;
  expect(await enter(stored(OWN, 3), registry, ids())).toEqual({ type: "past", identity: OWN });
  expect(await enter(stored(OWN, 0, 7), registry, ids())).toEqual({ type: "past", identity: OWN });
});

test("a founder that stopped before its log was written goes on while its claim stands", async () => {
  const registry = new FakeRegistry();
  await registry.claim(5n, 50n);
  expect(await enter(stored(OWN), registry, ids())).toEqual({ type: "found", identity: OWN });
});

test("a founder whose confirmed log is gone went back in time, and never comes back under its id", async () => {
  const registry = new FakeRegistry();
  await registry.claim(5n, 50n);
  await registry.confirm(5n, 50n);
  expect(await enter(stored(OWN), registry, ids())).toEqual({ type: "discard" });
});

test("a store without a log is thrown away when the room has become another cluster's, or nobody's", async () => {
  const registry = new FakeRegistry();
  expect(await enter(stored(OWN), registry, ids())).toEqual({ type: "discard" });
  await registry.claim(1n, 10n);
  expect(await enter(stored(OWN), registry, ids())).toEqual({ type: "discard" });
});

test("a store that was about to join goes on with the cluster that it had been given", async () => {
  const registry = new FakeRegistry();
  await registry.claim(1n, 50n);
  expect(await enter(stored(OWN), registry, ids())).toEqual({ type: "join", identity: OWN });
});

test("what the registry says later is obeyed only where nothing can be lost by it", async () => {
  const registry = new FakeRegistry();
  const member = { memberId: 5n, clusterId: 50n, belongs: true, hasNothing: false };
  const free = await registry.info();
  expect(checkRegistry(member, free)).toBe("register");
  expect(checkRegistry({ ...member, belongs: false }, free)).toBe("discard");

  await registry.claim(5n, 50n);
  const claimed = await registry.info();
  expect(checkRegistry(member, claimed)).toBe("confirm");
  expect(checkRegistry({ ...member, memberId: 6n }, claimed)).toBe("agrees");

  await registry.forget(50n);
  await registry.claim(1n, 10n);
  const foreign = await registry.info();
  expect(checkRegistry(member, foreign)).toBe("conflict");
  expect(checkRegistry({ ...member, hasNothing: true }, foreign)).toBe("discard");
  expect(checkRegistry({ ...member, belongs: false }, foreign)).toBe("discard");
});
