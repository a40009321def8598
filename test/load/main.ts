/** `npm run load`: what many watches, many leases, clients that do not read and strangers who guess passwords cost a member. */
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
`;

const [name, option, scale = "1"] = process.argv.slice(2);
const scenario = name === undefined ? undefined : SCENARIOS[name];
if (name === undefined) for (const known of Object.keys(SCENARIOS)) await inProcessOfItsOwn(known, "1");
else if (scenario === undefined) process.stdout.write(HELP);
else if (typeof gc !== "function") await inProcessOfItsOwn(name, option === "--scale" ? scale : "1");
else {
  for (const { what, value, unit } of await scenario(Number(option))) {
    console.log(`  ${what}: ${Math.round(value).toLocaleString("en")} ${unit}`);
  }
  process.exit(0);
}

async function inProcessOfItsOwn(known: string, size: string): Promise<void> {
  console.log(`${known}:\n  ${await runNode(["--expose-gc", "test/load/main.ts", known, size])}`);
}
