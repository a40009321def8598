/** The faults that the simulator must detect. `mutations.ts` plants the bugs that the fakes cannot have. */
import { expect, test } from "vitest";
import type { DiskLie } from "./disk.ts";
import type { Faults } from "./faults.ts";
import { simulate } from "./simulation.ts";
import type { SimulationOptions } from "./simulation.ts";

/** Enough on a busy machine. */
const TIMEOUT_MS = 60_000;

/** Returns the first failure of up to `count` seeds. */
async function firstFailure(count: number, options: SimulationOptions): Promise<string> {
  for (let seed = 1; seed <= count; seed++) {
    const { failure } = await simulate(seed, options);
    if (failure !== undefined) return failure;
  }
  return `none in ${count} seeds`;
}

const LIES: readonly { readonly lie: DiskLie; readonly found: RegExp; readonly faults?: Partial<Faults> }[] = [
  { lie: "early-acknowledgement", found: /^(durability|leader completeness|order of revisions|stopped|vote)/ },
  { lie: "lossy-snapshot", found: /^(state|watch|equal state)/, faults: { logEntries: 20, crashEveryMs: 3_000 } },
  { lie: "greedy-compaction", found: /^(state|watch|equal state)/, faults: { compactEveryMs: 3_000 } },
  { lie: "patchy-history", found: /^watch/ },
];

test.each(LIES)(
  "a disk with the fault $lie is detected",
  async ({ lie, found, faults }) => {
    expect(await firstFailure(10, { seconds: 20, lie, ...(faults === undefined ? {} : { faults }) })).toMatch(found);
  },
  TIMEOUT_MS,
);

test(
  "a disk that forgets votes is detected once a member restarts during an election",
  async () => {
    // Where members are evicted, the end of the term is noticed first.
    const faults = {
      crashEveryMs: 400,
      downMs: 40,
      partitionEveryMs: 2_000,
      slowProbability: 0.1,
      slowMs: 1_500,
      evictEveryMs: Infinity,
    };
    expect(await firstFailure(60, { seconds: 20, lie: "forgotten-votes", faults })).toMatch(/^vote/);
  },
  TIMEOUT_MS,
);

test(
  "a member that takes itself for the leader and returns reads at once is detected",
  async () => {
    const faults = { partitionEveryMs: 2_000 };
    expect(await firstFailure(20, { seconds: 20, trustsLeaders: true, faults })).toMatch(/^order of revisions/);
  },
  TIMEOUT_MS,
);
