/** Of `npm run fates` those that take a moment; it plays all, and at their length. */
import { expect, test } from "vitest";
import { play } from "../fates/play.ts";
import { PROFILE_FATES } from "../fates/profile-fates.ts";
import { SERVER_FATES } from "../fates/server-fates.ts";
import type { Fate } from "../fates/fate.ts";
import type { Place } from "../fates/world.ts";

test.each<readonly [string, Place, Fate | undefined, RegExp]>([
  ["database-cleared", "tabs", PROFILE_FATES["database-cleared"], /^Storage failed.*taken this member's database away/],
  [
    "insecure",
    "endpoint",
    SERVER_FATES["insecure"],
    /Web Locks.*Web Crypto.*https and of localhost alone.*connect\(.*without any of it/,
  ],
])("%s (%s): nothing is lost, and what is said is so", async (_, place, fate, says) => {
  if (fate === undefined) throw new Error("no such fate");
  expect(await play(fate, place, 0)).toMatchObject({ right: true, wrong: [], says: expect.stringMatching(says) });
});
