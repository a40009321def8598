import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { edgeOptionsOf, flaggedOptions } from "../../../worker/member/member-flags.ts";
import { edge, stubOf } from "../support/edge-kit.ts";

test("the worker's variables are a member's settings, texts or not", async () => {
  const storage = { get: async () => undefined, put: async () => {} };
  const env = { MAX_TXN_OPS: "7", MAX_WATCHERS: 8, STRICT_RECONFIG_CHECK: false, CLUSTER_NAME: "x" };

  expect(await flaggedOptions(env, storage)).toEqual({
    limits: { responseBytes: 32 * 1024 * 1024, txnOperations: 7, watchers: 8 },
    cluster: { strictReconfigCheck: false },
  });
  await expect(flaggedOptions({ MAX_TXN_OPS: {} }, storage)).rejects.toThrow("MAX_TXN_OPS is a text");
});

test("a request is no larger than a row may be", () => {
  expect(() => edgeOptionsOf((flag) => (flag === "max-request-bytes" ? "2000000" : ""))).toThrow(
    "max-request-bytes is at most 1900000 at the edge",
  );
});

test("the note for auto-compaction outlives the object's memory", async () => {
  await (await edge("/m/1/health")).text();
  const env = { AUTO_COMPACTION_RETENTION: "1h" };
  const note = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const [before, after] = await runInDurableObject(stubOf(1), async (_member: unknown, { storage }) => {
    const first = await flaggedOptions(env, storage);
    first.autoCompaction?.save?.(note);
    const second = await flaggedOptions(env, storage);
    await storage.delete("auto-compaction");
    return [first.autoCompaction?.saved, second.autoCompaction?.saved];
  });

  expect(before).toBeUndefined();
  expect(after).toEqual(note);
});
