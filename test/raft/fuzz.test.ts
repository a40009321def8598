/**
 * Groups under random faults. A failure prints its seed. `RAFT_FUZZ_SEED=n` runs that seed, `RAFT_FUZZ_RUNS=n` runs
 * more.
 */
import { describe, expect, test } from "vitest";
import { Fuzz, type FuzzOptions } from "./support/fuzz.ts";

const runs = Number(process.env["RAFT_FUZZ_RUNS"] ?? 10);
const only = process.env["RAFT_FUZZ_SEED"];
const seeds = only === undefined ? Array.from({ length: runs }, (_, at) => at + 1) : [Number(only)];

function run(options: FuzzOptions): Fuzz {
  const fuzz = new Fuzz(options);
  try {
    fuzz.run();
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${String(error)}`, { cause: error });
  }
  return fuzz;
}

describe("R47 a group under random faults keeps every promise and recovers", () => {
  test("with three voters", () => {
    let committed = 0;
    let reads = 0;
    for (const seed of seeds) {
      const fuzz = run({ seed, steps: 2500, voters: 3, spares: 0 });
      committed += fuzz.committedCount;
      reads += fuzz.readsAnswered;
    }
    // The faults must leave enough members running, or this tests nothing.
    expect(committed).toBeGreaterThan(50 * seeds.length);
    expect(reads).toBeGreaterThan(5 * seeds.length);
  });

  test("with five voters", () => {
    for (const seed of seeds) run({ seed: 1000 + seed, steps: 1500, voters: 5, spares: 0 });
  });

  test("while members join and leave", () => {
    for (const seed of seeds) run({ seed: 2000 + seed, steps: 2500, voters: 3, spares: 3 });
  });
});
