/** The one WebSocket of a client's calls and watches, over a real network to a real member. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createClient, GrpcCode } from "../../../src/client/client.ts";
import type { Client } from "../../../src/client/client.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import { httpClientServices } from "../../../src/client/http/http-client-services.ts";
import type { HttpClientServices } from "../../../src/client/http/http-client-services.ts";
import { MUX_PATH } from "../../../src/protocol/mux-frame.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";

let served: ServedMember;
let services: HttpClientServices;
let client: Client;

beforeEach(async () => {
  served = await serveMember();
  services = httpClientServices({ endpoint: served.endpoint, WebSocket });
  client = createClient(services);
});
afterEach(async () => {
  client.close();
  services.close();
  await served.close();
});

/** Opens the shared socket, and forgets the requests so far. */
async function connected(): Promise<void> {
  await client.watch("another key").created;
  served.requests.length = 0;
}

describe("which way a call takes", () => {
  test("a single call opens no socket", async () => {
    await client.kv.put("k", "v");
    // A socket would be asked for by now.
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(served.requests).toEqual(["/v3/kv/put"]);
  });

  test("no call waits for the socket: while it is being opened, calls go over HTTP", async () => {
    served.webSockets = "none";
    for (let at = 0; at < 5; at++) await client.kv.put("k", String(at));
    expect(served.requests.filter((path) => path === "/v3/kv/put")).toHaveLength(5);
  });

  test("frequent calls open one socket, and then nothing is requested over HTTP any more", async () => {
    const overHttp = (): number => served.requests.filter((path) => path !== MUX_PATH).length;
    await vi.waitFor(
      async () => {
        const before = overHttp();
        await client.kv.put("k", "v");
        expect(overHttp()).toBe(before);
      },
      { timeout: 30_000 },
    );
    expect(served.requests.filter((path) => path === MUX_PATH)).toHaveLength(1);
    served.requests.length = 0;
    await client.kv.range("k");
    const { id } = await client.lease.grant(60);
    await client.lease.keepAliveOnce(id);
    const watcher = client.watch("k");
    await watcher.created;
    await client.kv.put("k", "seen");
    const { value } = await watcher.next();
    expect(value?.events.map(({ kv }) => client.toText(kv.value))).toEqual(["seen"]);
    const { key } = await client.lock.lock("lock", { lease: id });
    await client.lock.unlock(key);
    await client.lease.revoke(id);
    expect(served.requests).toEqual([]);
  });

  test("a refused socket costs one attempt: calls and watches go over HTTP", async () => {
    served.webSockets = "none";
    for (let at = 0; at < 10; at++) await client.kv.put("k", String(at));
    const watcher = client.watch("k", { startRevision: 1 });
    const { value } = await watcher.next();
    expect(value?.events).toHaveLength(10);
    for (let at = 0; at < 5; at++) await client.kv.put("k", String(at));
    await client.watch("k").created;
    expect(served.requests.filter((path) => path === MUX_PATH)).toHaveLength(1);
    // One attempt at a socket of the watch's own, as an etcd has it, and then two streamed responses.
    expect(served.requests.filter((path) => path === "/v3/watch")).toHaveLength(3);
  });

  test("it is closed when nothing was under way for a while, and opened again when needed", async () => {
    const watcher = client.watch("k");
    await watcher.created;
    expect(served.sockets).toBe(1);
    await watcher.return();
    await vi.waitFor(() => expect(served.sockets).toBe(0), { timeout: 30_000 });
    await connected();
    expect(served.sockets).toBe(1);
  });

  test("close lets what is under way end, and then closes the socket", async () => {
    await connected();
    const held = await client.lock.lock("lock");
    const waiting = client.lock.lock("lock");
    // Until it waits there.
    await vi.waitFor(async () => expect((await client.kv.range("lock", { prefix: true })).kvs).toHaveLength(2));
    client.close();
    services.close();
    expect(served.sockets).toBe(1);
    await served.services.lock.unlock({ key: held.key }, { token: "", requireLeader: false });
    expect((await waiting).key.length).toBeGreaterThan(0);
    await vi.waitFor(() => expect(served.sockets).toBe(0));
  });
});

describe("a lost socket", () => {
  test("a write whose answer was lost is not sent again: its caller is told, and it was made once", async () => {
    await connected();
    served.breakAfter = "put";
    const error = await client.kv.put("k", "v").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: GrpcCode.Unavailable });
    expect(String(error)).toContain("lost the connection");
    expect((await client.kv.range("k")).kvs[0]?.version).toBe(1);
    expect(served.requests).not.toContain("/v3/kv/put");
  });

  test("a read whose answer was lost is read again", async () => {
    await client.kv.put("k", "v");
    await connected();
    served.breakAfter = "range";
    expect((await client.kv.range("k")).kvs).toHaveLength(1);
    expect(served.breakAfter).toBeUndefined();
  });

  test("a server that was away has its socket again within seconds, however often it was refused meanwhile", async () => {
    await connected();
    served.webSockets = "none";
    served.breakConnections();
    const isAsked = (): boolean => served.requests.includes(MUX_PATH);
    // Frequent calls ask for the socket.
    for (let refusals = 0; refusals < 2; refusals++) {
      served.requests.length = 0;
      await vi.waitFor(
        async () => {
          await client.kv.range("k");
          expect(isAsked()).toBe(true);
        },
        { timeout: 10_000 },
      );
    }
    served.webSockets = "shared";
    await vi.waitFor(
      async () => {
        await client.kv.range("k");
        expect(served.sockets).toBe(1);
      },
      { timeout: 10_000 },
    );
  });

  test("a watch goes on over another socket without a gap", async () => {
    const watcher = client.watch("k");
    await watcher.created;
    const seen: string[] = [];
    for (const value of ["a", "b", "c"]) {
      await served.services.kv.put(
        { ...PUT, key: new TextEncoder().encode("k"), value: new TextEncoder().encode(value) },
        { token: "", requireLeader: false },
      );
      const next = await watcher.next();
      for (const { kv } of next.value?.events ?? []) seen.push(client.toText(kv.value));
      served.breakConnections();
    }
    expect(seen).toEqual(["a", "b", "c"]);
  });
});

const PUT = { lease: 0n, prevKv: false, ignoreValue: false, ignoreLease: false };

test("a call over the socket ends at its deadline and with its signal, and the member is told", async () => {
  await connected();
  const held = await client.lock.lock("lock");
  const abort = new AbortController();
  const waiting = client.lock.lock("lock", { signal: abort.signal });
  await vi.waitFor(async () => expect((await client.kv.range("lock", { prefix: true })).kvs).toHaveLength(2));
  abort.abort();
  await expect(waiting).rejects.toMatchObject({ code: GrpcCode.Canceled });
  // Its place in the queue is gone.
  await vi.waitFor(async () => expect((await client.kv.range("lock", { prefix: true })).kvs).toHaveLength(1));
  await client.lock.unlock(held.key);
  expect(served.requests).toEqual([]);
});

test("the server's errors are those of HTTP", async () => {
  await connected();
  const revision = 1_000_000;
  const error = await client.kv.range("k", { revision }).catch((thrown: unknown) => thrown);
  const overHttp = createClient(httpServices({ endpoint: served.endpoint }));
  await expect(overHttp.kv.range("k", { revision })).rejects.toEqual(error);
  expect(error).toMatchObject({ code: GrpcCode.OutOfRange });
});

test("256 calls of one turn are one message to the member, and their answers a few", async () => {
  await connected();
  served.messages.length = 0;
  await Promise.all(Array.from({ length: 256 }, (_, at) => client.kv.put(`k${at}`, "v")));
  const [sent, received] = [true, false].map((isIn) => served.messages.filter((each) => each === isIn).length);
  expect(sent).toBe(1);
  expect(received).toBeLessThan(20);
  expect((await client.kv.range("k", { prefix: true, countOnly: true })).count).toBe(256);
});
