/** Rooms to which people are invited, judged as any other group; `mutations.ts` plants what they must find. */
import { expect, test } from "vitest";
import type { Faults } from "./faults.ts";
import { simulate } from "./simulation.ts";

/** Enough on a busy machine. */
const TIMEOUT_MS = 60_000;

const INVITING: Partial<Faults> = {
  isRoom: true,
  isMixed: false,
  guests: { inviteEveryMs: 1_500, comeEveryMs: 1_200, endEveryMs: 2_500, expiryMs: 6_000 },
};
const INVITING_TO_A_MIXED_ROOM: Partial<Faults> = { ...INVITING, isMixed: true, leaveEveryMs: 5_000 };

test.each([1, 2, 3, 4].flatMap((seed) => [INVITING, INVITING_TO_A_MIXED_ROOM].map((faults) => ({ seed, faults }))))(
  "M65 M66 M68 seed $seed breaks no rule in 20 seconds",
  async ({ seed, faults }) => {
    expect((await simulate(seed, { seconds: 20, faults })).failure).toBeUndefined();
  },
  TIMEOUT_MS,
);
