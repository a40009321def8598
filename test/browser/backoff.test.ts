/** Retries in a page wait no longer than it is away. */
import { expect, test, vi } from "vitest";
import { SYSTEM_BACKOFF } from "../../src/client/common/backoff.ts";

const HOURS_MS = 3_600_000;

test("a wait before a retry ends at once when the network is back, and when somebody looks at the page again", async () => {
  const online = SYSTEM_BACKOFF.sleep(HOURS_MS);
  dispatchEvent(new Event("online"));
  await online;
  const seen = SYSTEM_BACKOFF.sleep(HOURS_MS);
  document.dispatchEvent(new Event("visibilitychange"));
  await seen;
});

test("a wait that is over, or aborted, listens no more", async () => {
  const added = vi.spyOn(window, "addEventListener");
  const removed = vi.spyOn(window, "removeEventListener");
  const abort = new AbortController();
  const aborted = SYSTEM_BACKOFF.sleep(HOURS_MS, abort.signal);
  abort.abort();
  await Promise.all([SYSTEM_BACKOFF.sleep(1), aborted]);
  const online = ({ mock }: { readonly mock: { readonly calls: readonly unknown[][] } }): number =>
    mock.calls.filter(([type]) => type === "online").length;
  expect([online(added), online(removed)]).toEqual([2, 2]);
  vi.restoreAllMocks();
});
