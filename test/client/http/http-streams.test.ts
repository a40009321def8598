/** Methods with one request and many answers, behind HTTP. */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { errPermissionDenied } from "../../../src/protocol/errors.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { CALL } from "../../member/support/cluster.ts";
import { serveMember, type ServedMember } from "../support/served-member.ts";

const ALL = rangeRequest({ key: utf8Encode("k"), rangeEnd: utf8Encode("l") });
const SNAPSHOT_PATH = "/v3/maintenance/snapshot";

let served: ServedMember;
let services: Services;

beforeEach(async () => {
  served = await serveMember();
  services = httpServices({ endpoint: served.endpoint });
});
afterEach(() => served.close());

async function collected<T>(parts: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const part of parts) all.push(part);
  return all;
}

/** Answers the next snapshot with these lines, and then goes on or ends. */
function answers(lines: readonly string[], status = 200, ends = true): Promise<ServerResponse> {
  return new Promise((resolve) => {
    served.intercept = (path, response) => {
      if (path !== SNAPSHOT_PATH) return false;
      response.writeHead(status, { "content-type": "application/json" });
      for (const line of lines) response.write(line);
      if (ends) response.end();
      resolve(response);
      return true;
    };
  });
}

test("RangeStream gives the parts that the member makes, the header in the last", async () => {
  for (let at = 10; at < 40; at++) await services.kv.put(putRequest({ key: utf8Encode(`k${at}`) }), CALL);
  const parts = (await collected(services.kv.rangeStream(ALL, CALL))).map(({ rangeResponse }) => rangeResponse);
  expect(parts.map(({ kvs }) => kvs.length)).toEqual([10, 20]);
  expect(parts.flatMap(({ kvs }) => kvs.map(({ key }) => utf8Decode(key))).at(-1)).toBe("k39");
  expect(parts.map(({ count, header }) => [count, header.revision])).toEqual([
    [0, 0],
    [30, 31],
  ]);
});

test("an error before the first part is the stream's, and so is one after it", async () => {
  const error = JSON.stringify({ error: { code: 7, message: errPermissionDenied.message } });
  void answers([error], 403);
  await expect(collected(services.maintenance.snapshot({}, CALL))).rejects.toMatchObject({
    code: errPermissionDenied.code,
    message: errPermissionDenied.message,
  });
  void answers(['{"result":{"remaining_bytes":"3"}}\n', "\n", `${error}\n`]);
  const seen: number[] = [];
  const reading = (async () => {
    for await (const { remainingBytes } of services.maintenance.snapshot({}, CALL)) seen.push(remainingBytes);
  })();
  await expect(reading).rejects.toMatchObject({ code: errPermissionDenied.code });
  expect(seen).toEqual([3]);
});

test("leaving the loop ends the response; so does the signal of an abandoned call", async () => {
  const left = answers(['{"result":{"remaining_bytes":"3"}}\n'], 200, false);
  for await (const { remainingBytes } of services.maintenance.snapshot({}, CALL)) {
    expect(remainingBytes).toBe(3);
    break;
  }
  await once(await left, "close");
  const aborted = answers([], 200, false);
  const abort = new AbortController();
  const reading = collected(services.maintenance.snapshot({}, { ...CALL, signal: abort.signal }));
  const response = await aborted;
  response.flushHeaders();
  abort.abort();
  expect(await reading).toEqual([]);
});
