import { expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { TabLock, UNANSWERED_MAX } from "../../../src/room/tabs/tab-lock.ts";
import { ModelTab } from "./support/model-tab.ts";
import type { Record } from "./support/model-tab.ts";
import { Profile } from "./support/profile.ts";

interface World {
  readonly profile: Profile;
  readonly record: Record;
  readonly open: (name: string) => ModelTab;
}

function world(seed: number): World {
  const profile = new Profile(new Prng(seed));
  const record: Record = { owner: undefined, told: [], acts: 0, wrong: [] };
  return { profile, record, open: (name) => new ModelTab(name, profile, record) };
}

async function twoTabs(): Promise<World & { readonly first: ModelTab; readonly second: ModelTab }> {
  const made = world(1);
  const first = made.open("first");
  await made.profile.pass(50);
  const second = made.open("second");
  await made.profile.pass(50);
  made.record.told.length = 0;
  return { ...made, first, second };
}

/** Long enough for every takeover. */
const TAKEN_OVER_MS = 3_000;

test("the first tab has the lock, the second waits, learns who has it, and gets it when the first is gone", async () => {
  const { profile, record, first, second } = await twoTabs();
  expect([first.state, second.state, second.holder]).toMatchObject(["held", "waiting", expect.stringMatching("first")]);
  first.close();
  await profile.pass(50);
  expect(record.told).toEqual(["second held"]);
});

test("a holder that answers keeps the lock, however long it holds", async () => {
  const { profile, record, first } = await twoTabs();
  await profile.pass(60_000);
  expect(first.state).toBe("held");
  expect(record.told).toEqual([]);
});

test("a tab that is frozen gives the lock back in its handler, and when it is thawed it waits", async () => {
  const { profile, record, first, second } = await twoTabs();
  first.freeze();
  await profile.pass(50);
  expect(second.state).toBe("held");
  first.resume();
  await profile.pass(50);
  expect(record.told).toEqual(["second held", "first waiting"]);
});

test("a tab that is frozen while it waits is not given the lock, in which nobody would follow it", async () => {
  const { profile, first, second, open } = await twoTabs();
  const third = open("third");
  await profile.pass(50);
  second.freeze();
  first.crash();
  await profile.pass(50);
  expect(third.state).toBe("held");
});

test("a holder whose process is stopped is followed within 3 s, does nothing when it goes on, and waits", async () => {
  const { profile, record, first, second } = await twoTabs();
  first.client.stop();
  await profile.pass(TAKEN_OVER_MS);
  expect(second.state).toBe("held");
  const { acts } = record;
  first.client.goOn();
  await profile.pass(1_000);
  expect(record.told).toEqual(["second held", "first lost", "first waiting"]);
  expect(record.wrong).toEqual([]);
  expect(record.acts).toBeGreaterThan(acts);
});

test("a tab that did not run itself takes nothing over when it goes on", async () => {
  const { profile, record, second } = await twoTabs();
  second.client.stop();
  await profile.pass(60_000);
  second.client.goOn();
  await profile.pass(10_000);
  expect(record.told).toEqual([]);
});

test("a holder that goes on before the questions have run out keeps the lock", async () => {
  const { profile, record, first } = await twoTabs();
  first.client.stop();
  await profile.pass(400 * (UNANSWERED_MAX - 1));
  first.client.goOn();
  await profile.pass(10_000);
  expect(record.told).toEqual([]);
  expect(first.state).toBe("held");
});

test("whoever gets the lock of one that took it from a stopped tab and crashed right then waits as well", async () => {
  const { profile, record, first, second, open } = await twoTabs();
  const third = open("third");
  await profile.pass(50);
  first.client.stop();
  while (profile.locks.holder !== second.client && profile.locks.holder !== third.client) await profile.pass(1);
  const [taker, other] = profile.locks.holder === second.client ? [second, third] : [third, second];
  taker.crash();
  await profile.pass(20);
  expect(other.state).toBe("waiting");
  first.client.goOn();
  await profile.pass(TAKEN_OVER_MS);
  expect(other.state).toBe("held");
  expect(record.wrong).toEqual([]);
});

test("a browser without locks is an error, not a tab that waits for ever", async () => {
  const lock = new TabLock({
    name: "x",
    tab: "1",
    locks: { request: () => Promise.reject(new DOMException("not here", "SecurityError")) },
    send: () => {},
    every: () => () => {},
    after: () => () => {},
    onWaiting: () => {},
    onHolder: () => {},
    onHeld: () => {},
    onLost: () => {},
  });
  await expect(lock.acquire()).rejects.toThrow("not here");
});

test("a holder that goes on at the very moment of the takeover may look, act on it, and stops in time", async () => {
  for (let seed = 1; seed <= 30; seed += 1) {
    const { profile, record, open } = world(seed);
    const first = open("first");
    await profile.pass(50);
    open("second");
    await profile.pass(50);
    first.client.stop();
    while (profile.locks.holder === first.client) {
      await profile.pass(1);
      // The questions have run out: the takeover is on its way.
      if (profile.locks.isAsked) first.client.goOn();
    }
    first.client.goOn();
    await profile.pass(TAKEN_OVER_MS);
    expect(record.wrong, `seed ${seed}`).toEqual([]);
  }
});

/** Each seed: up to five tabs that open, close, crash, freeze, stop and go on, at any moment. */
const SEEDS = Array.from({ length: 60 }, (_, at) => at + 1);

test.each(SEEDS)("model, seed %i: never two members at once, and one when the faults are over", async (seed) => {
  const prng = new Prng(seed * 7_919);
  const { profile, record, open } = world(seed);
  const tabs: ModelTab[] = [open("tab 0")];
  const trace: string[] = [];
  for (let step = 0; step < 60; step += 1) {
    const tab = prng.pick(tabs);
    const act = prng.pick(["open", "close", "crash", "freeze", "resume", "stop", "stop", "go on", "go on", "wait"]);
    trace.push(`${profile.nowMs} ${act} ${tab.name}`);
    if (act === "open" && tabs.filter(({ state }) => state !== "closed").length < 5) tabs.push(open(`tab ${step + 1}`));
    else if (act === "close") tab.close();
    else if (act === "crash") tab.crash();
    else if (act === "freeze") tab.freeze();
    else if (act === "resume" && !tab.client.isStopped) tab.resume();
    else if (act === "stop") tab.client.stop();
    else if (act === "go on") tab.client.goOn();
    await profile.pass(prng.bool(0.5) ? prng.int(0, 30) : prng.int(0, 3_000));
  }
  expect(record.wrong, trace.join("\n")).toEqual([]);
  for (const tab of tabs) {
    tab.client.goOn();
    await profile.pass(10);
    tab.resume();
  }
  open("last");
  await profile.pass(2 * TAKEN_OVER_MS);
  const acts = record.acts;
  await profile.pass(200);
  expect(record.wrong, trace.join("\n")).toEqual([]);
  expect(
    tabs.filter(({ state }) => state === "held").length + Number(record.owner?.name === "last"),
    trace.join("\n"),
  ).toBe(1);
  expect(record.acts).toBeGreaterThan(acts);
});
