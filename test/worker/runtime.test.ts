import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import type { TestStore } from "./main.ts";

const { TEST_STORE } = env as unknown as { readonly TEST_STORE: DurableObjectNamespace<TestStore> };

test("a Durable Object's rows outlive its instance", async () => {
  const stub = TEST_STORE.get(TEST_STORE.idFromName("runtime"));
  const first = await runInDurableObject(stub, (instance: TestStore, state) => {
    state.storage.sql.exec("CREATE TABLE entry (log_index INTEGER PRIMARY KEY, data BLOB)");
    state.storage.sql.exec("INSERT INTO entry VALUES (1, x'00ff')");
    return instance;
  });

  await evictDurableObject(stub);

  const [second, rows] = await runInDurableObject(stub, (instance: TestStore, state) => [
    instance,
    state.storage.sql.exec("SELECT log_index, hex(data) AS data FROM entry").toArray(),
  ]);
  expect(second).not.toBe(first);
  expect(rows).toEqual([{ log_index: 1, data: "00FF" }]);
});
