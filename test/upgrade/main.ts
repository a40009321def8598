/**
 * `npm run upgrade`: a rolling upgrade. Members of an earlier commit and of this one are one cluster, while clients write,
 * read and watch, leaders of both builds are chosen, and the checkers of the simulator judge what the clients saw.
 */
import { parseArgs } from "node:util";
import { upgrade } from "./rolling.ts";

const HELP = `Upgrades a cluster of real processes member by member, from an earlier commit to what \`npm run build\` left, while
clients write, read and watch; then a member goes back, and one comes that speaks another version of the protocol.

  npm run upgrade -- --from v1.2       the earlier commit (default HEAD~20, or the oldest that is there)
  npm run upgrade -- --seconds 20      of each step (default 10); there are about ten
  npm run upgrade -- --seed 7          what the clients call is drawn from it

It builds the earlier commit in a worktree that is removed in the end. All is on loopback.
`;

const { values } = parseArgs({
  options: {
    from: { type: "string" },
    seconds: { type: "string", default: "10" },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", short: "h", default: false },
  },
});
if (values.help) process.stdout.write(HELP);
else {
  const options = { from: values.from, seconds: Number(values.seconds), seed: Number(values.seed) };
  const { wrong, summary } = await upgrade(options, (line) => console.log(line));
  console.log(wrong.length === 0 ? `${summary}: all right` : `${summary}: WRONG\n${wrong.join("\n")}`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}
