/** The promise that a caller who is gone leaves within ten seconds rests on constants, which must not drift apart. */
import { expect, test, vi } from "vitest";
import { gatewayApp } from "../../../src/gateway/app.ts";
import { GONE_WITHIN_MS, PLAIN_RESPONSE_WITHIN_MS, PROBE_AFTER_MS } from "../../../src/gateway/http/presence.ts";
import { KEEPALIVE_TIME_MS, KEEPALIVE_TIMEOUT_MS } from "../../../src/grpc/proxy.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { CARRIER_PING_EVERY_MS, CARRIER_SILENT_MAX_MS } from "../../../src/protocol/mux-frame.ts";
import { FakeWatch } from "../support/fake-watch.ts";

test("a caller that is gone is noticed within ten seconds on every API layer", () => {
  expect(GONE_WITHIN_MS).toBe(10_000);
  // The first write after it is answered by a reset, which the second one meets.
  expect(PLAIN_RESPONSE_WITHIN_MS + 2 * PROBE_AFTER_MS).toBeLessThan(GONE_WITHIN_MS);
  expect(KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS).toBeLessThan(GONE_WITHIN_MS);
  expect(CARRIER_SILENT_MAX_MS).toBeLessThan(GONE_WITHIN_MS);
  expect(3 * CARRIER_PING_EVERY_MS).toBeLessThan(CARRIER_SILENT_MAX_MS);
});

function never(context: CallContext): Promise<never> {
  return new Promise((_, reject) => {
    context.signal?.addEventListener("abort", () => reject(new Error("gone")));
  });
}

async function* silence(context: CallContext): AsyncGenerator<never> {
  await never(context);
  yield* [];
}

/** Services on which nothing ever happens. */
function silentServices(): { readonly services: Services; readonly watch: FakeWatch } {
  const watch = new FakeWatch();
  const wait = (_message: unknown, context: CallContext): Promise<never> => never(context);
  const stream = (_message: unknown, context: CallContext): AsyncGenerator<never> => silence(context);
  const services = {
    watch,
    kv: { rangeStream: stream },
    lock: { lock: wait },
    election: { campaign: wait, observe: stream },
    maintenance: { snapshot: stream },
  } as unknown as Services;
  return { services, watch };
}

test.each([
  ["/v3/lock/lock", "{}"],
  ["/v3/election/campaign", "{}"],
  ["/v3/election/observe", "{}"],
  ["/v3/watch", '{"create_request":{"key":"Zm9v"}}'],
  ["/v3/maintenance/snapshot", "{}"],
  ["/quorate/v1/range-stream", '{"key":"Zm9v"}'],
  ["/kv/foo?watch", ""],
])("%s writes twice within ten seconds, however long nothing happens", async (path, body) => {
  vi.useFakeTimers();
  try {
    const { services, watch } = silentServices();
    const init = path.startsWith("/kv/") ? { headers: { accept: "text/event-stream" } } : { method: "POST", body };
    const answer = Promise.resolve(gatewayApp(services).fetch(new Request(`http://edge${path}`, init)));
    // The plain form begins once the watch was made.
    if (path.startsWith("/kv/")) watch.answer(1);
    let writes = 0;
    const read = async (): Promise<void> => {
      const reader = ((await answer).body as ReadableStream<Uint8Array>).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) writes += 1;
    };
    void read();
    await vi.advanceTimersByTimeAsync(60_000);
    const before = writes;
    await vi.advanceTimersByTimeAsync(GONE_WITHIN_MS);
    expect(writes - before).toBeGreaterThanOrEqual(2);
    if (path === "/v3/watch") expect(watch.requests.at(-1)).toMatchObject({ type: "progress" });
    // And from the beginning.
    expect(before).toBeGreaterThanOrEqual(12);
  } finally {
    vi.useRealTimers();
  }
});
