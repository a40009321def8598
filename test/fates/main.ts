/** `npm run fates`: what happens to people's browsers and servers, and what Quorate says and does then, as a table. */
import { parseArgs } from "node:util";
import { HAND_OVER_FATES } from "./hand-over-fates.ts";
import { ROOM_FATES } from "./room-fates.ts";
import { SERVER_FATES } from "./server-fates.ts";
import { World } from "./world.ts";
import type { Fate, Outcome } from "./world.ts";

const FATES: Readonly<Record<string, Fate>> = { ...ROOM_FATES, ...HAND_OVER_FATES, ...SERVER_FATES };

const HELP = `Plays fates in a real Chromium (three profiles) and a real server, and prints whether the data is right, what is said, what
recovers, and after how many seconds. Needs \`npm run build\`. Seconds depend on the machine and judge nothing.

  npm run fates                      all of them
  npm run fates -- --short           each lasts three seconds at most
  npm run fates -- killed quota      these: ${Object.keys(FATES).join(", ")}
`;

const SHORT_SECONDS = 3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { short: { type: "boolean" }, help: { type: "boolean" } },
});
const names = positionals.length === 0 ? Object.keys(FATES) : positionals;
if (values.help === true || names.some((name) => FATES[name] === undefined)) process.stdout.write(HELP);
else process.exitCode = await playAll(names);

async function playAll(chosen: readonly string[]): Promise<number> {
  console.log("| fate | right | says | recovers | seconds |\n|---|---|---|---|---|");
  let wrong = 0;
  for (const name of chosen) {
    const fate = FATES[name];
    if (fate === undefined) continue;
    const { right, says, recovers, seconds } = await played(fate);
    if (!right) wrong += 1;
    console.log(`| ${fate.what} | ${right ? "yes" : "NO"} | ${says} | ${recovers} | ${seconds.toFixed(1)} |`);
  }
  return wrong === 0 ? 0 : 1;
}

/** A fate that cannot be played to its end is not right. */
async function played({ run, lastsSeconds = 0 }: Fate): Promise<Outcome> {
  const world = await World.create();
  try {
    return await run(world, values.short === true ? Math.min(lastsSeconds, SHORT_SECONDS) : lastsSeconds);
  } catch (error) {
    const says = (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, " ");
    return { right: false, says, recovers: "", seconds: Number.NaN };
  } finally {
    await world.end();
  }
}
