/** `npm run fates`: what happens to people's browsers and servers, and what Quorate says and does then, as a table. */
import { parseArgs } from "node:util";
import { AWAY_FATES } from "./away-fates.ts";
import type { Fates } from "./fate.ts";
import { HAND_OVER_FATES } from "./hand-over-fates.ts";
import { OFFLINE_FATES } from "./offline-fates.ts";
import { play } from "./play.ts";
import { PROFILE_FATES } from "./profile-fates.ts";
import { SERVER_FATES } from "./server-fates.ts";
import type { Place } from "./world.ts";

const FATES: Fates = { ...AWAY_FATES, ...PROFILE_FATES, ...OFFLINE_FATES, ...HAND_OVER_FATES, ...SERVER_FATES };

const HELP = `Plays fates in a real Chromium (three profiles) and a real server, and prints whether the data is right, what is said, what
recovers, and after how many seconds. Meanwhile every page reads, writes and watches, and what it was told is judged in the
end. Needs \`npm run build\`. Seconds depend on the machine and judge nothing.

  npm run fates                      all of them
  npm run fates -- --short           each lasts three seconds at most
  npm run fates -- --place edge      those of rooms whose cluster is at the edge; also tabs, endpoint
  npm run fates -- killed quota      these: ${Object.keys(FATES).join(", ")}
`;

const SHORT_SECONDS = 3;
const PLACES: Readonly<Record<Place, string>> = { tabs: "tabs vote", edge: "the edge votes", endpoint: "no room" };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { short: { type: "boolean" }, place: { type: "string" }, help: { type: "boolean" } },
});
const names = positionals.length === 0 ? Object.keys(FATES) : positionals;
const isKnown = names.every((name) => name in FATES) && (values.place === undefined || values.place in PLACES);
if (values.help === true || !isKnown) process.stdout.write(HELP);
else process.exitCode = await playAll(names);

async function playAll(chosen: readonly string[]): Promise<number> {
  console.log("| fate | room | right | says | recovers | seconds |\n|---|---|---|---|---|---|");
  let wrong = 0;
  for (const name of chosen) {
    for (const place of FATES[name]?.places ?? []) {
      if (values.place === undefined || values.place === place) wrong += await playOne(name, place);
    }
  }
  return wrong === 0 ? 0 : 1;
}

/** Returns how many fates went wrong. */
async function playOne(name: string, place: Place): Promise<number> {
  const fate = FATES[name];
  if (fate === undefined) return 1;
  const { lastsSeconds = 0, what } = fate;
  const seconds = values.short === true ? Math.min(lastsSeconds, SHORT_SECONDS) : lastsSeconds;
  const outcome = await play(fate, place, seconds);
  const cells = [what, PLACES[place], outcome.right ? "yes" : "NO", outcome.says, outcome.recovers];
  console.log(`| ${cells.join(" | ")} | ${outcome.seconds.toFixed(1)} |`);
  for (const line of outcome.wrong) process.stderr.write(`${name} (${place}): ${line}\n`);
  return outcome.right ? 0 : 1;
}
