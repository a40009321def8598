/** The security headers of each kind of response, as `npm start` sends it: in real workerd, by raw HTTP. */
import { connect } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EdgeServer } from "../support/edge-server.ts";

const EVIL = "https://evil.example";
const ELEMENT = "sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\nsec-fetch-dest: image";

let data: string;
let server: EdgeServer;
let script: string;
let style: string;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-headers-"));
  server = await EdgeServer.start(data);
  await server.put("kept", "<script>alert(1)</script>");
  const page = await (await fetch(server.url)).text();
  script = /src="([^"]+\.js)"/.exec(page)?.[1] ?? "";
  style = /href="([^"]+\.css)"/.exec(page)?.[1] ?? "";
});

afterAll(async () => {
  await server?.stop();
  await rm(data, { recursive: true, force: true });
});

interface Raw {
  readonly status: number;
  /** By names in lower case; what comes twice is joined. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Sends the lines as they are, and returns when the headers are there and as much of the body as came with them. */
function raw(line: string, headers = "", body = "", host = `host: localhost:${server.port}`): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const socket = connect(server.port, "127.0.0.1");
    const chunks: Buffer[] = [];
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`no answer to ${line}`)));
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      const text = Buffer.concat(chunks).toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end === -1) return;
      socket.destroy();
      const [first = "", ...lines] = text.slice(0, end).split("\r\n");
      const found = new Map<string, string>();
      for (const header of lines) {
        const colon = header.indexOf(":");
        const name = header.slice(0, colon).toLowerCase();
        const value = header.slice(colon + 1).trim();
        found.set(name, found.has(name) ? `${found.get(name)}, ${value}` : value);
      }
      resolve({ status: Number(first.split(" ")[1]), headers: found, body: text.slice(end + 4) });
    });
    const lines = [`${line} HTTP/1.1`, host, "connection: close", `content-length: ${body.length}`, headers];
    socket.write(`${lines.filter((part) => part !== "").join("\r\n")}\r\n\r\n${body}`);
  });
}

type Asked = readonly [what: string, status: number, ask: () => Promise<Raw>];

const ANSWERS: readonly Asked[] = [
  ["the page", 200, () => raw("GET /")],
  ["the page's headers alone", 200, () => raw("HEAD /")],
  ["a room's page", 200, () => raw("GET /?room=a")],
  ["a script", 200, () => raw(`GET ${script}`)],
  ["a style", 200, () => raw(`GET ${style}`)],
  ["a file that is not there", 404, () => raw("GET /nothing.js")],
  ["a method that no file has", 404, () => raw("POST /nothing")],
  ["a value", 200, () => raw("GET /kv/kept")],
  ["a value's headers alone", 200, () => raw("HEAD /kv/kept")],
  ["a value that has not changed", 304, () => raw("GET /kv/kept", 'if-none-match: "2"')],
  ["a key that is not there", 404, () => raw("GET /kv/missing")],
  ["a list", 200, () => raw("GET /kv/?prefix")],
  ["changes, as events", 200, () => raw("GET /kv/?prefix&watch")],
  ["a change refused by its condition", 412, () => raw("PUT /kv/kept", 'if-match: "99"')],
  ["etcd's API", 200, () => raw("POST /v3/kv/range", "", '{"key":"Zm9v"}')],
  ["a request that is none", 400, () => raw("POST /v3/kv/range", "", "{")],
  ["a method that is not there", 404, () => raw("POST /v3/nothing", "", "{}")],
  ["a method that is asked otherwise", 405, () => raw("POST /health")],
  ["a redirect", 307, () => raw("GET //v3/kv/range")],
  ["a watch", 200, () => raw("POST /v3/watch", "", '{"create_request":{"key":"Zm9v"}}')],
  ["health", 200, () => raw("GET /health")],
  ["metrics", 200, () => raw("GET /metrics")],
  ["one member", 200, () => raw("POST /m/2/v3/kv/range", "", '{"key":"Zm9v"}')],
  ["a member that is not there", 404, () => raw("GET /m/9/health")],
  ["no member at all", 404, () => raw("GET /m/x/health")],
  ["a room", 200, () => raw("GET /peerjs/room/headers/room")],
  ["a room that cannot be", 404, () => raw("GET /peerjs/room/-/room")],
  ["a preflight", 200, () => raw("OPTIONS /v3/kv/put", "origin: http://localhost:3000")],
  ["a room's preflight", 204, () => raw("OPTIONS /peerjs/room/a/found", "origin: http://localhost:3000")],
  ["a page that may not call", 403, () => raw("POST /v3/kv/range", `origin: ${EVIL}`, "{}")],
  ["a preflight of a page that may not call", 403, () => raw("OPTIONS /v3/kv/put", `origin: ${EVIL}`)],
  ["an element of another site's page", 403, () => raw("GET /kv/kept", ELEMENT)],
  ["a name that is not this server's", 421, () => raw("GET /", "", "", "host: evil.example")],
  ["two names", 400, () => raw("GET /", "", "", "host: localhost\r\nhost: evil.example")],
  ["a host with a path", 400, () => raw("GET /", "", "", "host: localhost/kv/kept")],
  ["a host with a question", 400, () => raw("GET /", "", "", "host: localhost?")],
  ["a host with a port that is none", 400, () => raw("GET /", "", "", "host: localhost:99999")],
];

test.each(ANSWERS)("a browser may neither run nor frame it: %s", async (what, status, ask) => {
  const { headers, ...answer } = await ask();
  const isHtml = headers.get("content-type")?.startsWith("text/html") === true;

  expect(answer.status).toBe(status);
  expect(isHtml).toBe(
    what.includes("page'") || what.endsWith("the page") || what === "a room's page" || status === 307,
  );
  expect(headers.get("content-security-policy")).toMatch(
    isHtml
      ? /^default-src 'none'; script-src 'self'; style-src 'self';[^,]* frame-ancestors 'none'$/
      : /^default-src 'none'; frame-ancestors 'none'$/,
  );
  expect(headers.get("content-security-policy")).not.toMatch(/unsafe|\*/);
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("cross-origin-opener-policy")).toBe("same-origin");
  expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
  expect(headers.has("permissions-policy")).toBe(isHtml);
  expect(headers.get("access-control-allow-origin")).not.toBe("*");
});

test("a value that looks like a page is not served as one", async () => {
  const { headers, body } = await raw("GET /kv/kept");

  expect(headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(body).toBe("<script>alert(1)</script>");
});

test("a page of this machine may read, as its CORS headers say; a page of another may not", async () => {
  const ours = await raw("GET /kv/kept", "origin: http://localhost:3000");
  const theirs = await raw("GET /kv/kept", `origin: ${EVIL}`);

  expect([ours.status, ours.headers.get("access-control-allow-origin"), ours.headers.get("vary")]).toEqual([
    200,
    "http://localhost:3000",
    "Accept, Origin",
  ]);
  expect([theirs.status, theirs.body]).toEqual([
    403,
    JSON.stringify({ code: 7, message: `pages of ${EVIL} may not call this endpoint` }),
  ]);
});

test("a WebSocket's handshake, which cannot be changed, is passed on", async () => {
  const url = `ws://localhost:${server.port}/v3/watch`;
  const opened = await new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.addEventListener("open", () => (socket.close(), resolve("open")));
    socket.addEventListener("error", () => resolve("refused"));
  });

  expect(opened).toBe("open");
});
