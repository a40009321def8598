import { expect, test } from "vitest";
import type { Faults } from "./faults.ts";
import { simulate } from "./simulation.ts";

/** Enough on a busy machine. */
const TIMEOUT_MS = 60_000;

test.each(Array.from({ length: 20 }, (_, at) => at + 1))(
  "seed %i breaks no rule in 20 seconds",
  async (seed) => {
    expect((await simulate(seed, { seconds: 20 })).failure).toBeUndefined();
  },
  TIMEOUT_MS,
);

test("a seed decides the whole run", async () => {
  const runs = [0, 1].map(async () => {
    const lines: string[] = [];
    const result = await simulate(7, { seconds: 15, trace: (line) => lines.push(line) });
    return { lines, result };
  });
  const traces = await Promise.all(runs);
  expect(traces[0]).toEqual(traces[1]);
  expect(traces[0]?.lines.length).toBeGreaterThan(5);
});

/**
 * Seeds that once found a bug, with the simulator of that time. Each bug has tests of its own where it was. The seeds
 * are run with today's simulator, whatever they reach now.
 */
const FOUND: readonly { readonly seed: number; readonly what: string; readonly faults?: Partial<Faults> }[] = [
  { seed: 61, what: "a forwarded proposal that the transport delivered twice was appended twice" },
  { seed: 65, what: "a forwarded proposal that the transport delivered twice was appended twice" },
  { seed: 83, what: "a forwarded proposal that the transport delivered twice was appended twice" },
  { seed: 92, what: "a forwarded proposal that the transport delivered twice was appended twice" },
  { seed: 149, what: "the checker left out an unanswered write that a delete had found" },
  { seed: 5, what: "a member that was removed while it was away asked for votes for ever" },
  { seed: 36, what: "a room stayed at an even number of voters for ever" },
  { seed: 72, what: "a learner that missed the notice of quiet kept its clock running for ever" },
  { seed: 100, what: "a learner that was removed while it was away never heard of it" },
  { seed: 258, what: "a snapshot over a transport that reorders needed a resend for nearly every chunk" },
  { seed: 1473, what: "a snapshot on its way to a removed member kept the leader awake for a minute" },
  {
    seed: 10210,
    what: "a voter that was removed, as were all voters that it knew, never heard of it",
    faults: { membershipEveryMs: 800, partitionEveryMs: 2_500, crashEveryMs: 2_500, lostDatabaseEveryMs: 8_000 },
  },
  {
    seed: 58,
    what: "many unanswered writes made the checker's search endless",
    faults: { crashEveryMs: 700, downMs: 1_500, partitionEveryMs: 1_500, diskMs: 15, delayMs: 60, appendBytes: 60 },
  },
];

test.each(FOUND)(
  "seed $seed passes, in which $what",
  async ({ seed, faults }) => {
    expect((await simulate(seed, { seconds: 60, faults: faults ?? {} })).failure).toBeUndefined();
  },
  TIMEOUT_MS,
);
