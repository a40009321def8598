import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import type { EdgeMember } from "../../../worker/member/member-object.ts";
import { edge, get, kill, leaderNumber, put, stubOf } from "../support/edge-kit.ts";

test("the worker tries another member when the first one cannot serve", async () => {
  await put("before", "the fall");
  const leader = await leaderNumber();
  await runInDurableObject(stubOf(leader), (_member: EdgeMember, state) => {
    state.storage.sql.exec("UPDATE quorate_meta SET value = 'not what was written'");
  });
  const { term } = await view();
  await kill(leader);

  for (let seen = await view(); seen.leader === "0" || seen.term === term; seen = await view()) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }

  expect(await get("before")).toBe("the fall");
  expect(await leaderNumber()).not.toBe(leader);

  /** Without a number: of whichever member answers. */
  async function view(): Promise<{ readonly term: number; readonly leader: string }> {
    return (await edge("/quorate/status")).json();
  }
});
