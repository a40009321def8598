/** Calls that shared a request to a member, in the real runtime: what the platform allows between objects counts here. */
import { expect, test } from "vitest";
import { edge, put, type RangeAnswer } from "../support/edge-kit.ts";

const VALUES = 28;
const VALUE = "x".repeat(1024 * 1024);

/** Calls that the worker knows to be small share a request. */
async function asked(path: string, body: object): Promise<Response> {
  const text = JSON.stringify(body);
  const headers = { "content-length": String(text.length) };
  return edge(path, { method: "POST", body: text, headers });
}

test("a response larger than a message between objects arrives, and so do those of the other calls in the batch", async () => {
  for (let at = 0; at < VALUES; at++) await put(`big/${String(at).padStart(2, "0")}`, VALUE);

  const ahead = asked("/v3/kv/put", { key: btoa("first"), value: btoa("1") });
  const large = asked("/v3/kv/range", { key: btoa("big/"), range_end: btoa("big0") });
  const along = ["a", "b", "c"].map((key) => asked("/v3/kv/put", { key: btoa(key), value: btoa("1") }));
  const answers = await Promise.all([ahead, large, ...along]);

  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  const answer: RangeAnswer = await (await large).json();
  expect(answer.kvs?.map(({ value }) => value.length)).toEqual(
    Array.from({ length: VALUES }, () => btoa(VALUE).length),
  );
});
