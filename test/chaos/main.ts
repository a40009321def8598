/**
 * `npm run chaos`: members in processes of their own are killed, stopped and cut off while real clients work, and the
 * simulator's checkers judge what the clients saw. In rounds, each with a new cluster.
 */
import { parseArgs } from "node:util";
import { round } from "./round.ts";

const HELP = `Harms a cluster of real processes while HTTP and gRPC clients, watches and locks work, and judges what they saw.

  npm run chaos -- --minutes 10        rounds for ten minutes (default 2); what has begun is finished
  npm run chaos -- --processes 5       members of the cluster (default 3)
  npm run chaos -- --seed 7            the first round's seed (default: of the clock); harm and calls are drawn from it
  npm run chaos -- --round 30          seconds of harm in a round (default 45)
  npm run chaos -- --verbose           each harm as it is done

It needs what \`npm run build\` makes. All is on loopback, and ends with it. Disks are filled on Linux as root: each member's
data is on a small one of its own, which is mounted for the round.
`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    processes: { type: "string", default: "3" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    round: { type: "string", default: "45" },
    verbose: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else process.exitCode = await chaos();

async function chaos(): Promise<number> {
  const untilMs = Date.now() + Number(values.minutes) * 60_000;
  const total = { rounds: 0, calls: 0, answered: 0, revisions: 0, locks: 0, watched: 0 };
  const harms = new Map<string, number>();
  let allRight = true;
  for (let seed = Number(values.seed); allRight && (total.rounds === 0 || Date.now() < untilMs); seed++) {
    const result = await round({
      seed,
      seconds: Number(values.round),
      members: Number(values.processes),
      say: values.verbose ? (line) => console.log(`  ${line}`) : () => undefined,
    }).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    if (result instanceof Error) {
      console.log(`seed ${seed}: WRONG\n${result.stack ?? result.message}`);
      allRight = false;
      break;
    }
    total.rounds += 1;
    total.calls += result.calls;
    total.answered += result.answered;
    total.revisions += result.revisions;
    total.locks += result.locksHeld;
    total.watched += result.watched;
    for (const [harm, count] of result.harms) harms.set(harm, (harms.get(harm) ?? 0) + count);
    const verdict = result.wrong.length === 0 ? "right" : `WRONG\n${result.wrong.join("\n")}`;
    console.log(
      `seed ${seed}: ${result.answered} of ${result.calls} calls answered, ${result.revisions} revisions: ${verdict}`,
    );
    allRight = result.wrong.length === 0;
  }
  const done = [...harms].map(([harm, count]) => `${harm} ${count}`).join(", ");
  console.log(
    `${total.rounds} rounds: ${total.answered} of ${total.calls} calls answered, ${total.revisions} revisions, ` +
      `${total.locks} times the lock, ${total.watched} responses of watches; ${done}: ${allRight ? "all right" : "WRONG, see above"}`,
  );
  return allRight ? 0 : 1;
}
