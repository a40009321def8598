/** Of `npm run fates` those that take a moment; it plays all, and at their length. */
import { expect, test } from "vitest";
import { ROOM_FATES } from "../fates/room-fates.ts";
import { SERVER_FATES } from "../fates/server-fates.ts";
import { World } from "../fates/world.ts";
import type { Fate } from "../fates/world.ts";

test.each<readonly [string, Fate | undefined, RegExp]>([
  ["database-cleared", ROOM_FATES["database-cleared"], /^Storage failed.*taken this member's database away/],
  [
    "insecure",
    SERVER_FATES["insecure"],
    /Web Locks.*Web Crypto.*https and of localhost alone.*connect\(.*without any of it/,
  ],
])("%s: nothing is lost, and what is said is so", async (_, fate, says) => {
  const world = await World.create();
  try {
    const outcome = await fate?.run(world, 0);
    expect(outcome).toMatchObject({ right: true, says: expect.stringMatching(says) });
  } finally {
    await world.end();
  }
});
