/** All watches of a client without a WebSocket share one response of a real member behind real HTTP. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CompactedError } from "../../../src/client/facade/compacted-error.ts";
import { createClient, GrpcCode } from "../../../src/client/client.ts";
import type { Client } from "../../../src/client/client.ts";
import { httpClientServices } from "../../../src/client/http/http-client-services.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import { HttpCaller } from "../../../src/client/http/http-call.ts";
import { SharedWatches } from "../../../src/client/http/shared-watches.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import type { WatchResponse } from "../../../src/protocol/api/watch.ts";
import { CALL } from "../../member/support/cluster.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";

let served: ServedMember;
let client: Client;
/** Requests under way, and the most of them at once, by path. */
const open = new Map<string, number>();
const most = new Map<string, number>();

/** Counts the requests of which the response has not ended. */
const counted: typeof fetch = async (input, init) => {
  const { pathname } = new URL(input as string);
  const now = (open.get(pathname) ?? 0) + 1;
  open.set(pathname, now);
  most.set(pathname, Math.max(now, most.get(pathname) ?? 0));
  let isOver = false;
  const end = (): void => {
    if (!isOver) open.set(pathname, (open.get(pathname) ?? 0) - 1);
    isOver = true;
  };
  init?.signal?.addEventListener("abort", end);
  try {
    const response = await fetch(input, init);
    if (pathname !== "/v3/watch") void response.clone().text().then(end, end);
    return response;
  } catch (error) {
    end();
    throw error;
  }
};

beforeEach(async () => {
  served = await serveMember();
  open.clear();
  most.clear();
  client = createClient(httpClientServices({ endpoint: served.endpoint, fetch: counted }));
});
afterEach(async () => {
  client.close();
  await served.close();
});

function bodyOf(init: RequestInit | undefined): string {
  return init?.body as string;
}

/** Collects the values of a watch, and why it ended. */
function follow(key: string, startRevision = 0): { readonly values: string[]; readonly ended: Promise<unknown> } {
  const watcher = client.watch(key, startRevision === 0 ? {} : { startRevision });
  const values: string[] = [];
  const ended = (async () => {
    try {
      for await (const { events } of watcher) values.push(...events.map(({ kv }) => client.toText(kv.value)));
      return undefined;
    } catch (error) {
      return error;
    }
  })();
  return { values, ended };
}

describe("watches over plain HTTP", () => {
  test("fifty that are added while their keys change share one response, miss nothing and see nothing twice", async () => {
    const followed: ReturnType<typeof follow>[] = [];
    const expected: string[] = [];
    for (let at = 0; at < 50; at++) {
      followed.push(follow("k", 2));
      await client.kv.put("k", String(at));
      expected.push(String(at));
    }
    await vi.waitFor(() => expect(followed.map(({ values }) => values.length)).toEqual(followed.map(() => 50)), 20_000);
    for (const { values } of followed) expect(values).toEqual(expected);
    expect(most.get("/v3/watch")).toBe(1);
  });

  test("each sees its own key, and many that begin together take one request", async () => {
    const watchers = Array.from({ length: 30 }, (_, at) => client.watch(`own/${at}`));
    await Promise.all(watchers.map(({ created }) => created));
    expect(served.requests).toEqual(["/v3/watch"]);
    for (let at = 0; at < 30; at++) await client.kv.put(`own/${at}`, String(at));
    const seen = await Promise.all(watchers.map(async (watcher) => (await watcher.next()).value?.events[0]?.kv.value));
    expect(seen.map((value) => client.toText(value ?? new Uint8Array()))).toEqual(watchers.map((_, at) => String(at)));
  });

  test("one that is refused ends alone, wherever it stands among the others", async () => {
    for (let at = 0; at < 5; at++) await client.kv.put("old", String(at));
    await client.kv.compact(5);
    const [before, refused, after] = [follow("a", 6), follow("old", 2), follow("b", 6)];
    expect(await refused.ended).toBeInstanceOf(CompactedError);
    await client.kv.put("a", "1");
    await client.kv.put("b", "2");
    await vi.waitFor(() => expect([before.values, after.values]).toEqual([["1"], ["2"]]));
  });

  test("a lost connection is resumed by all of them", async () => {
    const [one, other] = [follow("one", 2), follow("other", 2)];
    await client.kv.put("one", "a");
    await vi.waitFor(() => expect(one.values).toEqual(["a"]));
    served.breakConnections();
    await vi.waitFor(() => client.kv.put("other", "b"), 20_000);
    await vi.waitFor(() => expect([one.values, other.values]).toEqual([["a"], ["b"]]), 20_000);
    expect(most.get("/v3/watch")).toBe(1);
  });

  test("the response ends with the last of them, and leaves out a closed one once something comes for it", async () => {
    const kept = client.watch("kept");
    const left = client.watch("left");
    await Promise.all([kept.created, left.created]);
    await left.return();
    expect(open.get("/v3/watch")).toBe(1);
    served.requests.length = 0;
    await client.kv.put("left", "x");
    await vi.waitFor(() => expect(served.requests.filter((path) => path === "/v3/watch")).toHaveLength(1));
    await client.kv.put("left", "y");
    await client.kv.put("kept", "z");
    expect((await kept.next()).value?.events).toHaveLength(1);
    expect(served.requests.filter((path) => path === "/v3/watch")).toHaveLength(1);
    await kept.return();
    await vi.waitFor(() => expect(open.get("/v3/watch")).toBe(0));
  });

  test("a reader that is slow holds a bounded part, delays no other, and gets everything in order", async () => {
    const [puts, size] = [12, 200_000];
    const slow = client.watch("big", { startRevision: 2 });
    const quick = follow("quick", 2);
    await slow.created;
    // Three times what may wait.
    for (let at = 0; at < puts; at++) await client.kv.put("big", String.fromCharCode(65 + at).repeat(size));
    await client.kv.put("quick", "there");
    await vi.waitFor(() => expect(quick.values).toEqual(["there"]), 20_000);
    let letters = "";
    while (letters.length < puts) {
      const { value } = await slow.next();
      // Undefined when the test's time has passed.
      if (value === undefined) break;
      for (const { kv } of value.events) letters += client.toText(kv.value.subarray(0, 1));
    }
    expect(letters).toBe("ABCDEFGHIJKL");
    expect(most.get("/v3/watch")).toBe(1);
  }, 30_000);

  test("no response has more watches than a member takes at once", async () => {
    const watchers = Array.from({ length: 501 }, (_, at) => client.watch(`many/${at}`));
    await Promise.all(watchers.map(({ created }) => created));
    expect(open.get("/v3/watch")).toBe(2);
  });
});

describe("what a new response asks for", () => {
  /** Answers with what the test gives, and keeps what was asked. */
  function scripted() {
    const asked: { readonly start: number; readonly id: string }[][] = [];
    const responses: ReadableStreamDefaultController<Uint8Array>[] = [];
    const answer: typeof fetch = async (_, init) => {
      const lines = bodyOf(init).split("\n");
      const creates = lines.map((line) => JSON.parse(line) as { create_request: Record<string, string> });
      asked.push(
        creates.map(({ create_request: create }) => ({
          start: Number(create["start_revision"] ?? 0),
          id: create["watch_id"] ?? "",
        })),
      );
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void responses.push(controller) });
      init?.signal?.addEventListener("abort", () => {
        try {
          responses.at(-1)?.error(new Error("aborted"));
        } catch {
          // It has ended.
        }
      });
      return new Response(body);
    };
    const send = (at: number, result: object): void =>
      responses[at]?.enqueue(utf8Encode(`${JSON.stringify({ result })}\n`));
    const services = httpServices({ endpoint: "http://host", fetch: answer });
    const watch = (key: string) => {
      const stream = services.watch.watch(CALL);
      stream.request({ type: "create", create: watchCreateRequest({ key: utf8Encode(key) }) });
      return stream;
    };
    return { asked, responses, send, watch };
  }

  test("a silent watch goes on behind the progress of all: what was compacted meanwhile is nothing to it", async () => {
    const { asked, responses, send, watch } = scripted();
    const first = watch("silent");
    await vi.waitFor(() => expect(responses).toHaveLength(1));
    send(0, { header: { revision: "10" }, watch_id: "1", created: true });
    expect((await first.next())?.created).toBe(true);
    send(0, { header: { revision: "50" }, watch_id: "-1" });
    expect((await first.next())?.header.revision).toBe(50);
    watch("another");
    await vi.waitFor(() => expect(responses).toHaveLength(2));
    expect(asked).toEqual([
      [{ start: 0, id: "1" }],
      [
        { start: 51, id: "1" },
        { start: 0, id: "2" },
      ],
    ]);
  });

  test("a response is not replaced before all its watches have begun", async () => {
    const { asked, responses, send, watch } = scripted();
    watch("a");
    await vi.waitFor(() => expect(responses).toHaveLength(1));
    watch("b");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(asked).toHaveLength(1);
    send(0, { header: { revision: "7" }, watch_id: "1", created: true });
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    expect(asked[1]).toEqual([
      { start: 8, id: "1" },
      { start: 0, id: "2" },
    ]);
  });

  test("a refused watch has no id: it is the one whose turn it is", async () => {
    const { responses, send, watch } = scripted();
    const [one, two] = [watch("a"), watch("b")];
    await vi.waitFor(() => expect(responses).toHaveLength(1));
    send(0, { header: { revision: "7" }, watch_id: "-1", created: true, canceled: true, cancel_reason: "no" });
    send(0, { header: { revision: "7" }, watch_id: "2", created: true });
    const got: (WatchResponse | undefined)[] = [await one.next(), await two.next()];
    expect(got.map((response) => [response?.canceled, response?.cancelReason])).toEqual([
      [true, "no"],
      [false, ""],
    ]);
    expect(await one.next()).toBeUndefined();
  });

  test("a fragment that a new response repeats is not given twice", async () => {
    const { asked, responses, send, watch } = scripted();
    const first = watch("big");
    await vi.waitFor(() => expect(responses).toHaveLength(1));
    send(0, { header: { revision: "7" }, watch_id: "1", created: true });
    await first.next();
    const event = (key: string): object => ({ kv: { key: btoa(key), mod_revision: "8" } });
    send(0, { header: { revision: "8" }, watch_id: "1", fragment: true, events: [event("x")] });
    watch("another");
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    expect(asked[1]?.[0]?.start).toBe(8);
    send(1, { header: { revision: "8" }, watch_id: "1", created: true });
    send(1, { header: { revision: "8" }, watch_id: "2", created: true });
    send(1, { header: { revision: "8" }, watch_id: "1", fragment: true, events: [event("x")] });
    send(1, { header: { revision: "8" }, watch_id: "1", events: [event("y")] });
    const response = await first.next();
    expect(response?.events.map(({ kv }) => String.fromCharCode(...(kv?.key ?? [])))).toEqual(["x", "y"]);
  });
});

describe("a server that begins only the first watch of a request, as etcd's gateway may", () => {
  /** A store of one key at a revision that grows; each watch of it gets what it has not seen. */
  function halfDuplex() {
    let revision = 10;
    const state = { open: 0, most: 0 };
    const answer: typeof fetch = async (_, init) => {
      const [first = ""] = bodyOf(init).split("\n");
      const { create_request: create } = JSON.parse(first) as { create_request: Record<string, string> };
      state.most = Math.max(state.most, ++state.open);
      let next = Number(create["start_revision"] ?? 0) || revision + 1;
      const id = create["watch_id"];
      let timer: ReturnType<typeof setInterval> | undefined;
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          const send = (result: object): void =>
            controller.enqueue(utf8Encode(`${JSON.stringify({ result: { ...result, watch_id: id } })}\n`));
          send({ header: { revision: String(revision) }, created: true });
          timer = setInterval(() => {
            for (; next <= revision; next++) {
              const event = { kv: { key: btoa("k"), mod_revision: String(next) } };
              send({ header: { revision: String(revision) }, events: [event] });
            }
          }, 5);
          init?.signal?.addEventListener("abort", () => {
            clearInterval(timer);
            state.open -= 1;
            controller.error(new Error("aborted"));
          });
        },
      });
      return new Response(body);
    };
    return { state, answer, put: () => (revision += 1) };
  }

  test.each([
    [Infinity, "each has a response", 8],
    [3, "they take turns with three responses", 3],
  ])(
    "of %d responses at most, %s",
    async (responsesMax, _how, atMost) => {
      const { state, answer, put } = halfDuplex();
      const watches = new SharedWatches(new HttpCaller({ endpoint: "http://host", fetch: answer }), responsesMax);
      const streams = Array.from({ length: 8 }, () => watches.watch(CALL));
      for (const stream of streams) {
        stream.request({ type: "create", create: watchCreateRequest({ key: utf8Encode("k"), startRevision: 11 }) });
      }
      const seen = streams.map(async (stream) => {
        const revisions: number[] = [];
        while (revisions.length < 5) {
          const response = await stream.next();
          if (response === undefined) break;
          revisions.push(...response.events.map(({ kv }) => kv?.modRevision ?? 0));
        }
        stream.close();
        return revisions;
      });
      for (let at = 0; at < 5; at++) {
        put();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      expect(await Promise.all(seen)).toEqual(streams.map(() => [11, 12, 13, 14, 15]));
      expect(state.most).toBeLessThanOrEqual(atMost);
      expect(state.most).toBeGreaterThanOrEqual(3);
      expect(state.open).toBe(0);
    },
    30_000,
  );
});

describe("calls that wait for others, over plain HTTP", () => {
  const lease = async (): Promise<string> => (await client.lease.grant(60)).id;

  test("ten that wait for one lock hold two requests and one of their watches, and get it one after the other", async () => {
    const held = await client.lock.lock("l", { lease: await lease() });
    const order: number[] = [];
    const waiting = Array.from({ length: 10 }, async (_, at) => {
      const { key } = await client.lock.lock("l", { lease: await lease() });
      order.push(at);
      await client.lock.unlock(key);
    });
    const queue = async (): Promise<number> => (await client.kv.range("l/", { prefix: true })).count;
    await vi.waitFor(async () => expect(await queue()).toBe(11), 20_000);
    expect(open.get("/v3/lock/lock")).toBe(2);
    await client.lock.unlock(held.key);
    await Promise.all(waiting);
    expect([...order].sort((one, other) => one - other)).toEqual(waiting.map((_, at) => at));
    expect(most.get("/v3/lock/lock")).toBe(2);
    expect(most.get("/v3/watch")).toBe(1);
    expect(await queue()).toBe(0);
  });

  test("one that gives up leaves the queue, also without a request of its own", async () => {
    const held = await client.lock.lock("l", { lease: await lease() });
    const others = [client.lock.lock("l", { lease: await lease() }), client.lock.lock("l", { lease: await lease() })];
    const abort = new AbortController();
    const third = client.lock.lock("l", { lease: await lease(), signal: abort.signal });
    const queue = async (): Promise<number> => (await client.kv.range("l/", { prefix: true })).count;
    await vi.waitFor(async () => expect(await queue()).toBe(4), 20_000);
    abort.abort();
    await expect(third).rejects.toMatchObject({ code: GrpcCode.Canceled });
    await vi.waitFor(async () => expect(await queue()).toBe(3), 20_000);
    await client.lock.unlock(held.key);
    const first = await Promise.race(others);
    await client.lock.unlock(first.key);
    await Promise.all(others);
  });

  test("candidates of an election, and who observes it, see each leader", async () => {
    const leaders: string[] = [];
    const observed = client.election.observe("e");
    void (async () => {
      for await (const { kv } of observed) leaders.push(client.toText(kv.value));
    })();
    const campaigns = await Promise.all(
      Array.from({ length: 5 }, async (_, at) => {
        const id = await lease();
        return client.election.campaign("e", String(at), { lease: id }).then(async ({ leader }) => {
          await vi.waitFor(() => expect(leaders).toContain(String(at)), 20_000);
          await client.election.resign(leader);
          return at;
        });
      }),
    );
    expect(campaigns).toHaveLength(5);
    expect([...leaders].sort()).toEqual(["0", "1", "2", "3", "4"]);
    expect(most.get("/v3/election/campaign")).toBeLessThanOrEqual(2);
    expect(most.get("/v3/election/observe")).toBeUndefined();
    expect(most.get("/v3/watch")).toBe(1);
    await observed.return?.();
  });
});
