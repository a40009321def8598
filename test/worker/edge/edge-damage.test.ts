import { runInDurableObject } from "cloudflare:test";
import { expect, test, vi } from "vitest";
import type { EdgeMember } from "../../../worker/member/member-object.ts";
import { edge, eventually, get, kill, put, stubOf } from "../support/edge-kit.ts";

test("a member with a damaged store says what is damaged, the others go on, and the cluster's metrics name it", async () => {
  await put("before", "damage");
  for (const number of [1, 2, 3]) await eventually("before", "damage", `/m/${number}`);
  await runInDurableObject(stubOf(2), (_member: EdgeMember, state) => {
    state.storage.sql.exec("UPDATE quorate_meta SET value = 'not what was written'");
  });
  await kill(2);

  const damaged = await edge("/m/2/v3/kv/range", { method: "POST", body: JSON.stringify({ key: btoa("before") }) });
  const health = await edge("/m/2/health");

  expect(damaged.status).toBe(503);
  expect(await damaged.json()).toMatchObject({ code: 14, problem: { code: "storage" } });
  expect(await health.json()).toMatchObject({ health: "false" });
  expect(await get("before")).toBe("damage");
  expect(await put("after", "damage")).toBeGreaterThan(2);
  expect(await get("after", "/m/3")).toBe("damage");

  const metrics = await (await edge("/metrics")).text();
  expect(metrics.split("\n").filter((line) => line.startsWith("quorate_member_up"))).toEqual([
    'quorate_member_up{cluster="quorate",member="edge-1"} 1',
    'quorate_member_up{cluster="quorate",member="edge-2"} 0',
    'quorate_member_up{cluster="quorate",member="edge-3"} 1',
  ]);
});

test("a member that a client needs loads the others while it opens its own storage", async () => {
  await put("wakes", "others");
  const woken = await runInDurableObject(stubOf(2), (member: EdgeMember) => vi.spyOn(classOf(member), "wake"));
  await kill(2);
  await edge("/m/2/health");
  await vi.waitFor(() => expect(woken).toHaveBeenCalledTimes(2));
  // These two were not asked by a client.
  await kill(3);
  await stubOf(3).wake();
  expect(woken).toHaveBeenCalledTimes(3);
  woken.mockRestore();
});

/** Where the method is: the object's class may extend the one that has it. */
function classOf(member: EdgeMember): EdgeMember {
  let found: object = member;
  while (!Object.hasOwn(found, "wake")) found = Object.getPrototypeOf(found) as object;
  return found as EdgeMember;
}
