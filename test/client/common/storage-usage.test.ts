import { expect, test } from "vitest";
import { fullDiskText, storageUsage } from "../../../src/client/common/storage-usage.ts";
import type { StorageUsage } from "../../../src/client/common/storage-usage.ts";

const OUTBOX = { count: 12, bytes: 300_000 };
const never = new Promise<never>(() => {});

function textOf(usage: Partial<StorageUsage>): string {
  return fullDiskText({ held: undefined, outbox: undefined, isPersisted: true, ...usage }, "Writes fail.", "compact");
}

test("a full disk is told with what the site uses, of how much, by what, and what helps", () => {
  const held = { log: 1_200_000, state: 5_040_000 };
  expect(textOf({ usage: 9_840_000, quota: 10_000_000, held, outbox: OUTBOX, isPersisted: false })).toBe(
    "The browser gives no more room to this site, which uses 9.8 MB of at most 10.0 MB. Of that: the log 1.2 MB, the keys " +
      "5.0 MB, the outbox 300 kB (12 writes), everything else of this site 3.3 MB. Writes fail. What helps: free space on " +
      "this device, delete other data of this site, compact or let the browser keep this site’s data " +
      "(navigator.storage.persist()).",
  );
});

test("what is not known is left out, and what persists already need not be asked for", () => {
  expect(textOf({})).toBe(
    "The browser gives no more room to this site. Writes fail. What helps: free space on this device, delete other data " +
      "of this site or compact.",
  );
  // Compressed on disk, a store takes less than it holds.
  expect(textOf({ usage: 900, quota: 2e9, outbox: { count: 1, bytes: 1_000 } })).toContain(
    "uses 900 B of at most 2.0 GB. Of that: the outbox 1.0 kB (1 write). Writes",
  );
});

test("a browser that fails to tell, or does not answer, keeps nobody waiting", async () => {
  const failing = { estimate: () => Promise.reject(new Error("no")), persisted: () => never };
  const unknown = { usage: undefined, quota: undefined, held: undefined, outbox: undefined, isPersisted: false };
  expect(await storageUsage(failing, undefined, () => never)).toEqual(unknown);
  const telling = { estimate: async () => ({ usage: 1, quota: 2 }), persisted: async () => true };
  const known = { usage: 1, quota: 2, held: { log: 3, state: 4 }, outbox: OUTBOX, isPersisted: true };
  expect(await storageUsage(telling, { log: 3, state: 4 }, async () => OUTBOX)).toEqual(known);
});
