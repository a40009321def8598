/**
 * `npm run upgrade`: a rolling upgrade. Members of an earlier commit and of this one are one cluster, while clients write,
 * read and watch, leaders of both builds are chosen, and the checkers of the simulator judge what the clients saw.
 */
import { parseArgs } from "node:util";
import { buildOther, type OtherBuild, protocolOf, someCommitsBack } from "./other-build.ts";
import { upgradeObjects, upgradeProcesses, type UpgradeOptions, type UpgradeResult } from "./rolling.ts";
import type { Say } from "./steps.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";

/** What CI upgrades from. */
const RECORDED = "c054d326bff14ccbd00d7337fea91e38c2efd008";

const HELP = `Upgrades a cluster member by member, from an earlier commit to what \`npm run build\` left, while clients write, read and
watch: first one of Durable Objects in one deployment, then one of processes, in which at last a member comes that speaks another
version of the protocol.

  npm run upgrade -- --from v1.2       the earlier commit (default HEAD~20, or the oldest that is there)
  npm run upgrade -- --seconds 20      of each step (default 10); there are about ten
  npm run upgrade -- --only objects    or processes
  npm run upgrade -- --seed 7          what the clients call is drawn from it
  npm run upgrade -- --short           as CI does: from a recorded commit, with steps of a second

It builds the earlier commit in a worktree that is removed in the end. All is on loopback.
`;

type Upgrade = (other: OtherBuild, options: UpgradeOptions, say: Say) => Promise<UpgradeResult>;

const UPGRADES: Readonly<Record<string, Upgrade>> = { objects: upgradeObjects, processes: upgradeProcesses };

const { values } = parseArgs({
  options: {
    from: { type: "string" },
    seconds: { type: "string" },
    seed: { type: "string", default: "1" },
    only: { type: "string" },
    short: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const { only } = values;
const from = values.from ?? (values.short || values.help ? RECORDED : await someCommitsBack());
if (values.help || (only !== undefined && !(only in UPGRADES))) process.stdout.write(HELP);
else {
  const reason = values.short ? await skipped() : undefined;
  if (reason === undefined) process.exitCode = await upgraded();
  else console.log(`upgrade: skipped, ${reason}`);
}

/** Why CI cannot upgrade from the recorded commit. */
async function skipped(): Promise<string | undefined> {
  const version = await protocolOf(from);
  if (version === undefined) return `as this clone lacks commit ${from}`;
  if (version === PROTOCOL_VERSION) return undefined;
  return `as commit ${from} speaks version ${version} of the protocol, not ${PROTOCOL_VERSION}: record a later one here`;
}

async function upgraded(): Promise<number> {
  const options = { seconds: Number(values.seconds ?? (values.short ? 1 : 10)), seed: Number(values.seed) };
  const other = await buildOther(from, PROTOCOL_VERSION + 1);
  let wrongs = 0;
  try {
    for (const [what, upgrade] of Object.entries(UPGRADES)) {
      if (only !== undefined && only !== what) continue;
      const { wrong, summary } = await upgrade(other, options, (line) => console.log(line));
      console.log(`${what}: ${summary}: ${wrong.length === 0 ? "all right" : `WRONG\n${wrong.join("\n")}`}`);
      wrongs += wrong.length;
    }
  } finally {
    await other.remove();
  }
  return wrongs === 0 ? 0 : 1;
}
