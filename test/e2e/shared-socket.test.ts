/** The one WebSocket of a page's client in a real Chromium, through a proxy that can refuse it and cut it. */
import { mkdtemp, rm } from "node:fs/promises";
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { connect } from "../../src/entry/index.ts";
import { MUX_PATH } from "../../src/protocol/mux-frame.ts";
import { launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";

declare global {
  interface Window {
    app: ReturnType<typeof connect>;
    /** What the watches of `watchMany` have seen, by key. */
    seen: Record<string, string[]>;
    /** Of its connection, in order. */
    states: string[];
    live: ReturnType<ReturnType<ReturnType<typeof connect>["namespace"]>["live"]>;
  }
}

const WATCHES = 50;
/** A browser opens no more to one host under HTTP/1.1. */
const HTTP_CONNECTIONS = 6;

/** Our own page has calls and watches, too. The proxy answers for the server with a page of the same origin that has none. */
const EMPTY_PAGE = "/empty-page";
const EMPTY_RESPONSE = `HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;

/** Passes connections on; those that ask for a WebSocket are refused or cut as a test wants. */
class Proxy {
  readonly origin: string;
  refusesWebSockets = false;
  readonly #server: Server;
  readonly #open: Set<Socket> = new Set();
  readonly #webSockets: Set<Socket> = new Set();

  private constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(port: number): Promise<Proxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const proxy = new Proxy(server);
    server.on("connection", (socket) => proxy.#pass(socket, port));
    return proxy;
  }

  cutWebSockets(): void {
    for (const socket of this.#webSockets) socket.destroy();
  }

  async stop(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(socket: Socket, port: number): void {
    const onward = connectTcp(port, "127.0.0.1");
    for (const [end, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      this.#open.add(end);
      end.on("error", () => end.destroy());
      end.on("close", () => {
        this.#open.delete(end);
        this.#webSockets.delete(end);
        other.destroy();
      });
    }
    socket.on("data", (bytes) => {
      const text = bytes.toString("latin1");
      if (text.startsWith(`GET ${EMPTY_PAGE} `)) return void socket.end(EMPTY_RESPONSE);
      if (/^upgrade: websocket/im.test(text)) {
        if (this.refusesWebSockets) return void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        this.#webSockets.add(socket);
      }
      onward.write(bytes);
    });
    onward.on("data", (bytes) => socket.write(bytes));
  }
}

let folder: string;
let server: EdgeServer;
let browser: Browser;
let proxy: Proxy;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-shared-socket-"));
  [server, browser] = await Promise.all([EdgeServer.start(folder), launchChromium()]);
});
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
  await proxy.stop();
});
afterAll(async () => {
  await browser.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

interface OpenPage {
  readonly page: Page;
  /** Paths of the page's WebSockets that were opened, in order. */
  readonly sockets: string[];
  /** Paths of its requests. */
  readonly requests: string[];
}

/** A page with a client, as an application without a bundler has it. */
async function openPage(refusesWebSockets = false): Promise<OpenPage> {
  proxy = await Proxy.start(server.port);
  proxy.refusesWebSockets = refusesWebSockets;
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(proxy.origin + EMPTY_PAGE);
  const opened: OpenPage = { page, sockets: [], requests: [] };
  page.on("websocket", (socket) => opened.sockets.push(new URL(socket.url()).pathname));
  page.on("request", (request) => opened.requests.push(new URL(request.url()).pathname));
  // As text: the test runner would rewrite an import.
  await page.evaluate(
    'import("/quorate.js").then(({ connect }) => { window.app = connect({ endpoint: location.origin }); })',
  );
  return opened;
}

/** Each watch has a key of its own. Resolves when the server has registered all. */
async function watchMany(page: Page, prefix: string, count: number): Promise<void> {
  await page.evaluate(
    async ([start, total]) => {
      [window.seen, window.states] = [{}, []];
      const watchers = Array.from({ length: total }, (_, at) => {
        const values = (window.seen[at] = [] as string[]);
        const watcher = window.app.watch(`${start}${at}`);
        void (async () => {
          for await (const { events } of watcher) for (const { kv } of events) values.push(window.app.toText(kv.value));
        })();
        return watcher.created;
      });
      await Promise.all(watchers);
    },
    [prefix, count] as const,
  );
}

/** Every watch has seen exactly these values. */
async function expectSeen(page: Page, count: number, values: readonly string[]): Promise<void> {
  await page.waitForFunction(
    ([total, length]) => Object.values(window.seen).filter((each) => each.length >= length).length === total,
    [count, values.length] as const,
  );
  const seen = await page.evaluate(() => Object.values(window.seen));
  expect(seen).toEqual(Array.from({ length: count }, () => [...values]));
}

async function putAll(prefix: string, count: number, value: string): Promise<void> {
  for (let at = 0; at < count; at++) await server.put(`${prefix}${at}`, value);
}

test("fifty watches of a page, a live map, a lock and its calls go over one connection, also after it was cut", async () => {
  const { page, sockets, requests } = await openPage();
  await watchMany(page, "fifty/", WATCHES);
  requests.length = 0;
  await putAll("fifty/", WATCHES, "a");
  await expectSeen(page, WATCHES, ["a"]);
  const read = await page.evaluate(async () => {
    window.live = window.app.namespace("fifty-live/").live();
    await window.live.ready;
    return window.app.withLock("fifty-lock", async ({ fence }) => {
      await window.app.kv.put("fifty-live/x", '"1"');
      return typeof fence;
    });
  });
  expect(read).not.toBe("undefined");
  await page.waitForFunction(() => window.live.get("x")?.value === "1");
  expect([sockets, requests]).toEqual([[MUX_PATH], []]);

  // What is written while it is cut is not missed, and nothing comes twice.
  await page.evaluate(() => {
    const { connection } = window.app;
    connection.subscribe(() => window.states.push(connection.getSnapshot().state));
  });
  proxy.cutWebSockets();
  await putAll("fifty/", WATCHES, "b");
  await expectSeen(page, WATCHES, ["a", "b"]);
  await page.waitForFunction(() => window.states.at(-1) === "connected");
  expect(await page.evaluate(() => window.states)).toEqual(["disconnected", "connected"]);
  expect(sockets).toEqual([MUX_PATH, MUX_PATH]);
});

test("where WebSockets are refused, fifty watches and eight locks that wait leave the page connections for its calls", async () => {
  const { page, requests } = await openPage(true);
  await watchMany(page, "refused/", WATCHES);
  await putAll("refused/", WATCHES, "a");
  await expectSeen(page, WATCHES, ["a"]);
  const got = await page.evaluate(async (locks) => {
    window.live = window.app.namespace("refused-live/").live();
    await window.live.ready;
    let holders = 0;
    const hold = (): Promise<number> => window.app.withLock("refused-lock", () => (holders += 1));
    const waiting = await window.app.withLock("refused-lock", async () => {
      const others = Array.from({ length: locks }, hold);
      const queue = async (): Promise<number> => (await window.app.kv.range("refused-lock/", { prefix: true })).count;
      while ((await queue()) <= locks) await new Promise((resolve) => setTimeout(resolve, 20));
      for (let at = 0; at < 5; at++) await window.app.kv.put("refused-live/x", String(at));
      return { others, holders };
    });
    await Promise.all(waiting.others);
    const { kvs } = await window.app.kv.range("refused-live/x");
    return [waiting.holders, holders, kvs[0]?.version, window.app.connection.getSnapshot().state];
  }, HTTP_CONNECTIONS + 2);
  expect(got).toEqual([0, HTTP_CONNECTIONS + 2, 5, "connected"]);
  await page.waitForFunction(() => window.live.get("x")?.value === 4);
  expect(requests.filter((path) => path === "/v3/kv/put")).toHaveLength(5);
  // The first learns that sockets are refused; the others wait for it, and join the shared response with it.
  expect(requests.filter((path) => path === "/v3/watch").length).toBeLessThan(2 * HTTP_CONNECTIONS);
  const before = requests.filter((path) => path === "/v3/watch").length;
  await watchMany(page, "later/", WATCHES);
  expect(requests.filter((path) => path === "/v3/watch").length - before).toBeLessThan(HTTP_CONNECTIONS);
});

test("a socket that was refused after it was cut leaves the page with HTTP, and its watches without a gap", async () => {
  const { page, requests } = await openPage();
  await watchMany(page, "both/", 3);
  await putAll("both/", 3, "a");
  await expectSeen(page, 3, ["a"]);
  proxy.refusesWebSockets = true;
  proxy.cutWebSockets();
  await putAll("both/", 3, "b");
  await expectSeen(page, 3, ["a", "b"]);
  await page.evaluate(() => window.app.kv.put("both", "x"));
  expect(requests).toContain("/v3/kv/put");
});
