import { expect, test } from "vitest";
import type { Services } from "../../../src/member/api/services.ts";
import { gatewayApp } from "../../../src/gateway/app.ts";
import { errNoLeader } from "../../../src/protocol/errors.ts";
import { watchResponse } from "../../../src/protocol/api/watch.ts";
import { GuardedCluster } from "../../member/support/auth-kit.ts";
import { Cluster } from "../../member/support/cluster.ts";
import { textStream } from "../../support/text-stream.ts";
import type { TextStream } from "../../support/text-stream.ts";
import { Endpoint } from "../support/endpoint.ts";
import { FakeWatch } from "../support/fake-watch.ts";

/** Each up to the next empty line. */
interface Messages extends TextStream {
  readonly response: Response;
}

function messagesOf(response: Response): Messages {
  return { response, ...textStream(response, "\n\n") };
}

async function watching(endpoint: Endpoint, path: string, headers: Record<string, string> = {}): Promise<Messages> {
  return messagesOf(await endpoint.cluster.settled(endpoint.fetch(path, { headers })));
}

function received(endpoint: Endpoint, messages: Messages): Promise<string | undefined> {
  return endpoint.cluster.settled(messages.next());
}

function put(endpoint: Endpoint, key: string, body: string | Uint8Array<ArrayBuffer>): Promise<unknown> {
  return endpoint.call(`/kv/${key}`, { method: "PUT", body });
}

test("a watch sends each change as a server-sent event under its revision", async () => {
  const endpoint = await Endpoint.open();
  const watch = await watching(endpoint, "/kv/a?watch");

  const begin = await received(endpoint, watch);
  await put(endpoint, "a", "one");
  await put(endpoint, "b", "not watched");
  await put(endpoint, "a", Uint8Array.of(255));
  await endpoint.call("/kv/a", { method: "DELETE" });

  expect(watch.response.headers.get("content-type")).toBe("text/event-stream");
  expect(begin).toBe(": watching from revision 2\nid: 1");
  expect(await received(endpoint, watch)).toBe(
    'id: 2\ndata: {"type":"put","key":"a","value":"one","create_revision":2,"mod_revision":2,"version":1}',
  );
  expect(await received(endpoint, watch)).toContain('"value_base64":"/w=="');
  expect(await received(endpoint, watch)).toBe('id: 5\ndata: {"type":"delete","key":"a","mod_revision":5}');
  await watch.cancel();
});

test("of several changes in one revision only the last one names it, so that none is missed after a break", async () => {
  const endpoint = await Endpoint.open();
  const watch = await watching(endpoint, "/kv/?prefix&watch");
  await received(endpoint, watch);
  const op = (key: string): unknown => ({ request_put: { key: btoa(key) } });
  await endpoint.post("/v3/kv/txn", { success: [op("a"), op("b"), op("c")] });

  const messages = [await received(endpoint, watch), await received(endpoint, watch), await received(endpoint, watch)];

  expect(messages.map((message) => message?.split("\n")[0]?.slice(0, 5))).toEqual(["data:", "data:", "id: 2"]);
});

test("?rev begins in the past, and Last-Event-ID goes on behind what was seen", async () => {
  const endpoint = await Endpoint.open();
  for (const value of ["1", "2", "3"]) await put(endpoint, "a", value);

  const past = await watching(endpoint, "/kv/a?watch&rev=2");
  const resumed = await watching(endpoint, "/kv/a?watch&rev=2", { "last-event-id": "3" });
  const source = await watching(endpoint, "/kv/a", { accept: "text/event-stream", "last-event-id": "" });

  expect(await received(endpoint, past)).toBe(": watching from revision 2\nid: 1");
  expect(await received(endpoint, past)).toContain('"value":"1"');
  expect(await received(endpoint, resumed)).toBe(": watching from revision 4\nid: 3");
  expect(await received(endpoint, resumed)).toContain('"value":"3"');
  expect(await received(endpoint, source)).toBe(": watching from revision 5\nid: 4");
});

test("a start that was compacted away is 410, which ends an EventSource; its first revision is not", async () => {
  const endpoint = await Endpoint.open();
  for (const value of ["1", "2", "3"]) await put(endpoint, "a", value);
  await endpoint.post("/v3/kv/compaction", { revision: 3 });

  const gone = await endpoint.call("/kv/?prefix&watch", { headers: { "last-event-id": "1" } });
  const there = await watching(endpoint, "/kv/a?watch&rev=3");
  const future = await watching(endpoint, "/kv/a?watch&rev=9");
  const nonsense = await endpoint.call("/kv/a?watch", { headers: { "last-event-id": "x" } });

  expect([gone.status, gone.json.code]).toEqual([410, 11]);
  expect(gone.json.hint).toContain("Read the keys as they are now");
  expect(await received(endpoint, there)).toBe(": watching from revision 3\nid: 2");
  expect(await received(endpoint, future)).toBe(": watching from revision 9\nid: 8");
  expect(nonsense.status).toBe(400);
});

test("a reader that fell behind a compaction gets a final message", async () => {
  const watch = new FakeWatch();
  const app = gatewayApp({ watch } as unknown as Services);
  const answer = app.fetch(new Request("http://edge/kv/a?watch"));
  await watch.requested(1);
  watch.answer(1);
  const messages = messagesOf(await answer);
  await messages.next();

  watch.next = async () => watchResponse({ canceled: true, compactRevision: 7 });
  const compacted = await messages.next();
  watch.next = async () => undefined;

  expect(compacted).toContain("event: compacted\ndata: {");
  expect(compacted).toContain("etcdserver: mvcc: required revision has been compacted");
  expect(compacted).toContain('"compact_revision":7');
  expect(await messages.next()).toBeUndefined();
  expect(watch.closed).toBe(true);
});

test("a watch whose permission is taken away, or whose member fails, ends with the reason", async () => {
  const guarded = await GuardedCluster.open();
  await guarded.grant("READ", "a");
  const endpoint = new Endpoint(guarded.cluster, guarded.at());
  const { token } = await guarded.as("amy");
  const watch = await watching(endpoint, "/kv/a?watch", { authorization: token });
  await received(endpoint, watch);
  const root = { authorization: (await guarded.as("root")).token };
  await guarded.settled(
    guarded.at().auth.roleDelete({ role: "r" }, { token: root.authorization, requireLeader: false }),
  );
  await endpoint.call("/kv/a", { method: "PUT", body: "secret", headers: root });

  expect(await received(endpoint, watch)).toBe(
    'event: failed\ndata: {"code":7,"message":"etcdserver: permission denied"}',
  );
  expect(await received(endpoint, watch)).toBeUndefined();

  const fake = new FakeWatch();
  const failing = gatewayApp({ watch: fake } as unknown as Services).fetch(new Request("http://edge/kv/a?watch"));
  fake.answer(1);
  const messages = messagesOf(await failing);
  await messages.next();
  fake.fail(errNoLeader);
  expect(await messages.next()).toBe('event: failed\ndata: {"code":14,"message":"etcdserver: no leader"}');
});

test("silence is broken by an empty comment of which the member hears nothing", async () => {
  const watch = new FakeWatch();
  const answer = gatewayApp({ watch } as unknown as Services, { heartbeatMs: 1 }).fetch(
    new Request("http://edge/kv/a?watch"),
  );
  watch.answer(1);
  const messages = messagesOf(await answer);
  await messages.next();

  expect([await messages.next(), await messages.next(), await messages.next()]).toEqual([":", ":", ":"]);
  expect(watch.requests).toHaveLength(1);
  watch.answer(1);
  expect(await messages.next()).toContain("id: ");
  await messages.cancel();
  expect(watch.closed).toBe(true);
});

test("a cluster stays quiesced under an open watch and its heartbeats, and sends events when it works again", async () => {
  const cluster = await Cluster.founded(3, { quiesceAfterTicks: 20 });
  const { services } = await cluster.elected();
  const endpoint = new Endpoint(cluster, services, { heartbeatMs: 1 });
  const watch = await watching(endpoint, "/kv/a?watch");
  await received(endpoint, watch);
  const frames = (): number =>
    [...cluster.nodes.values()].reduce((sum, node) => sum + node.member.counters.framesSent, 0);
  await cluster.clock.advance(10_000);
  const asleep = frames();

  for (let hour = 0; hour < 24; hour++) {
    expect(await watch.next()).toMatch(/^:$|^id: \d+$/);
    await cluster.clock.advance(3_600_000);
  }
  expect(frames()).toBe(asleep);
  await put(endpoint, "a", "awake");
  let message = await watch.next();
  while (message === ":" || (message?.startsWith("id: ") === true && !message.includes("data:")))
    message = await watch.next();
  expect(message).toContain('"value":"awake"');
  await watch.cancel();
});

test("a reader that is gone closes its watch, and one that does not read takes nothing from the member", async () => {
  const watch = new FakeWatch();
  const abort = new AbortController();
  const app = gatewayApp({ watch } as unknown as Services);
  const answer = app.fetch(new Request("http://edge/kv/a?watch", { signal: abort.signal }));
  watch.answer(100);
  await answer;

  expect(watch.taken).toBe(1);
  abort.abort();
  expect(watch.closed).toBe(true);
});

test("a reader that is gone before its watch begins leaves none behind", async () => {
  const watch = new FakeWatch();
  const abort = new AbortController();
  const range = async (): Promise<unknown> => {
    abort.abort();
    return {};
  };
  const app = gatewayApp({ watch, kv: { range } } as unknown as Services);
  await app.fetch(new Request("http://edge/kv/a?watch&rev=1", { signal: abort.signal }));

  expect([watch.closed, watch.taken]).toEqual([true, 0]);
});
