/**
 * Random groups. A failure names its seed; `RAFT_FUZZ_SEED=n` runs that one, `RAFT_FUZZ_RUNS=n` runs more.
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

describe("a group under random fire keeps every promise and recovers", () => {
  test("with three voters", () => {
    let committed = 0;
    let reads = 0;
    for (const seed of seeds) {
      const fuzz = run({ seed, steps: 2500, voters: 3, spares: 0 });
      committed += fuzz.committedCount;
      reads += fuzz.readsAnswered;
    }
    // The fire must leave enough alive to be a test at all.
    expect(committed).toBeGreaterThan(50 * seeds.length);
    expect(reads).toBeGreaterThan(5 * seeds.length);
  });

  test("with five voters", () => {
    for (const seed of seeds) run({ seed: 1000 + seed, steps: 1500, voters: 5, spares: 0 });
  });

  test("while members come and go", () => {
    for (const seed of seeds) run({ seed: 2000 + seed, steps: 2500, voters: 3, spares: 3 });
  });
});
