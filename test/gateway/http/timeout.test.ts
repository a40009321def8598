import { describe, expect, test } from "vitest";
import { timeoutMsOf, within } from "../../../src/gateway/http/timeout.ts";
import { Endpoint } from "../support/endpoint.ts";

describe("grpc-timeout", () => {
  test.each([
    ["10S", 10_000],
    ["2H", 7_200_000],
    ["3M", 180_000],
    ["5m", 5],
    ["2000u", 2],
    ["-1S", -1_000],
  ])("%s is %i ms", (text, ms) => {
    expect(timeoutMsOf(new Headers({ "grpc-timeout": text }))).toBe(ms);
  });

  test.each(["x", "S", "10", "1.5S", " S", "10s"])("%s is refused, as etcd's gateway refuses it", async (text) => {
    const endpoint = await Endpoint.open();
    const init = { method: "POST", headers: { "grpc-timeout": text }, body: "no JSON either" };
    const { status, json } = await endpoint.call("/v3/kv/range", init);
    expect([status, json]).toEqual([400, { code: 3, message: `invalid grpc-timeout: ${text.trim()}` }]);
  });

  test("a time that is up before the call is 504, and the call is not made", async () => {
    const endpoint = await Endpoint.open();
    const init = { method: "POST", headers: { "grpc-timeout": "0S" }, body: '{"key":"YQ=="}' };
    const { status, json } = await endpoint.call("/v3/kv/put", init);
    expect([status, json]).toEqual([504, { code: 4, message: "context deadline exceeded" }]);
    expect(endpoint.cluster.node(1n).member.machine.store.revision).toBe(1);
  });

  test("a call whose deadline passes gets its signal aborted", async () => {
    let stopped = false;
    const waiting = within(5, new AbortController().signal, async (signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      stopped = true;
    });
    await expect(waiting).rejects.toMatchObject({ code: 4, message: "context deadline exceeded" });
    expect(stopped).toBe(true);
  });
});
