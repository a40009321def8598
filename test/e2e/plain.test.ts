/** The plain form in a real browser: `fetch` with tags, `EventSource`, and pages of which origins may call. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { STEP_MS } from "./tabs-support.ts";

let browser: Browser;
let data: string;
let listed: Server;
let stranger: Server;
let server: EdgeServer;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-plain-"));
  [listed, stranger] = await Promise.all([emptyPages(), emptyPages()]);
  [browser, server] = await Promise.all([
    launchChromium(),
    EdgeServer.start(data, ["--allow-origin", originOf(listed)]),
  ]);
});

afterAll(async () => {
  await Promise.all([browser?.close(), server?.stop()]);
  listed?.close();
  stranger?.close();
  await rm(data, { recursive: true, force: true });
});

function emptyPages(): Promise<Server> {
  const pages = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<title>elsewhere</title>");
  });
  return new Promise((resolve) => pages.listen(0, "127.0.0.1", () => resolve(pages)));
}

function originOf(pages: Server): string {
  return `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
}

async function pageAt(url: string): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(url);
  return page;
}

test("an EventSource receives changes, and misses none when its connection breaks", async () => {
  const page = await pageAt(server.url);

  const values = await page.evaluate(async () => {
    const put = (value: string): Promise<Response> => fetch("/kv/page/a", { method: "PUT", body: value });
    const seen: string[] = [];
    let received = (): void => {};
    const until = async (count: number): Promise<void> => {
      while (seen.length < count) {
        await new Promise<void>((resolve) => {
          received = resolve;
        });
      }
    };
    const watch = (lastEventId = ""): EventSource => {
      const source = new EventSource(
        `/kv/page/?prefix&watch${lastEventId === "" ? "" : `&rev=${Number(lastEventId) + 1}`}`,
      );
      source.addEventListener("message", (event: MessageEvent<string>) => {
        const { type, key, value } = JSON.parse(event.data) as Record<string, string>;
        seen.push(`${type} ${key} ${value}`);
        last = event.lastEventId;
        received();
      });
      return source;
    };
    let last = "";
    const first = watch();
    await new Promise((resolve, reject) => {
      first.addEventListener("open", resolve, { once: true });
      first.addEventListener("error", reject, { once: true });
    });
    await put("one");
    await until(1);
    first.close();
    await put("two");
    await put("three ✓");
    const second = watch(last);
    await until(3);
    second.close();
    return seen;
  });

  expect(values).toEqual(["put page/a one", "put page/a two", "put page/a three ✓"]);
});

test("of two pages that change what they both read, one gets a conflict", async () => {
  const page = await pageAt(server.url);

  const statuses = await page.evaluate(async () => {
    const created = await fetch("/kv/page/b", { method: "PUT", body: "0", headers: { "if-none-match": "*" } });
    const headers = { "if-match": created.headers.get("etag") ?? "" };
    const both = await Promise.all(["1", "2"].map((body) => fetch("/kv/page/b", { method: "PUT", body, headers })));
    return [created.status, ...both.map(({ status }) => status).sort((left, right) => left - right)];
  });

  expect(statuses).toEqual([201, 200, 412]);
});

test("pages of an allowed origin may call and see the tag; those of others can do nothing", async () => {
  const calls = async (url: string): Promise<Record<string, unknown>> => {
    const attempt = (work: () => Promise<unknown>): Promise<unknown> => work().catch(() => "refused");
    const socket = (path: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const opened = new WebSocket(`${url.replace("http", "ws")}${path}`);
        opened.addEventListener("open", () => resolve("open"));
        opened.addEventListener("error", () => reject(new Error("refused")));
      });
    return {
      put: await attempt(async () => {
        const response = await fetch(`${url}/kv/page/c`, {
          method: "PUT",
          body: "x",
          headers: { "if-none-match": "*" },
        });
        return response.headers.get("etag") === null ? "no tag" : "tag";
      }),
      // Sent without a question before it, as forms are.
      simple: await attempt(
        async () => (await fetch(`${url}/v3/kv/put`, { method: "POST", body: '{"key":"cGFnZS9k"}' })).status,
      ),
      events: await attempt(
        () =>
          new Promise((resolve, reject) => {
            const source = new EventSource(`${url}/kv/page/?prefix&watch`);
            source.addEventListener("open", () => (source.close(), resolve("open")));
            source.addEventListener("error", () => (source.close(), reject(new Error("refused"))));
          }),
      ),
      watch: await attempt(() => socket("/v3/watch")),
      signalling: await attempt(() => socket("/peerjs/room/r/peerjs?key=peerjs&id=a&token=t")),
    };
  };
  const ours = await (await pageAt(originOf(listed))).evaluate(calls, server.url);
  const theirs = await (await pageAt(originOf(stranger))).evaluate(calls, server.url);

  expect(ours).toEqual({ put: "tag", simple: 200, events: "open", watch: "open", signalling: "open" });
  expect(theirs).toEqual({
    put: "refused",
    simple: 403,
    events: "refused",
    watch: "refused",
    signalling: "refused",
  });
});
