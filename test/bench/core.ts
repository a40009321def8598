/** The core in one process: memory storage, memory transport, 64-byte keys, 256-byte values. */
import type { BenchOptions } from "./options.ts";
import { type Aim, atLeast, atMost, type Figure } from "./figures.ts";
import { runNode } from "./processes.ts";

interface Workload {
  readonly name: string;
  readonly unit: string;
  readonly argv: string;
  readonly aim?: Aim;
  /** Memory is the same every time. */
  readonly isSteady?: boolean;
}

const WORKLOADS: readonly Workload[] = [
  { name: "core: puts, 1 member", unit: "puts/s", argv: "puts 1", aim: atLeast(150_000) },
  { name: "core: puts, 3 members", unit: "puts/s", argv: "puts 3", aim: atLeast(50_000) },
  { name: "core: point reads of the store", unit: "reads/s", argv: "point-reads", aim: atLeast(1_000_000) },
  { name: "core: linearizable reads, 3 members", unit: "reads/s", argv: "linearizable-reads 3" },
  { name: "core: events to 1,000 watchers", unit: "events/s", argv: "watch-events 1" },
  {
    name: "core: memory per key at 100,000 keys",
    unit: "bytes",
    argv: "bytes-per-key 1",
    aim: atMost(1023),
    isSteady: true,
  },
];

export async function benchCore({ isQuick }: BenchOptions): Promise<readonly Figure[]> {
  const rounds = isQuick ? 1 : 3;
  const runs = new Map<Workload, number[]>(WORKLOADS.map((workload) => [workload, []]));
  // Round by round, so that a noisy minute does not hit one figure alone.
  for (let round = 0; round < rounds; round++) {
    for (const [workload, numbers] of runs) {
      if (round > 0 && workload.isSteady === true) continue;
      numbers.push(Number(await runNode(["--expose-gc", "test/bench/core/workload.ts", ...workload.argv.split(" ")])));
    }
  }
  return [...runs].map(([{ name, unit, argv, aim }, numbers]) => ({
    name,
    unit,
    runs: numbers,
    aim,
    command: `node --expose-gc test/bench/core/workload.ts ${argv}`,
  }));
}
