import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { connect } from "../../src/entry/index.ts";
import { EdgeServer } from "../support/edge-server.ts";

const APP = "https://app.example";

let data: string;
let server: EdgeServer;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-script-"));
  server = await EdgeServer.start(join(data, "edge"), ["--allow-origin", APP]);
});
afterEach(async () => {
  await server.stop();
  await rm(data, { recursive: true, force: true });
});

test("/quorate.js is the client as one module, which imports nothing", async () => {
  const response = await fetch(`${server.url}/quorate.js`);
  const code = await response.text();
  expect([
    response.status,
    response.headers.get("content-type"),
    response.headers.get("x-content-type-options"),
  ]).toEqual([200, "text/javascript; charset=utf-8", "nosniff"]);
  expect(code).not.toMatch(/\bimport\s*\(|\bfrom\s*["']/);

  const file = join(data, "quorate.mjs");
  await writeFile(file, code);
  const module = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as { readonly connect: typeof connect };
  const client = module.connect({ endpoint: server.url });
  await client.kv.put("by-script", "1");
  expect(await server.get("by-script")).toBe("1");
  void client.close();
});

test("it is asked for again only when it has changed, and pages on the list alone may load it", async () => {
  const ask = (headers: Record<string, string>): Promise<Response> => fetch(`${server.url}/quorate.js`, { headers });
  const etag = (await ask({})).headers.get("etag") ?? "";
  expect(etag).toMatch(/^"[0-9a-f]{32}"$/);
  const same = await ask({ "if-none-match": etag });
  expect([same.status, await same.text(), same.headers.get("etag")]).toEqual([304, "", etag]);
  expect((await ask({ "if-none-match": '"other"' })).status).toBe(200);

  const listed = await ask({ origin: APP });
  expect([listed.status, listed.headers.get("access-control-allow-origin")]).toEqual([200, APP]);
  expect(listed.headers.get("cross-origin-resource-policy")).toBe("same-origin");
  expect((await ask({ origin: "https://evil.example" })).status).toBe(403);
  expect((await ask({ "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" })).status).toBe(403);
});
