/** `npm run load`: what many watches, many leases, clients that do not read and strangers who guess passwords cost a member. */
import { parseArgs } from "node:util";
import { runNode } from "../bench/processes.ts";
import { idleClusters } from "./clusters.ts";
import { unreadAtTheEdge } from "./edge.ts";
import { wrongLogIns } from "./log-ins.ts";
import { neighbourOfAFlood } from "./neighbour.ts";
import { type Scenario, SCENARIOS as IN_MEMORY } from "./scenarios.ts";

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  ...IN_MEMORY,
  edge: unreadAtTheEdge,
  clusters: idleClusters,
  "log-ins": wrongLogIns,
  neighbour: neighbourOfAFlood,
};

const HELP = `Loads one member in memory, or three at the edge, and tells what that costs: ${Object.keys(SCENARIOS).join(", ")}.

  npm run load                         all of them, each in a process of its own
  npm run load -- leases               one
  npm run load -- leases --scale 0.1   a tenth of it
  npm run load -- clusters --idle 3600 what 10,000 idle clusters cost in an hour (default 14 s)
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { scale: { type: "string", default: "1" }, idle: { type: "string", default: "14" } },
});
const { scale, idle } = values;
const [name] = positionals;
const scenario = name === undefined ? undefined : SCENARIOS[name];
if (name === undefined) for (const known of Object.keys(SCENARIOS)) await inProcessOfItsOwn(known);
else if (scenario === undefined) process.stdout.write(HELP);
else if (typeof gc !== "function") await inProcessOfItsOwn(name);
else {
  for (const { what, value, unit } of await scenario(Number(scale), Number(idle))) {
    console.log(`  ${what}: ${Math.round(value).toLocaleString("en")} ${unit}`);
  }
  process.exit(0);
}

async function inProcessOfItsOwn(known: string): Promise<void> {
  const argv = ["--expose-gc", "test/load/main.ts", known, "--scale", scale, "--idle", idle];
  console.log(`${known}:\n  ${await runNode(argv)}`);
}
