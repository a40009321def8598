import { expect, test } from "vitest";
import { storageQuotaBytes } from "../../src/room/common/storage-quota.ts";

const MIB = 1024 ** 2;

test("a tab may store half of what the browser offers, for a snapshot comes beside the state, and 1 GiB at most", async () => {
  expect(await storageQuotaBytes(async () => ({ quota: 600 * MIB }))).toBe(300 * MIB);
  expect(await storageQuotaBytes(async () => ({ quota: 60_000 * MIB }))).toBe(1024 * MIB);
});

test("a browser that offers next to nothing, or does not tell, is tried all the same", async () => {
  expect(await storageQuotaBytes(async () => ({ quota: 0 }))).toBe(16 * MIB);
  expect(await storageQuotaBytes(async () => ({}))).toBe(1024 * MIB);
  expect(await storageQuotaBytes(() => Promise.reject(new Error("not here")))).toBe(1024 * MIB);
});
