/** The edge: the built worker under workerd with three members on this disk, over HTTP; and, if asked, etcd beside it. */
import { buildAll } from "../../worker/local/build.ts";
import { coldStarts } from "./edge/cold-start.ts";
import type { LoadResult } from "./edge/load.ts";
import { leaderOf } from "./edge/reference.ts";
import { OPERATIONS, type Operation } from "./edge/requests.ts";
import { EdgeFolder } from "./edge/server.ts";
import { type Aim, atLeast, atMost, type Figure } from "./figures.ts";
import type { BenchOptions } from "./options.ts";
import { runNode } from "./processes.ts";

const CONNECTIONS = [1, 32, 256];
const COMMAND = "npm run bench -- edge";
const NAMES: Readonly<Record<Operation, string>> = {
  put: "puts",
  linearizable: "linearizable ranges",
  serializable: "serializable ranges",
};

interface Load {
  readonly operation: Operation;
  readonly connections: number;
  readonly ours: LoadResult[];
  readonly theirs: LoadResult[];
}

export async function benchEdge(options: BenchOptions): Promise<readonly Figure[]> {
  await buildAll();
  const reference = options.reference.length === 0 ? undefined : await leaderOf(options.reference);
  const folder = await EdgeFolder.make();
  try {
    const loads = await loadAll(folder, reference, options);
    const { listeningMs, rangeMs, putMs } = await coldStarts(folder, options.isQuick ? 2 : 5);
    const cold = "edge: cold start with 100,000 keys to the first";
    return [
      ...loads.flatMap((load) => figuresOf(load, options)),
      { name: `${cold} serializable range`, unit: "ms", runs: rangeMs, aim: atMost(100), command: COMMAND },
      { name: `${cold} put`, unit: "ms", runs: putMs, aim: atMost(100), command: COMMAND },
      {
        name: "edge: of which workerd until it listens",
        unit: "ms",
        runs: listeningMs,
        aim: undefined,
        command: COMMAND,
      },
    ];
  } finally {
    await folder.remove();
  }
}

async function loadAll(
  folder: EdgeFolder,
  reference: string | undefined,
  { isQuick }: BenchOptions,
): Promise<readonly Load[]> {
  const loads = OPERATIONS.flatMap((operation) =>
    CONNECTIONS.map((connections): Load => ({ operation, connections, ours: [], theirs: [] })),
  );
  const server = await folder.start();
  try {
    await runNode(["test/bench/edge/load.ts", server.url, "fill"]);
    if (reference !== undefined) await runNode(["test/bench/edge/load.ts", reference, "fill"]);
    // Ours, theirs, ours, theirs: what slows this machine for a while slows both.
    for (let round = 0; round < (isQuick ? 1 : 3); round++) {
      for (const { operation, connections, ours, theirs } of loads) {
        const run = async (url: string): Promise<LoadResult> => {
          const forMs = isQuick ? 700 : 1_500;
          const argv = ["test/bench/edge/load.ts", url, operation, String(connections), String(forMs)];
          return JSON.parse(await runNode(argv)) as LoadResult;
        };
        ours.push(await run(server.url));
        if (reference !== undefined) theirs.push(await run(reference));
      }
    }
  } finally {
    await server.stop();
  }
  return loads;
}

function figuresOf({ operation, connections, ours, theirs }: Load, { reference }: BenchOptions): readonly Figure[] {
  const name = `edge: ${NAMES[operation]}, ${connections} ${connections === 1 ? "connection" : "connections"}`;
  const figure = (suffix: string, unit: string, runs: readonly number[], aim: Aim | undefined): Figure => {
    const command = reference.length === 0 ? COMMAND : `${COMMAND} --reference ${reference.join(",")}`;
    return { name: `${name}${suffix}`, unit, runs, aim, command };
  };
  const rates = ours.map(({ perSecond }) => perSecond);
  const own = [
    figure("", `${operation === "put" ? "puts" : "reads"}/s`, rates, undefined),
    ...(connections === 1
      ? [
          figure(
            ", p99",
            "ms",
            ours.map(({ p99Ms }) => p99Ms),
            undefined,
          ),
        ]
      : []),
  ];
  if (theirs.length === 0) return own;
  const theirRates = theirs.map(({ perSecond }) => perSecond);
  // Run by run: the two of a pair were measured one after the other.
  const ratios = rates.map((rate, at) => rate / (theirRates[at] ?? Number.NaN));
  return [
    ...own,
    figure(": etcd", "/s", theirRates, undefined),
    figure(": Quorate ÷ etcd", "×", ratios, operation === "put" ? atLeast(1) : undefined),
  ];
}
