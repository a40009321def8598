/** Two processes deploy at once. */
import { command } from "../command.ts";
import { check } from "../steps.ts";

interface Deploy {
  readonly number: number;
  readonly version: string;
  readonly from: number;
  readonly to: number;
}

export async function deployOneByOne(folder: string, endpoint: string): Promise<void> {
  const versions = ["v1", "v2", "v3"];
  const printed = await Promise.all(versions.map((version) => command(folder, "node", "main.js", endpoint, version)));
  const deploys = printed.map((line) => JSON.parse(line) as Deploy).toSorted((one, other) => one.number - other.number);
  check(deploys.map(({ number }) => number).join() === "1,2,3", `numbers: ${printed.join("")}`);
  check(new Set(deploys.map(({ version }) => version)).size === versions.length, `versions: ${printed.join("")}`);
  const overlaps = deploys.filter(({ from }, at) => from < (deploys[at - 1]?.to ?? 0));
  check(overlaps.length === 0, `two at once: ${printed.join("")}`);
}
