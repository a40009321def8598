/** The fetch with few connections, against a server that counts them. */
import { createServer } from "node:http";
import type { Server, ServerResponse } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { agentFetch } from "../../src/grpc/agent-fetch.ts";
import { listen } from "../client/support/served-member.ts";

let server: Server;
let endpoint: string;
let connections: number;
let answer: (path: string, response: ServerResponse) => void;

beforeEach(async () => {
  connections = 0;
  answer = (path, response) => {
    response.end(path);
  };
  server = createServer((request, response) => answer(request.url ?? "", response));
  server.on("connection", () => connections++);
  endpoint = await listen(server);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("many concurrent calls share few connections, and each gets its own response", async () => {
  const call = agentFetch(4);
  const paths = Array.from({ length: 100 }, (_, at) => `/v3/kv/${at}`);
  const texts = await Promise.all(
    paths.map(async (path) => (await call(endpoint + path, { method: "POST", body: "{}" })).text()),
  );
  expect(texts).toEqual(paths);
  expect(connections).toBe(4);
});

test("calls that wait at the server do not block others", async () => {
  const waiting: ServerResponse[] = [];
  answer = (path, response) => {
    if (path === "/v3/lock/lock") waiting.push(response);
    else response.end("served");
  };
  const call = agentFetch(1);
  const locks = [1, 2, 3].map(() => call(`${endpoint}/v3/lock/lock`, { method: "POST", body: "{}" }));
  expect(await (await call(`${endpoint}/v3/kv/put`, { method: "POST", body: "{}" })).text()).toBe("served");
  while (waiting.length < 3) await new Promise((resolve) => setImmediate(resolve));
  for (const response of waiting) response.end("had");
  expect(await Promise.all(locks.map(async (lock) => (await lock).text()))).toEqual(["had", "had", "had"]);
});

test("status and text of an error come through, and headers go along", async () => {
  const call = agentFetch(1);
  answer = (_path, response) => response.writeHead(429).end("too many");
  server.prependListener("request", ({ headers }) => expect(headers.authorization).toBe("a.1"));
  const response = await call(`${endpoint}/v3/kv/put`, {
    method: "POST",
    body: "{}",
    headers: { authorization: "a.1" },
  });
  expect([response.ok, response.status, await response.text()]).toEqual([false, 429, "too many"]);
});

test("without a server it fails as the platform's fetch does, with the reason as cause", async () => {
  const call = agentFetch(1);
  await expect(call("http://127.0.0.1:1/v3/kv/put", { method: "POST", body: "{}" })).rejects.toMatchObject({
    message: "fetch failed",
    cause: { code: "ECONNREFUSED" },
  });
});

test("a server that disconnects within its response causes an error and no truncated response", async () => {
  answer = (_path, response) => {
    response.writeHead(200, { "content-length": "10" });
    response.write("12345", () => response.destroy());
  };
  await expect(agentFetch(1)(`${endpoint}/v3/kv/put`, { method: "POST", body: "{}" })).rejects.toThrow("fetch failed");
});

test("a call that is given up leaves its connection to the next", async () => {
  const call = agentFetch(1);
  const abort = new AbortController();
  answer = (path) => {
    if (path === "/v3/kv/never") abort.abort();
  };
  const given = call(`${endpoint}/v3/kv/never`, { method: "POST", body: "{}", signal: abort.signal });
  await expect(given).rejects.toThrow("fetch failed");
  answer = (path, response) => response.end(path);
  expect(await (await call(`${endpoint}/v3/kv/put`, { method: "POST", body: "{}" })).text()).toBe("/v3/kv/put");
});
