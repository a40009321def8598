/** `npm run sim`: runs seeds in parallel on all cores. Prints what failed, and how to reproduce it. */
import { execFileSync, fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Faults } from "./faults.ts";
import { simulate } from "./simulation.ts";
import type { SimulationResult } from "./simulation.ts";

const HELP = `Runs simulated clusters of 3 and 5 members under faults, each decided by its seed alone.

  npm run sim -- --seeds 1..1000     seeds 1 to 1000 (default 1..100)
  npm run sim -- --seed 42           one seed, with a trace of the faults
  --seconds 60                       simulated seconds of faults per seed
  --jobs 2                           processes (default: as many as there are cores)
  --stop                             ends at the first failure
  --faults '{"crashEveryMs":500}'    in place of what the seeds draw (test/sim/faults.ts)
`;
const PROGRESS_EVERY = 50;

interface Options {
  readonly first: number;
  readonly last: number;
  readonly seconds: number;
  readonly jobs: number;
  readonly stop: boolean;
  /** JSON. */
  readonly faults: string;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1..100" },
      seed: { type: "string" },
      seconds: { type: "string", default: "60" },
      jobs: { type: "string", default: String(availableParallelism()) },
      stop: { type: "boolean", default: false },
      faults: { type: "string", default: "{}" },
      help: { type: "boolean", short: "h", default: false },
      worker: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const range = values.seed === undefined ? values.seeds : `${values.seed}..${values.seed}`;
  const match = /^(\d+)\.\.(\d+)$/.exec(range);
  const seconds = Number(values.seconds);
  const jobs = Number(values.jobs);
  if (match === null || !(seconds > 0) || !(Number.isInteger(jobs) && jobs > 0)) {
    process.stderr.write(`--seeds wants FIRST..LAST, as in 1..1000; --seconds and --jobs want numbers above 0\n`);
    return 2;
  }
  const options = {
    first: Number(match[1]),
    last: Number(match[2]),
    seconds,
    jobs,
    stop: values.stop,
    faults: values.faults,
  };
  if (values.worker) return runWorker(options);
  return values.seed === undefined ? runAll(options) : runOne(options);
}

async function runOne(options: Options): Promise<number> {
  const { first, seconds, faults } = options;
  const result = await simulate(first, {
    seconds,
    faults: faultsOf(faults),
    trace: (line) => process.stdout.write(`${line}\n`),
  });
  process.stdout.write(`${result.failure ?? "nothing was wrong"}\n`);
  return report([result], options);
}

/** A worker takes every jobs-th seed and sends each result to its parent. */
async function runWorker({ first, last, seconds, jobs, faults }: Options): Promise<number> {
  const options = { seconds, faults: faultsOf(faults) };
  for (let seed = first; seed <= last; seed += jobs) process.send?.(await simulate(seed, options));
  return 0;
}

function faultsOf(json: string): Partial<Faults> {
  return JSON.parse(json) as Partial<Faults>;
}

async function runAll(options: Options): Promise<number> {
  const { first, last, seconds, jobs, stop, faults } = options;
  const count = last - first + 1;
  const startMs = performance.now();
  const results: SimulationResult[] = [];
  let isStopped = false;
  const children: ChildProcess[] = [];
  const onResult = (result: SimulationResult): void => {
    if (isStopped) return;
    results.push(result);
    if (result.failure !== undefined) {
      process.stdout.write(`seed ${result.seed} failed: ${result.failure}\n${howToSee(result.seed, options)}\n`);
      isStopped = stop;
      if (stop) for (const child of children) child.kill();
    }
    if (results.length % PROGRESS_EVERY === 0) process.stdout.write(`${results.length} of ${count} seeds\n`);
  };
  const ends = Array.from({ length: Math.min(jobs, count) }, (_, at) => {
    const args = [
      `--seeds=${first + at}..${last}`,
      `--seconds=${seconds}`,
      `--jobs=${jobs}`,
      `--faults=${faults}`,
      "--worker",
    ];
    const child = fork(fileURLToPath(import.meta.url), args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    children.push(child);
    child.on("message", (message) => onResult(message as SimulationResult));
    return new Promise<number>((resolve) => child.on("exit", (code) => resolve(code ?? 1)));
  });
  const codes = await Promise.all(ends);
  const tookSeconds = (performance.now() - startMs) / 1_000;
  process.stdout.write(`${results.length} seeds of ${seconds} simulated seconds in ${tookSeconds.toFixed(1)} s\n`);
  if (!isStopped && (results.length < count || codes.some((code) => code !== 0))) {
    process.stdout.write("a worker died before it was done\n");
    return 1;
  }
  return report(results, options);
}

function report(results: readonly SimulationResult[], options: Options): number {
  const sum = (of: (result: SimulationResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const failed = results.filter((result) => result.failure !== undefined);
  process.stdout.write(
    `${sum((result) => result.steps)} events, ${sum((result) => result.applied)} entries applied, ` +
      `${sum((result) => result.snapshots)} snapshots, ${sum((result) => result.compacted)} watches compacted, ` +
      `${sum((result) => result.answered)} of ${sum((result) => result.calls)} calls answered\n`,
  );
  const undecided = sum((result) => result.undecided);
  if (undecided > 0) process.stdout.write(`${undecided} keys with too many orders to try them all\n`);
  for (const { seed } of failed.toSorted((left, right) => left.seed - right.seed)) {
    process.stdout.write(`${howToSee(seed, options)}\n`);
  }
  process.stdout.write(`${results.length - failed.length} seeds passed, ${failed.length} failed\n`);
  return failed.length === 0 ? 0 : 1;
}

function howToSee(seed: number, { seconds, faults }: Options): string {
  const special = faults === "{}" ? "" : ` --faults '${faults}'`;
  return `to see it again${atCommit()}: npm run sim -- --seed ${seed} --seconds ${seconds}${special}`;
}

/** A seed identifies a run only together with the code. */
function atCommit(): string {
  try {
    const git = (...args: readonly string[]): string =>
      execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    const isChanged = git("status", "--porcelain", "--", "src", "test/sim") !== "";
    return ` at ${git("rev-parse", "--short", "HEAD")}${isChanged ? " with changes" : ""}`;
  } catch {
    return "";
  }
}

process.exitCode = await main();
