/** Many clusters behind one closed endpoint, by the command line, as whoever deploys it has them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { MUX_PATH } from "../../src/protocol/mux-frame.ts";
import { quorate, type FakeOptions, type Session } from "../cli/support/fake-terminal.ts";
import { EdgeServer } from "../support/edge-server.ts";

const TOKEN = "0123456789-setup-token";
const OPTIONS = ["--closed", "--setup-token", TOKEN];
const PATHS = Object.values(
  RPCS as unknown as Readonly<Record<string, Readonly<Record<string, { paths: readonly string[] }>>>>,
)
  .flatMap((service) => Object.values(service))
  .flatMap(({ paths }) => paths);
const OTHERS = ["/metrics", "/version", "/quorate/status", "/kv/a", "/peerjs/id", "/peerjs/room/r/room", MUX_PATH];
const OWN = ["/quorate/backups/now", "/quorate/backups/list", "/quorate/restore/begin"];

let folder: string;
let server: EdgeServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-clusters-"));
  server = await EdgeServer.start(folder, OPTIONS);
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function restart(): Promise<void> {
  await server.stop();
  server = await EdgeServer.start(folder, OPTIONS);
}

const cli = (line: string, env: Readonly<Record<string, string>> = {}, more: FakeOptions = {}): Promise<Session> =>
  quorate(server.url, line.split(" "), { ...more, env });
const OWNER = { QUORATE_TOKEN: TOKEN };

async function created(name: string): Promise<string> {
  const { code, out } = await cli(`cluster create ${name} --size 1`, OWNER);
  expect([name, code]).toEqual([name, 0]);
  return /QUORATE_TOKEN=([0-9a-f]{64})/.exec(out)?.[1] ?? "";
}

test("from nothing to a cluster with users, by three commands; its setup token opens it and no other", async () => {
  expect(await cli("cluster create acme --size 1")).toMatchObject({
    code: 3,
    err: expect.stringContaining("this endpoint is closed") as string,
  });
  const acme = await created("acme");
  await created("other");
  expect((await cli("cluster list", OWNER)).out).toMatch(/^NAME .*\nacme +1 .*\nother +1 .*\n$/);

  // The new cluster is closed, also to whoever knows where it is.
  expect((await cli("get k --cluster acme")).err).toContain("this endpoint is closed");
  expect((await cli("put k v --cluster other", { QUORATE_TOKEN: acme })).err).toContain("is not its setup token");
  expect((await cli("put k v", { QUORATE_TOKEN: acme })).err).toContain("is not its setup token");
  expect((await cli("cluster list", { QUORATE_TOKEN: acme })).err).toContain("is not its setup token");
  expect((await cli("auth init --cluster acme", { QUORATE_TOKEN: acme }, { secrets: ["pw", "pw"] })).code).toBe(0);

  const root = { QUORATE_USER: "root:pw", QUORATE_CLUSTER: "acme" };
  expect((await cli("put k v", root)).out).toBe("OK\n");
  expect((await cli("get k", root)).out).toContain("v");
  expect((await cli("status", root)).out).toContain("edge-1");
  expect((await cli(`get k --endpoint ${server.url}/m/1`, root)).out).toContain("v");
  expect((await cli("health --members", root)).code).toBe(0);
  expect((await cli("health --cluster --json", root)).code).toBe(0);
  // Neither the deployment's token nor root of acme is anybody elsewhere.
  expect((await cli("get k --cluster acme", OWNER)).err).toContain("invalid auth token");
  expect((await cli("get k --cluster other", OWNER)).code).toBe(1);
  expect((await cli("get k", { QUORATE_USER: "root:pw" })).code).toBe(3);
  expect((await cli("get k --cluster ../x", OWNER)).code).toBe(2);
});

test("clusters, their tokens and what they hold survive a restart; a deleted one does not come back", async () => {
  await restart();
  const root = { QUORATE_USER: "root:pw", QUORATE_CLUSTER: "acme" };
  expect((await cli("get k", root)).out).toContain("v");

  expect((await cli("cluster delete acme", OWNER)).code).toBe(2);
  expect((await cli("cluster delete acme --yes")).code).toBe(3);
  expect(await cli("cluster delete acme --yes", OWNER)).toMatchObject({ code: 0, out: "Cluster acme deleted\n" });
  expect((await cli("get k", root)).err).toMatch(/was deleted|there is no cluster/);
  const later = await created("acme");
  expect((await cli("get k", { QUORATE_TOKEN: later, QUORATE_CLUSTER: "acme" })).code).toBe(1);
  await restart();
  expect((await cli("get k", { QUORATE_TOKEN: later, QUORATE_CLUSTER: "acme" })).code).toBe(1);
});

describe("closed", () => {
  test("every path of a cluster asks for its token, and only health is public", async () => {
    const reached: string[] = [];
    for (const path of [...PATHS, ...OTHERS, ...OWN]) {
      for (const place of [`/c/other${path}`, `/c/other/m/1${path}`]) {
        if (/\/m\/1\/(?:peerjs|quorate\/(?:backups|restore))/.test(place)) continue;
        const method = OTHERS.includes(path) ? "GET" : "POST";
        const response = await fetch(server.url + place, { method, ...(method === "POST" ? { body: "{}" } : {}) });
        if (response.status !== 401) reached.push(`${place} ${response.status}`);
        await response.body?.cancel();
      }
    }
    expect(reached).toEqual([]);
    for (const path of [
      "/c/other/health",
      "/c/other/livez",
      "/c/other/m/1/readyz",
      "/c/other/",
      "/c/other/quorate.js",
    ]) {
      expect([path, (await fetch(server.url + path)).status]).toEqual([path, 200]);
    }
  });

  test("clusters are managed with the deployment's token only, and wrong ones are limited", async () => {
    const statuses: number[] = [];
    for (const step of ["create", "list", "delete"]) {
      const response = await fetch(`${server.url}/quorate/clusters/${step}`, { method: "POST", body: "{}" });
      statuses.push(response.status);
    }
    expect(statuses).toEqual([401, 401, 401]);
    await restart();
    for (let at = 0; at < 12; at++) {
      const headers = { authorization: `Bearer wrong ${at}` };
      const response = await fetch(`${server.url}/quorate/clusters/list`, { method: "POST", body: "{}", headers });
      statuses.push(response.status);
    }
    expect(statuses.slice(3)).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
    await restart();
  });
});

test("the page of a cluster speaks to that cluster", async () => {
  const page = await fetch(`${server.url}/c/other/`);
  expect(page.headers.get("content-type")).toContain("text/html");
  const unknown = await fetch(`${server.url}/c/unknown/`);
  expect([unknown.status, await unknown.json()]).toMatchObject([
    404,
    { message: expect.stringContaining("cluster create") },
  ]);
});
