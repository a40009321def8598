/**
 * A page of another origin in a real Chromium tries all that a page can send, against the server as it starts by default,
 * as it is deployed, and with its doors opened on purpose: what is refused in the first two must work in the last, or the
 * refusals would prove nothing.
 */
import { createServer, type Server } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { STEP_MS } from "./tabs-support.ts";

/** Both resolve to this machine, for this browser alone. */
const EVIL = "evil.example";
const REBOUND = "rebound.example";
const ELEMENTS = ["image", "script", "style", "object", "video", "prefetch"];

type DoorName = "default" | "deployed" | "open";
const DOORS: Readonly<Record<DoorName, readonly string[]>> = {
  default: [],
  // What wrangler.toml says of pages.
  deployed: ["--allow-origin", ""],
  open: ["--allow-origin", "*", "--host-whitelist", "*", "--frame-ancestors", "*"],
};

let browser: Browser;
let data: string;
let pages: Server;
let servers: Readonly<Record<DoorName, EdgeServer>>;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-hostile-"));
  pages = await emptyPages();
  const start = (name: DoorName): Promise<EdgeServer> => EdgeServer.start(join(data, name), DOORS[name]);
  const args = [
    `--host-resolver-rules=MAP ${EVIL} 127.0.0.1, MAP ${REBOUND} 127.0.0.1`,
    // It asks people whether a page may call their own network. Other browsers do not, and people say yes.
    "--disable-features=LocalNetworkAccessChecks",
  ];
  browser = await launchChromium({ args });
  servers = { default: await start("default"), deployed: await start("deployed"), open: await start("open") };
  for (const server of Object.values(servers)) {
    await server.put("secret", "42");
    for (const name of ELEMENTS) await server.put(`element/${name}`, "42");
  }
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});

afterAll(async () => {
  await Promise.all([browser?.close(), ...Object.values(servers ?? {}).map((server) => server.stop())]);
  pages?.close();
  await rm(data, { recursive: true, force: true });
});

function emptyPages(): Promise<Server> {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<title>elsewhere</title><body>");
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

function elsewhere(host: string): string {
  return `http://${host}:${(pages.address() as AddressInfo).port}/`;
}

interface Tried {
  /** What the page could read, or that it could not. */
  readonly read: Readonly<Record<string, unknown>>;
  /** How the server answered the elements that asked it for data, in the order of ELEMENTS. */
  readonly elements: readonly number[];
  /** What it has changed. */
  readonly changed: readonly string[];
}

const KEYS = ["simple", "no-cors", "preflighted", "deleted", "beacon", "form"];

async function tryAll(page: Page, server: EdgeServer): Promise<Tried> {
  for (const key of KEYS) await server.post("/v3/kv/deleterange", { key: btoa(key) });
  await server.put("deleted", "not yet");
  const { elements } = await elementStatuses(page);
  const read = await page.evaluate(attack, { base: server.url, elements: ELEMENTS });
  const changed: string[] = [];
  for (const key of KEYS) {
    const value = await server.get(key);
    if (value !== (key === "deleted" ? "not yet" : undefined)) changed.push(key);
  }
  return { read, elements: await elements, changed };
}

/**
 * How the server answers each of the elements, which may be more than the page sees, and than the browser itself uses:
 * what comes first, the request or the response's headers, is open.
 */
async function elementStatuses(page: Page): Promise<{ readonly elements: Promise<readonly number[]> }> {
  const session = await page.context().newCDPSession(page);
  const names = new Map<string, string>();
  const statuses = new Map<string, number>();
  const elements = new Promise<readonly number[]>((resolve) => {
    const look = (): void => {
      const known = new Map(Array.from(names, ([id, name]) => [name, statuses.get(id)]));
      const found = ELEMENTS.map((name) => known.get(name)).filter((status) => status !== undefined);
      if (found.length === ELEMENTS.length) resolve(found);
    };
    session.on("Network.requestWillBeSent", ({ requestId, request }) => {
      const [, name] = /\/kv\/element\/(\w+)$/.exec(request.url) ?? [];
      if (name !== undefined) names.set(requestId, name);
      look();
    });
    session.on("Network.responseReceivedExtraInfo", ({ requestId, statusCode }) => {
      statuses.set(requestId, statusCode);
      look();
    });
  });
  await session.send("Network.enable");
  return { elements };
}

/** Runs in the page, so it stands alone. Each attempt ends by itself. */
async function attack({
  base,
  elements,
}: {
  readonly base: string;
  readonly elements: readonly string[];
}): Promise<Record<string, unknown>> {
  const outcome: Record<string, unknown> = {};
  const attempt = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    outcome[name] = await work().catch(() => "refused");
  };
  const put = (key: string): string => JSON.stringify({ key: btoa(key), value: "eA==" });
  const settled = (element: HTMLElement): Promise<void> =>
    new Promise((resolve) => {
      element.addEventListener("load", () => resolve());
      element.addEventListener("error", () => resolve());
    });

  await attempt("range", async () => {
    const response = await fetch(`${base}/v3/kv/range`, { method: "POST", body: '{"key":"c2VjcmV0"}' });
    return JSON.stringify(await response.json()).includes("NDI=") ? "secret" : "refused";
  });
  await attempt("get", async () => {
    const text = await (await fetch(`${base}/kv/secret`)).text();
    return text === "42" ? "secret" : "refused";
  });
  await attempt("room", async () => {
    const response = await fetch(`${base}/peerjs/room/hostile/room`);
    return response.ok ? JSON.stringify(Object.keys((await response.json()) as object).includes("peers")) : "refused";
  });
  await attempt("simple", async () => (await fetch(`${base}/v3/kv/put`, { method: "POST", body: put("simple") })).ok);
  await attempt("no-cors", () => fetch(`${base}/v3/kv/put`, { method: "POST", mode: "no-cors", body: put("no-cors") }));
  await attempt("preflighted", async () => (await fetch(`${base}/kv/preflighted`, { method: "PUT", body: "x" })).ok);
  await attempt("deleted", async () => (await fetch(`${base}/kv/deleted`, { method: "DELETE" })).ok);
  await attempt("beacon", async () => {
    navigator.sendBeacon(`${base}/v3/kv/put`, put("beacon"));
  });
  await attempt(
    "events",
    () =>
      new Promise((resolve, reject) => {
        const source = new EventSource(`${base}/kv/secret?watch`);
        source.addEventListener("open", () => (source.close(), resolve("open")));
        source.addEventListener("error", () => (source.close(), reject(new Error("refused"))));
      }),
  );
  for (const [name, path] of [
    ["watch", "/v3/watch"],
    ["signalling", "/peerjs/room/hostile/peerjs?key=peerjs&id=a&token=t"],
  ] as const) {
    await attempt(
      name,
      () =>
        new Promise((resolve, reject) => {
          const socket = new WebSocket(`${base.replace("http", "ws")}${path}`);
          socket.addEventListener("open", () => (socket.close(), resolve("open")));
          socket.addEventListener("error", () => reject(new Error("refused")));
        }),
    );
  }
  // As JSON, sent by a form without script: the sign between name and value falls into the padding.
  await attempt("form", async () => {
    const frame = Object.assign(document.createElement("iframe"), { name: "sink" });
    const form = Object.assign(document.createElement("form"), {
      action: `${base}/v3/kv/put`,
      method: "post",
      enctype: "text/plain",
      target: "sink",
    });
    const field = Object.assign(document.createElement("input"), {
      name: `{"key":"${btoa("form")}","value":"eA=`,
      value: '"}',
    });
    form.append(field);
    document.body.append(frame, form);
    const done = settled(frame);
    form.submit();
    await done;
  });
  for (const name of elements) {
    const url = `${base}/kv/element/${name}`;
    const made = {
      image: () => Object.assign(new Image(), { src: url }),
      script: () => Object.assign(document.createElement("script"), { src: url }),
      style: () => Object.assign(document.createElement("link"), { rel: "stylesheet", href: url }),
      object: () => Object.assign(document.createElement("object"), { data: url }),
      video: () => Object.assign(document.createElement("video"), { src: url, preload: "auto" }),
      prefetch: () => Object.assign(document.createElement("link"), { rel: "prefetch", href: url }),
    }[name];
    if (made === undefined) continue;
    const element = made();
    const done = settled(element);
    document.body.append(element);
    await done;
  }
  return outcome;
}

const NOTHING = {
  range: "refused",
  get: "refused",
  room: "refused",
  simple: false,
  preflighted: "refused",
  deleted: "refused",
  events: "refused",
  watch: "refused",
  signalling: "refused",
};

const ALL = {
  range: "secret",
  get: "secret",
  room: "true",
  simple: true,
  preflighted: true,
  deleted: true,
  events: "open",
  watch: "open",
  signalling: "open",
};

async function openContext(): Promise<BrowserContext> {
  const context = await browser.newContext();
  context.setDefaultTimeout(STEP_MS);
  return context;
}

async function pageAt(url: string): Promise<Page> {
  const page = await (await openContext()).newPage();
  await page.goto(url);
  return page;
}

test.each<[door: DoorName, what: string, host: string]>([
  ["default", "of another site", EVIL],
  ["deployed", "of another site", EVIL],
  ["deployed", "of the same site, from another port", "localhost"],
  ["deployed", "of the same machine, by its address", "127.0.0.1"],
])("the %s server lets a page %s read nothing and change nothing", async (door, _what, host) => {
  const server = servers[door];
  const { read, elements, changed } = await tryAll(await pageAt(elsewhere(host)), server);

  expect(changed).toEqual([]);
  expect(read).toMatchObject(NOTHING);
  expect(elements).toEqual(ELEMENTS.map(() => 403));
});

test("all of these attempts work where every page may call", async () => {
  const { read, elements, changed } = await tryAll(await pageAt(elsewhere(EVIL)), servers.open);

  expect(read).toMatchObject(ALL);
  expect(elements).toEqual(ELEMENTS.map((name) => (name === "video" ? expect.toBeOneOf([200, 206]) : 200)));
  expect(changed).toEqual(KEYS);
});

test("by default a page of this machine may call, from any port", async () => {
  for (const host of ["localhost", "127.0.0.1"]) {
    const { read, elements } = await tryAll(await pageAt(elsewhere(host)), servers.default);

    expect(read).toMatchObject(ALL);
    // But not without CORS: an element does not say whose page it is in.
    expect(elements).toEqual(ELEMENTS.map(() => 403));
  }
});

test("a page whose name was made to point here is refused, though it seems to be the server's own", async () => {
  const tried: Record<string, unknown> = {};
  for (const door of ["default", "deployed", "open"] as const) {
    const context = await openContext();
    const page = await context.newPage();
    const base = `http://${REBOUND}:${servers[door].port}`;
    // What the attacker's own server sent before the name was moved.
    await context.route(`${base}/`, (route) => route.fulfill({ contentType: "text/html", body: "<title>x</title>" }));
    await page.goto(`${base}/`);
    tried[door] = await page.evaluate(async () => {
      const get = await fetch("/kv/secret");
      const put = await fetch("/kv/rebound", { method: "PUT", body: "x" });
      const files = await fetch("/index.html");
      return [get.status, put.status, files.status, await get.text()];
    });
    expect(await servers[door].get("rebound")).toBe(door === "open" ? "x" : undefined);
  }
  const refused = [421, 421, 421, expect.stringContaining(`the host ${REBOUND} is not on the whitelist`)];

  expect(tried).toEqual({ default: refused, deployed: refused, open: [200, 200, 200, "42"] });
});

test("nobody frames the page, nor sees into a window of it, unless it was said who may", async () => {
  const framed = async (server: EdgeServer, host = EVIL): Promise<string> => {
    const page = await pageAt(elsewhere(host));
    await page.evaluate(async (src) => {
      const frame = Object.assign(document.createElement("iframe"), { src });
      document.body.append(frame);
      await new Promise((resolve) => frame.addEventListener("load", resolve));
    }, server.url);
    const title = await page.frames()[1]?.title();
    return title?.includes("Quorate") === true ? "shown" : "refused";
  };
  const opened = async (server: EdgeServer): Promise<boolean> => {
    const page = await pageAt(elsewhere(EVIL));
    const popup = page.context().waitForEvent("page");
    await page.evaluate((url) => {
      Object.assign(window, { opened: window.open(url) });
    }, server.url);
    await (await popup).waitForFunction(() => window.quorate !== undefined);
    return page.evaluate(() => (window as unknown as { readonly opened: Window }).opened.closed);
  };

  expect([await framed(servers.default), await framed(servers.deployed), await framed(servers.open)]).toEqual([
    "refused",
    "refused",
    "shown",
  ]);
  expect(await framed(servers.default, "localhost")).toBe("refused");
  // Cut off from whoever opened it, where it seems to be closed.
  expect(await opened(servers.default)).toBe(true);
});
