/** The two ends of a served tab over a real BroadcastChannel; the services behind them respond when the test says so. */
import { expect, test } from "vitest";
import { NotSentError } from "../../../src/client/common/transport-errors.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import { ServedTab } from "../../../src/room/tabs/served-tab.ts";
import { TabServer } from "../../../src/room/tabs/tab-server.ts";

const CONTEXT = { token: "", requireLeader: false };

test("a write under way when the serving tab is gone has an unknown outcome; a read, and what was not sent, may be repeated", async () => {
  const channel = `test/${crypto.randomUUID()}`;
  // It has no member yet, so it lets calls wait.
  const server = new TabServer({
    channelOf: () => channel,
    news: () => ({ type: "news", state: { type: "opening" }, view: undefined }),
    onRequest: () => {},
    whenGone: () => {},
  });
  let lost: () => void = () => {};
  const isLost = new Promise<void>((resolve) => {
    lost = resolve;
  });
  const services = await new Promise<Services>((resolve) => {
    const served = new ServedTab({ channel, onOpen: resolve, onNews: () => {}, onLost: lost });
    expect(served).toBeDefined();
    server.connect("0123456789abcdef");
  });
  const key = new Uint8Array([1]);
  const failureOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => undefined,
      (error: unknown) => error,
    );
  const write = failureOf(services.kv.put(putRequest({ key, value: key }), CONTEXT));
  const read = failureOf(services.kv.range(rangeRequest({ key }), CONTEXT));
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.close();
  await isLost;
  const error = await write;
  expect(error).toBeInstanceOf(EtcdError);
  expect(error).not.toBeInstanceOf(NotSentError);
  expect(error).toMatchObject({ code: GrpcCode.Unavailable, message: expect.stringContaining("not known whether") });
  expect(await read).toBeInstanceOf(NotSentError);
  expect(await failureOf(services.kv.put(putRequest({ key, value: key }), CONTEXT))).toBeInstanceOf(NotSentError);
});
