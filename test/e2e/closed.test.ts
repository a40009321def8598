/** An endpoint as it is deployed: closed until its owner, who has the setup token, enables auth. */
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MUX_PATH } from "../../src/protocol/mux-frame.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { EdgeServer, runStart } from "../support/edge-server.ts";

const TOKEN = "0123456789 setup";
const OPTIONS = ["--closed", "--setup-token", TOKEN];
const PATHS = Object.values(
  RPCS as unknown as Readonly<Record<string, Readonly<Record<string, { paths: readonly string[] }>>>>,
)
  .flatMap((service) => Object.values(service))
  .flatMap(({ paths }) => paths);
const OTHERS = ["/metrics", "/version", "/quorate/status", "/kv/a", "/kv/?prefix", "/v3/no/such", "/v3beta/kv/put"];
const ROOMS = ["/peerjs/id", "/peerjs/room/r/peerjs/id", "/peerjs"];
const RESTORE = [
  ...["begin", "chunk", "commit", "abort", "nothing"].map((step) => `/quorate/restore/${step}`),
  ...["now", "list", "get?name=a", "nothing"].map((step) => `/quorate/backups/${step}`),
];

let folder: string;
let server: EdgeServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-closed-"));
  server = await EdgeServer.start(folder, OPTIONS);
});

afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

interface Told {
  readonly status: number;
  readonly text: string;
}

async function call(path: string, token?: string, body: string | undefined = "{}"): Promise<Told> {
  const method = body === "" ? "GET" : "POST";
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${server.url}${path}`, { method, headers, ...(method === "POST" ? { body } : {}) });
  // A stream that was let in goes on.
  if (response.ok && /watch|observe|keepalive|snapshot/.test(path)) {
    await response.body?.cancel();
    return { status: response.status, text: "" };
  }
  return { status: response.status, text: await response.text() };
}

test("a caller without a token gets a 401 that says what to do on every path, and reaches nothing", async () => {
  expect(PATHS.length).toBeGreaterThan(50);
  const reached: string[] = [];
  for (const path of [...PATHS, ...OTHERS, ...ROOMS, MUX_PATH, ...RESTORE]) {
    const places = [path, `//${path.slice(1)}`, `/m/1${path}`, `/m/3${path}`];
    const isOfAll = /^\/(?:peerjs|quorate\/(?:restore|backups))/.test(path);
    for (const place of isOfAll
      ? places.slice(0, 1)
      : places.filter((at) => !at.startsWith("//") || path.startsWith("/v3/"))) {
      for (const token of [undefined, "wrong", "root.7"]) {
        const { status, text } = await call(place, token, OTHERS.includes(path) || ROOMS.includes(path) ? "" : "{}");
        const isSaid = /this endpoint is closed|too many wrong setup tokens/.test(text);
        if (![401, 429].includes(status) || !isSaid)
          reached.push(`${place} ${token ?? "-"} ${status} ${text.slice(0, 80)}`);
      }
    }
  }

  expect(reached).toEqual([]);
  // The owner, who has the same address here, would have to wait for a minute.
  expect((await call("/metrics", TOKEN, "")).status).toBe(429);
  await server.stop();
  server = await EdgeServer.start(folder, OPTIONS);
});

test("wrong tokens count for their address, over however many connections they come", async () => {
  const statuses: number[] = [];
  for (let at = 0; at < 12; at++) statuses.push(await statusOfOwnConnection("/m/1/metrics"));
  expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
  await server.stop();
  server = await EdgeServer.start(folder, OPTIONS);
});

function statusOfOwnConnection(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: "Bearer wrong" };
    get(`${server.url}${path}`, { agent: false, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on("error", reject);
  });
}

test("health and the page are public", async () => {
  for (const path of ["/health", "/livez", "/readyz", "/m/2/health", "/"]) {
    expect([path, (await call(path, undefined, "")).status]).toEqual([path, 200]);
  }
});

test("a restore that a stranger began has begun nothing: the cluster serves its owner", async () => {
  const put = JSON.stringify({ key: btoa("a"), value: btoa("1") });

  expect((await call("/v3/kv/put", TOKEN, put)).status).toBe(200);
  expect((await call("/quorate/restore/begin", TOKEN)).text).toContain("the cluster is not empty");
});

test("the owner enables auth with the token; from then on etcd's rules hold, and the token is none", async () => {
  const user = JSON.stringify({ name: "root", password: "secret" });
  expect((await call("/v3/auth/user/add", undefined, user)).status).toBe(401);
  expect((await call("/v3/auth/user/add", TOKEN, user)).status).toBe(200);
  expect((await call("/v3/auth/user/grant", TOKEN, JSON.stringify({ user: "root", role: "root" }))).status).toBe(200);
  expect((await call("/v3/auth/enable", TOKEN)).status).toBe(200);

  const range = JSON.stringify({ key: btoa("a") });
  expect(await call("/v3/kv/range", undefined, range)).toMatchObject({ status: 400, text: /user name is empty/ });
  expect(await call("/v3/kv/range", TOKEN, range)).toMatchObject({ status: 401, text: /invalid auth token/ });
  const { token } = JSON.parse((await call("/v3/auth/authenticate", undefined, user)).text) as { token: string };
  expect(await call("/v3/kv/range", token, range)).toMatchObject({ status: 200 });
  const open = await Promise.all([...ROOMS, "/metrics", "/version"].map((path) => call(path, undefined, "")));
  // PeerJS has nothing at "/peerjs/id".
  expect(open.map(({ status }) => status)).toEqual([404, 200, 200, 200, 200]);

  // Nobody who has not logged in begins a restore, or has a piece of one read.
  for (const step of ["begin", "chunk", "commit", "abort"]) {
    const refused = { status: 412, text: expect.stringContaining("the cluster is not empty") as string };
    expect([step, await call(`/quorate/restore/${step}`)]).toEqual([step, refused]);
  }

  // Closed again, whoever asks.
  expect((await call("/v3/auth/disable", token)).status).toBe(200);
  expect((await call("/v3/kv/range", undefined, range)).status).toBe(401);
  expect((await call("/v3/kv/range", TOKEN, range)).status).toBe(200);
});

test("npm start says who is let in, refuses a token that is too short, and opens no other machine's door by itself", async () => {
  const output = (await server.stop()).output;
  expect(output).toContain(`Authorization: Bearer ${TOKEN}`);
  expect(await runStart(folder, ["--closed", "--setup-token", "short"])).toMatchObject({ code: 1 });
  expect(await runStart(folder, ["--closed", "--open"])).toMatchObject({ code: 1 });
  server = await EdgeServer.start(folder, ["--closed"]);
  const { output: second } = await server.stop();
  expect(second).toMatch(/Authorization: Bearer [\w-]{32}/);
});
