import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import type { EdgeMember } from "../../../worker/member/member-object.ts";
import { edge, eventually, get, kill, put, stubOf } from "../support/edge-kit.ts";

test("a member with a damaged store says what is damaged, and the others go on", async () => {
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
});
