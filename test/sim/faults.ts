/**
 * What goes wrong in one run, drawn from its seed. Each kind of fault is on or off as a whole ("swarm testing"), because
 * a run in which everything happens all the time never gets far enough to break the rarer things.
 */
import type { Prng } from "../../src/base/prng.ts";

export interface Faults {
  readonly lossProbability: number;
  readonly duplicateProbability: number;
  /** Most frames take this long at most … */
  readonly delayMs: number;
  /** … and a few of them this long. */
  readonly slowProbability: number;
  readonly slowMs: number;
  readonly diskMs: number;
  readonly stallProbability: number;
  readonly stallMs: number;
  /** Mean time between events of a kind over the whole cluster; Infinity: never. */
  readonly crashEveryMs: number;
  readonly partitionEveryMs: number;
  readonly freezeEveryMs: number;
  readonly membershipEveryMs: number;
  readonly compactEveryMs: number;
  /** Clocks of members run at speeds within this fraction of each other. */
  readonly drift: number;
  /** Entries of log that a member keeps; few, so that snapshots happen. */
  readonly logEntries: number;
}

export function drawFaults(prng: Prng): Faults {
  const on = (probability: number): boolean => prng.bool(probability);
  return {
    lossProbability: on(0.6) ? 0.01 + prng.next() * 0.15 : 0,
    duplicateProbability: on(0.5) ? 0.02 + prng.next() * 0.1 : 0,
    delayMs: 1 + prng.int(0, 40),
    slowProbability: on(0.5) ? 0.02 : 0,
    slowMs: 100 + prng.int(0, 3_000),
    diskMs: on(0.7) ? 1 + prng.int(0, 15) : 0.1,
    stallProbability: on(0.3) ? 0.01 : 0,
    stallMs: 200 + prng.int(0, 1_500),
    crashEveryMs: on(0.75) ? 3_000 + prng.int(0, 12_000) : Infinity,
    partitionEveryMs: on(0.65) ? 4_000 + prng.int(0, 12_000) : Infinity,
    freezeEveryMs: on(0.4) ? 6_000 + prng.int(0, 12_000) : Infinity,
    membershipEveryMs: on(0.5) ? 4_000 + prng.int(0, 10_000) : Infinity,
    compactEveryMs: on(0.4) ? 5_000 + prng.int(0, 10_000) : Infinity,
    drift: on(0.5) ? 0.15 : 0,
    logEntries: on(0.6) ? 30 + prng.int(0, 100) : 10_000,
  };
}
