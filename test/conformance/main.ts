/**
 * `npm run conformance`: one seeded conversation with a real etcd and with Quorate, and every difference between the two,
 * with the request that made it.
 */
import { writeFileSync } from "node:fs";
import { caseText } from "./cases.ts";
import { Drawer } from "./draw/draw.ts";
import { startEdge } from "./edge-target.ts";
import { HttpTarget } from "./http-target.ts";
import { openMemoryTarget } from "./memory-target.ts";
import { conformanceOptions, HELP, type ConformanceOptions } from "./options.ts";
import { startReference } from "./reference.ts";
import { isSame } from "./same.ts";
import { Session } from "./session.ts";
import { shortened } from "./shorten.ts";
import { describeStep, type Observation, type Step } from "./steps.ts";
import type { Target } from "./target.ts";

interface Difference {
  readonly at: number;
  readonly reference: Observation;
  readonly ours: Observation;
}

async function main(): Promise<number> {
  const options = conformanceOptions(process.argv.slice(2));
  if (typeof options === "string") {
    process.stderr.write(`${options}\n\n${HELP}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  let found = 0;
  for (let seed = options.seed; seed < options.seed + options.seeds && found < options.differences; seed++) {
    found += await runSeed(options, seed, options.differences - found);
  }
  return found === 0 ? 0 : 1;
}

async function runSeed(options: ConformanceOptions, seed: number, differencesMax: number): Promise<number> {
  const recorded: string[] = [];
  const reference = new Session(await referenceOf(options));
  const ours = options.record === undefined ? new Session(await targetOf(options, seed)) : undefined;
  const drawer = new Drawer(seed, options.services, options.leaderChange ? leaderChanges(options.count) : []);
  const steps: Step[] = [];
  const differences: Difference[] = [];
  try {
    let calls = 0;
    while (calls < options.count && differences.length < differencesMax) {
      const step = drawer.next();
      if (step.type === "call" || step.type === "begin" || step.type === "send") calls++;
      steps.push(step);
      const expected = await said(reference, step);
      drawer.learn(step, expected);
      if (options.record !== undefined) recorded.push(caseText({ step, said: expected }));
      const observed = ours === undefined ? expected : await said(ours, step, expected);
      if (isSame(observed, expected)) continue;
      differences.push({ at: steps.length - 1, reference: expected, ours: observed });
      const difference = differences[differences.length - 1] as Difference;
      print(steps, difference, options.context);
    }
    if (options.record !== undefined) writeFileSync(options.record, recorded.join(""));
    process.stdout.write(`${differences.length} differences in ${calls} requests of seed ${seed}\n`);
  } finally {
    await reference.stop();
    await ours?.stop();
  }
  const [first] = differences;
  if (first !== undefined && options.shorten) await shorten(options, seed, steps.slice(0, first.at + 1));
  return differences.length;
}

/** A target that breaks off is a difference too, and says where. */
async function said(session: Session, step: Step, expected?: Observation): Promise<Observation> {
  try {
    return await session.perform(step, expected);
  } catch (error) {
    if (expected === undefined) throw new Error(`the reference failed at ${describeStep(step)}`, { cause: error });
    return { failed: String((error as Error).cause ?? error) };
  }
}

function print(steps: readonly Step[], { at, reference, ours }: Difference, context: number): void {
  for (const step of steps.slice(Math.max(0, at - context), at)) process.stdout.write(`    ${describeStep(step)}\n`);
  process.stdout.write(
    `step ${at}: ${describeStep(steps[at] as Step)}\n  etcd:    ${JSON.stringify(reference)}\n` +
      `  quorate: ${JSON.stringify(ours)}\n`,
  );
}

async function shorten(options: ConformanceOptions, seed: number, steps: readonly Step[]): Promise<void> {
  if (options.etcd === undefined || options.endpoint !== undefined) return;
  const few = await shortened(steps, async (candidate) => {
    const reference = new Session(await referenceOf(options));
    const ours = new Session(await targetOf(options, seed));
    try {
      let differs = false;
      for (const step of candidate) {
        const expected = await said(reference, step);
        differs = !isSame(await said(ours, step, expected), expected);
        if (differs && step !== candidate[candidate.length - 1]) return false;
      }
      return differs;
    } finally {
      await reference.stop();
      await ours.stop();
    }
  });
  process.stdout.write(`the first of them, shortened to ${few.length} steps:\n`);
  for (const step of few) process.stdout.write(`    ${describeStep(step)}\n`);
}

function leaderChanges(count: number): readonly number[] {
  return [Math.floor(count / 3), Math.floor(count / 2)];
}

async function referenceOf({ reference, etcd }: ConformanceOptions): Promise<Target> {
  if (etcd !== undefined) return startReference(etcd);
  return new HttpTarget(reference ?? "");
}

async function targetOf({ endpoint, edge, members }: ConformanceOptions, seed: number): Promise<Target> {
  if (endpoint !== undefined) return new HttpTarget(endpoint);
  return edge ? startEdge() : openMemoryTarget(members, seed);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.exitCode = await main();
