/**
 * Real input: the machine's own /etc through the command line into the edge cluster, read back from each of the three
 * members; the same with workerd killed halfway.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EdgeServer } from "../support/edge-server.ts";

const CLI = join(import.meta.dirname, "../../src/cli/main.ts");
const TREE = "/etc";
const PREFIX = "etc/";
const MEMBERS = [1, 2, 3];

let scratch: string;
let server: EdgeServer | undefined;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "quorate-real-"));
});
afterEach(async () => {
  await server?.stop();
  server = undefined;
  await rm(scratch, { recursive: true, force: true });
});

test("every readable file of /etc is byte-identical at each of the three members, serializable", async () => {
  server = await EdgeServer.start(join(scratch, "data"));
  const files = await filesOf(TREE);

  const { code } = await ended(startImport(server.url));

  expect(code).toBe(0);
  for (const member of MEMBERS) expect(await contentOf(server, member, files.size)).toEqual(files);
});

test("with workerd killed halfway every acknowledged file is there, and a second import completes", async () => {
  server = await EdgeServer.start(join(scratch, "data"));
  const files = await filesOf(TREE);
  const acknowledgedFile = join(scratch, "acknowledged");
  await appendFile(acknowledgedFile, "");

  const road = await deadlyRoad(server, Math.floor(files.size / 2));
  const importing = startImport(road.url, ["--concurrency=8", "--patience=0.5", `--acknowledged=${acknowledgedFile}`]);
  const broken = await ended(importing);
  await road.close();
  const acknowledged = await lines(acknowledgedFile);
  server = await EdgeServer.start(join(scratch, "data"));
  const survived = await contentOf(server, 1, acknowledged.length);
  const again = await ended(startImport(server.url));

  expect(broken.code).not.toBe(0);
  expect(acknowledged.length).toBeGreaterThan(0);
  expect(acknowledged.length).toBeLessThan(files.size);
  for (const key of acknowledged) expect(survived.get(key), key).toBe(files.get(key));
  expect(again.code).toBe(0);
  for (const member of MEMBERS) expect(await contentOf(server, member, files.size)).toEqual(files);
});

interface Road {
  readonly url: string;
  close(): Promise<void>;
}

/** A way to the edge on which the answer to that many puts is the last thing that workerd did. */
async function deadlyRoad(edge: EdgeServer, puts: number): Promise<Road> {
  let left = puts;
  let killed: Promise<unknown> | undefined;
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { method = "GET", url = "/" } = request;
    const body = await buffer(request);
    const answer = await fetch(edge.url + url, method === "GET" ? {} : { method, body });
    const bytes = Buffer.from(await answer.arrayBuffer());
    if (url === "/v3/kv/put" && answer.ok) left -= 1;
    if (left <= 0) killed ??= edge.killWorkerd();
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" }).end(bytes);
  };
  const road = createServer((request, response) => {
    pass(request, response).catch(() => response.destroy());
  });
  road.listen(0, "127.0.0.1");
  await once(road, "listening");
  return {
    url: `http://127.0.0.1:${(road.address() as AddressInfo).port}`,
    close: async () => {
      road.close();
      road.closeAllConnections();
      await killed;
    },
  };
}

function startImport(endpoint: string, options: readonly string[] = []): ChildProcess {
  const args = [CLI, "import", TREE, "--prefix", PREFIX, "--endpoint", endpoint, "--quiet", ...options];
  return spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
}

async function ended(child: ChildProcess): Promise<{ readonly code: number | null }> {
  child.stderr?.resume();
  await once(child, "exit");
  return { code: child.exitCode };
}

async function lines(file: string): Promise<readonly string[]> {
  return (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
}

/** Key to content in base64, as the member holds it; asked until it has applied at least `count` keys. */
async function contentOf(edge: EdgeServer, member: number, count: number): Promise<ReadonlyMap<string, string>> {
  for (;;) {
    const content = new Map<string, string>();
    let from = Buffer.from(PREFIX);
    for (;;) {
      const { kvs = [], more } = await page(edge, member, from);
      for (const { key, value } of kvs) content.set(Buffer.from(key, "base64").toString(), value ?? "");
      if (more !== true) break;
      from = Buffer.concat([Buffer.from(kvs.at(-1)?.key ?? "", "base64"), Buffer.of(0)]);
    }
    // A follower may not have applied the last of it yet.
    if (content.size >= count) return content;
  }
}

interface Page {
  readonly kvs?: readonly { readonly key: string; readonly value?: string }[];
  readonly more?: boolean;
}

async function page(edge: EdgeServer, member: number, from: Buffer): Promise<Page> {
  const range_end = Buffer.from("etc0").toString("base64");
  const request = { key: from.toString("base64"), range_end, serializable: true, limit: 200 };
  return edge.post(`/m/${member}/v3/kv/range`, request);
}

/** Found without the code under test. What this user may not read is no input; nor is what is over the request limit. */
async function filesOf(root: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes !== undefined && bytes.length < 1024 * 1024) {
      files.set(PREFIX + path.slice(root.length + 1), bytes.toString("base64"));
    }
  }
  return files;
}
