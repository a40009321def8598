/** etcd's gRPC through `quorate grpc` in front of the edge; and, if asked, an etcd beside it, called the same way. */
import { buildAll } from "../../worker/local/build.ts";
import { leaderOf } from "./edge/reference.ts";
import { EdgeFolder } from "./edge/server.ts";
import type { Figure } from "./figures.ts";
import type { BenchOptions } from "./options.ts";
import { startFront } from "./grpc/front.ts";
import { runNode } from "./processes.ts";

interface Load {
  readonly name: string;
  readonly unit: string;
  readonly argv: string;
  readonly ours: number[];
  readonly theirs: number[];
}

const COMMAND = "npm run bench -- grpc";
const CALLERS = [1, 64, 256];
const WATCHES = 10_000;
/** As in edge.ts: what is measured is compiled. */
const WARM_UP_CALLERS = 64;
const WARM_UP_MS = 2_000;

export async function benchGrpc(options: BenchOptions): Promise<readonly Figure[]> {
  await buildAll();
  const reference = options.reference.length === 0 ? undefined : new URL(await leaderOf(options.reference)).host;
  const folder = await EdgeFolder.make();
  const edge = await folder.start();
  const proxy = await startFront(edge.url);
  const loads = allLoads();
  try {
    for (const operation of ["put", "range", "txn", "keep-alive"]) {
      const argv = ["test/bench/grpc/load.ts", proxy.address, operation, String(WARM_UP_CALLERS), String(WARM_UP_MS)];
      await runNode(argv);
    }
    for (let round = 0; round < (options.isQuick ? 1 : 3); round++) {
      for (const { argv, ours, theirs } of loads) {
        const run = async (address: string): Promise<number> => {
          const forMs = argv.startsWith("fan-out") ? [] : [options.isQuick ? "700" : "1500"];
          return Number(await runNode(["test/bench/grpc/load.ts", address, ...argv.split(" "), ...forMs]));
        };
        ours.push(await run(proxy.address));
        if (reference !== undefined) theirs.push(await run(reference));
      }
    }
  } finally {
    await proxy.stop();
    await edge.stop();
    await folder.remove();
  }
  return loads.flatMap((load) => figuresOf(load, options));
}

function allLoads(): readonly Load[] {
  const load = (name: string, unit: string, argv: string): Load => ({ name, unit, argv, ours: [], theirs: [] });
  const called = (plural: string, operation: string, callers: readonly number[]): readonly Load[] =>
    callers.map((count) => {
      const who = count === 1 ? "1 caller" : `${count} callers`;
      return load(`gRPC: ${plural}, ${who}`, `${plural.split(" ").at(-1)}/s`, `${operation} ${count}`);
    });
  return [
    ...called("puts", "put", CALLERS),
    ...called("linearizable ranges", "range", CALLERS),
    ...called("txns", "txn", [1, 256]),
    ...called("lease keep-alives", "keep-alive", [1, 256]),
    load(`gRPC: 1 put to ${WATCHES.toLocaleString("en")} watches, to the last`, "ms", `fan-out ${WATCHES}`),
  ];
}

function figuresOf({ name, unit, ours, theirs }: Load, { reference }: BenchOptions): readonly Figure[] {
  const command = reference.length === 0 ? COMMAND : `${COMMAND} --reference ${reference.join(",")}`;
  const figure = (suffix: string, shown: string, runs: readonly number[]): Figure => {
    return { name: `${name}${suffix}`, unit: shown, runs, aim: undefined, command };
  };
  if (theirs.length === 0) return [figure("", unit, ours)];
  // Run by run: the two of a pair were measured one after the other.
  const ratios = ours.map((own, at) => own / (theirs[at] ?? Number.NaN));
  return [figure("", unit, ours), figure(": etcd", unit, theirs), figure(": Quorate ÷ etcd", "×", ratios)];
}
