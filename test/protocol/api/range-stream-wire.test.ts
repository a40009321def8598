import { expect, test } from "vitest";
import { responseHeader } from "../../../src/protocol/api/header.ts";
import { rangeResponse, rangeStreamResponse } from "../../../src/protocol/api/kv.ts";
import { rangeStreamResponseSchema } from "../../../src/protocol/api/schema/kv-schema.ts";
import { decode, encode } from "../../../src/protocol/codec/proto-codec.ts";

test("a chunk of a RangeStream that is not the last has no header on the wire, because clients would read a revision from it", () => {
  const part = rangeStreamResponse({ rangeResponse: rangeResponse({ more: true }) });
  expect([...encode(rangeStreamResponseSchema, part)]).toEqual([0x0a, 2, 0x18, 1]);
  expect(decode(rangeStreamResponseSchema, encode(rangeStreamResponseSchema, part))).toEqual(part);
});

test("the last chunk has its header", () => {
  const last = rangeStreamResponse({ rangeResponse: rangeResponse({ header: responseHeader({ revision: 7 }) }) });
  expect([...encode(rangeStreamResponseSchema, last)]).toEqual([0x0a, 4, 0x0a, 2, 0x18, 7]);
});
