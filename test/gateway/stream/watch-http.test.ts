import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { gatewayApp } from "../../../src/gateway/app.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { errInvalidAuthToken, errNoLeader } from "../../../src/protocol/errors.ts";
import { jsonLines } from "../../support/text-stream.ts";
import { Endpoint } from "../support/endpoint.ts";
import { FakeWatch } from "../support/fake-watch.ts";

const CREATE = '{"create_request":{"key":"Zm9v"}}';

test("a watch is a line per response: created first, then the events", async () => {
  const endpoint = await Endpoint.open();
  const { cluster } = endpoint;
  const response = await cluster.settled(endpoint.fetch("/v3/watch", { method: "POST", body: CREATE }));
  const stream = jsonLines(response);

  const created = await cluster.settled(stream.next());
  await endpoint.put("foo", "bar");
  const events = await cluster.settled(stream.next());
  await stream.cancel();

  expect(response.headers.get("content-type")).toBe("application/json");
  expect(created).toMatchObject({ result: { created: true } });
  expect(events).toMatchObject({ result: { events: [{ kv: { key: "Zm9v", value: "YmFy", mod_revision: "2" } }] } });
});

test("the end of the body leaves the watches alone", async () => {
  const endpoint = await Endpoint.open();
  const { cluster } = endpoint;
  const response = await cluster.settled(endpoint.fetch("/v3/watch", { method: "POST", body: `${CREATE}\n${CREATE}` }));
  const stream = jsonLines(response);

  const first = await cluster.settled(stream.next());
  const second = await cluster.settled(stream.next());
  await cluster.clock.advance(1_000);
  await endpoint.put("foo", "bar");
  const events = [await cluster.settled(stream.next()), await cluster.settled(stream.next())];
  await stream.cancel();

  expect([first, second]).toMatchObject([{ result: { created: true } }, { result: { created: true, watch_id: "1" } }]);
  expect(events).toMatchObject([{ result: { events: [{}] } }, { result: { events: [{}] } }]);
});

test("a reader that is gone leaves no watcher behind", async () => {
  const endpoint = await Endpoint.open();
  const { cluster } = endpoint;
  const hub = cluster.node(1n).member.machine.hub;
  const response = await cluster.settled(endpoint.fetch("/v3/watch", { method: "POST", body: CREATE }));
  const stream = jsonLines(response);
  await cluster.settled(stream.next());
  const during = hub.watcherCount;

  await stream.cancel();

  expect([during, hub.watcherCount]).toEqual([1, 0]);
});

test("a request that is aborted before the first response leaves no watcher behind", async () => {
  const watch = new FakeWatch();
  const abort = new AbortController();
  const fetched = app(watch).fetch(post(CREATE, { signal: abort.signal }));
  await watch.requested(1);

  abort.abort();
  await fetched;

  expect(watch.closed).toBe(true);
});

test("nothing is taken from the member before the reader has room for it", async () => {
  const watch = new FakeWatch();
  watch.answer(100);
  const response = await app(watch).fetch(post(CREATE));
  const before = watch.taken;

  await jsonLines(response).next();

  expect(before).toBe(1);
  expect(watch.taken).toBeLessThan(10);
});

test("an error before the first response has its own HTTP status, in the form of streams", async () => {
  const throwing = new FakeWatch(errInvalidAuthToken);

  const response = await app(throwing).fetch(post(CREATE));

  expect([response.status, await response.text()]).toEqual([
    401,
    '{"error":{"code":16,"message":"etcdserver: invalid auth token"}}\n',
  ]);
});

test("an error after that is the last line", async () => {
  const watch = new FakeWatch();
  watch.answer(1);
  const response = await app(watch).fetch(post(CREATE));
  const stream = jsonLines(response);
  await stream.next();

  watch.fail(errNoLeader);

  expect(await stream.next()).toEqual({ error: { code: 14, message: "etcdserver: no leader" } });
  expect(await stream.next()).toBeUndefined();
  expect(watch.closed).toBe(true);
});

test.each(["nonsense", '{"create_request":', '{"create_request":{"key":5}}'])(
  "a first request %s is refused as code 3",
  async (body) => {
    const endpoint = await Endpoint.open();

    const answer = await endpoint.post("/v3/watch", body);

    expect([answer.status, answer.json.error.code]).toEqual([400, 3]);
  },
);

test("a later request that is not JSON ends the stream with an error and leaves no watcher behind", async () => {
  const watch = new FakeWatch();
  watch.answer(1);

  const response = await app(watch).fetch(post(`${CREATE}\nnonsense`));
  const text = await response.text();

  expect(
    text
      .trimEnd()
      .split("\n")
      .map((line) => Object.keys(JSON.parse(line) as object)),
  ).toEqual([["result"], ["error"]]);
  expect(watch.closed).toBe(true);
});

test("an empty body watches nothing and ends at once", async () => {
  const watch = new FakeWatch();

  const response = await app(watch).fetch(post(""));

  expect([response.status, await response.text()]).toEqual([200, ""]);
});

test("a request in the stream is bounded", async () => {
  const watch = new FakeWatch();
  const response = await app(watch, { maxBodyBytes: 100 }).fetch(
    post(`{"create_request":{"key":"${"A".repeat(200)}"}}`),
  );

  expect([response.status, await response.json()]).toMatchObject([429, { error: { code: 8 } }]);
});

test("while the body is open, more requests may follow what was read", async () => {
  const watch = new FakeWatch();
  watch.answer(1);
  let send: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      send = controller;
      controller.enqueue(new TextEncoder().encode(CREATE));
    },
  });
  await app(watch).fetch(post(body));

  send?.enqueue(new TextEncoder().encode('{"cancel_request":{"watch_id":"3"}}{"progress_request":{}}'));
  await watch.requested(3);

  expect(watch.requests.slice(1)).toEqual([
    { type: "cancel", cancel: { watchId: 3 } },
    { type: "progress", progress: {} },
  ]);
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

test("after a minute of silence it is found out whether the reader is still there", async () => {
  const watch = new FakeWatch();
  watch.answer(1);
  const response = await app(watch).fetch(post(CREATE));
  const stream = jsonLines(response);
  await stream.next();
  const waiting = stream.next();
  await watch.awaited(2);

  vi.advanceTimersByTime(120_000);
  await watch.requested(2);
  watch.answer(1);
  await waiting;
  await stream.cancel();

  expect(watch.requests[1]).toEqual({ type: "progress", progress: {} });
  expect(vi.getTimerCount()).toBe(0);
});

function app(watch: FakeWatch, options = {}): ReturnType<typeof gatewayApp> {
  return gatewayApp({ watch } as unknown as Services, options);
}

function post(body: BodyInit, init: RequestInit = {}): Request {
  return new Request("http://edge/v3/watch", { method: "POST", body, duplex: "half", ...init } as RequestInit);
}
