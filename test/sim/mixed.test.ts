/** Rooms of an object and tabs, judged as any other group; `mutations.ts` plants what they must find. */
import { expect, test } from "vitest";
import type { Faults } from "./faults.ts";
import { simulate } from "./simulation.ts";

/** Enough on a busy machine. */
const TIMEOUT_MS = 60_000;

const COMING_AND_GOING: Partial<Faults> = { isRoom: true, isMixed: true, isRelayed: true, leaveEveryMs: 3_000 };
/** The object sleeps, is evicted and wakes up, while tabs come and go and its server is down from time to time. */
const SLEEPING: Partial<Faults> = {
  ...COMING_AND_GOING,
  quiesceAfterTicks: 15,
  evictEveryMs: 1_000,
  lullEveryMs: 6_000,
  crashEveryMs: 6_000,
};

test.each([1, 2, 3, 4].flatMap((seed) => [COMING_AND_GOING, SLEEPING].map((faults) => ({ seed, faults }))))(
  "M69 seed $seed breaks no rule in 20 seconds",
  async ({ seed, faults }) => {
    expect((await simulate(seed, { seconds: 20, faults })).failure).toBeUndefined();
  },
  TIMEOUT_MS,
);

/** Who votes changes every few seconds. */
const RESHAPED: Partial<Faults> = { ...SLEEPING, reshapeEveryMs: 3_000 };
/** Tabs found the room, and do not sleep. */
const GIVEN: Partial<Faults> = { ...COMING_AND_GOING, isGiven: true, reshapeEveryMs: 3_000, crashEveryMs: 6_000 };

test.each([1, 2].flatMap((seed) => [RESHAPED, GIVEN].map((faults) => ({ seed, faults }))))(
  "M76 seed $seed: who votes is changed again and again, and no rule is broken in 20 seconds",
  async ({ seed, faults }) => {
    expect((await simulate(seed, { seconds: 20, faults })).failure).toBeUndefined();
  },
  TIMEOUT_MS,
);
