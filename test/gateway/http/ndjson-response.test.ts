import { expect, test } from "vitest";
import { ndjsonResponse } from "../../../src/gateway/http/ndjson-response.ts";

test("a reader that disconnects before its response begins leaves no open stream", async () => {
  let end = (): void => {};
  const over = new Promise<undefined>((resolve) => {
    end = () => resolve(undefined);
  });
  let closed = 0;
  const close = (): void => {
    closed += 1;
    end();
  };
  const response = await ndjsonResponse(AbortSignal.abort(), { next: () => over, close }, 60_000);

  expect(closed).toBeGreaterThan(0);
  expect(await response.text()).toBe("");
});
