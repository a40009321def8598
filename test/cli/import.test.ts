import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createClient } from "../../src/client/client.ts";
import type { Client } from "../../src/client/client.ts";
import { answerJson, startStub } from "../client/support/stub-server.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";
import type { Session } from "./support/fake-terminal.ts";

let served: ServedMember;
let client: Client;
let folder: string;
let paths: string[];

beforeAll(async () => {
  served = await serveMember();
  client = createClient(served.services);
});
afterAll(() => served.close());

beforeEach(async () => {
  await client.kv.deleteRange("", { prefix: true });
  folder = mkdtempSync(join(tmpdir(), "quorate-import-"));
  paths = [];
  served.intercept = (path) => {
    paths.push(path);
    return false;
  };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: string | Uint8Array): void {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), content);
}

function cli(...args: readonly string[]): Promise<Session> {
  return quorate(served.endpoint, ["import", folder, ...args]);
}

async function stored(): Promise<Record<string, string>> {
  const { kvs } = await client.kv.range("", { prefix: true });
  return Object.fromEntries(
    kvs.map(({ key, value }) => [Buffer.from(key).toString(), Buffer.from(value).toString("hex")]),
  );
}

function hex(text: string): string {
  return Buffer.from(text).toString("hex");
}

describe("what an import puts", () => {
  test("is each regular file, under its path below the folder, byte for byte", async () => {
    write("a", "one");
    write("deep/er/b.bin", new Uint8Array([0, 255, 10]));
    write("empty", "");
    const { code, out, err } = await cli("--quiet");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^3 files put, 0 unchanged, 0 skipped, 6 bytes \(6 B\) in \d+\.\d\d s, \d+ files\/s\n$/);
    expect(await stored()).toEqual({ a: hex("one"), "deep/er/b.bin": "00ff0a", empty: "" });
  });

  test("has the prefix before it", async () => {
    write("a", "one");
    await cli("--prefix", "etc/");
    expect(Object.keys(await stored())).toEqual(["etc/a"]);
  });

  test("keeps names that are not UTF-8", async () => {
    writeFileSync(Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xe9, 0x0a])]), "latin");
    const acknowledged = join(tmpdir(), `quorate-ack-${crypto.randomUUID()}`);
    expect(await cli("--acknowledged", acknowledged)).toMatchObject({ code: 0 });
    const { kvs } = await client.kv.range("", { prefix: true });
    expect(kvs.map(({ key }) => [...key])).toEqual([[0xe9, 0x0a]]);
    expect(readFileSync(acknowledged, "utf8")).toBe("base64:6Qo=\n");
    rmSync(acknowledged);
  });

  test("skips links, pipes and unreadable files, and reports them with their reasons", async () => {
    write("file", "x");
    symlinkSync("/etc/passwd", join(folder, "link"));
    symlinkSync(folder, join(folder, "loop"));
    execFileSync("/usr/bin/env", ["mkfifo", join(folder, "pipe")]);
    const { code, out, err } = await cli();
    expect(code).toBe(0);
    expect(out).toContain("1 files put, 0 unchanged, 3 skipped");
    expect(err).toBe("Skipped, symbolic link (2): link, loop\nSkipped, pipe (1): pipe\n");
    expect(Object.keys(await stored())).toEqual(["file"]);
  });

  test("leaves out files over the request limit, goes on, and ends with 5", async () => {
    write("huge", new Uint8Array(1.5 * 1024 * 1024));
    write("large", new Uint8Array(1.5 * 1024 * 1024 - 1024));
    write("small", "x");
    const { code, out, err } = await cli("--quiet");
    expect(code).toBe(5);
    expect(out).toContain("2 files put, 0 unchanged, 0 skipped, 1 failed");
    expect(err).toBe("Failed, over the request limit of 1.5 MiB (1): huge\n");
    expect(Object.keys(await stored())).toEqual(["large", "small"]);
  });
});

describe("a second import", () => {
  test("puts what has changed and nothing else", async () => {
    for (let at = 0; at < 200; at++) write(`f${at}`, `content ${at}`);
    await cli("--quiet");
    write("f7", "changed");
    await client.kv.deleteRange("f8");
    paths = [];
    const { out } = await cli("--quiet");
    expect(out).toContain("2 files put, 198 unchanged");
    expect(paths.filter((path) => path === "/v3/kv/put")).toHaveLength(2);
    expect(paths.filter((path) => path === "/v3/kv/txn")).toHaveLength(Math.ceil(200 / 64));
    expect((await stored())["f7"]).toBe(hex("changed"));
  });

  test("--force puts all files without reading the store", async () => {
    write("a", "same");
    await cli("--quiet");
    paths = [];
    expect((await cli("--quiet", "--force")).out).toContain("1 files put, 0 unchanged");
    expect(paths).toEqual(["/v3/kv/put"]);
  });
});

test("into an empty store, no key is read before it is put", async () => {
  for (let at = 0; at < 100; at++) write(`f${at}`, "x");
  await cli("--quiet");
  expect(paths.filter((path) => path !== "/v3/kv/put")).toEqual(["/v3/kv/range"]);
});

test("no more puts are under way at once than --concurrency says", async () => {
  for (let at = 0; at < 50; at++) write(`f${at}`, "x");
  let running = 0;
  let most = 0;
  served.intercept = async (path, response) => {
    if (path !== "/v3/kv/put") return false;
    running++;
    most = Math.max(most, running);
    response.on("finish", () => running--);
    await new Promise((resolve) => setImmediate(resolve));
    return false;
  };
  expect(await cli("--quiet", "--concurrency", "5")).toMatchObject({ code: 0 });
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(5);
});

describe("a server that is away for a while", () => {
  test("is tried again, and each file is there in the end", async () => {
    for (let at = 0; at < 100; at++) write(`f${at}`, "x");
    let failures = 0;
    served.intercept = (path, response) => {
      if (path !== "/v3/kv/put" || failures >= 40) return false;
      failures++;
      if (failures % 2 === 0) response.destroy();
      else answerJson(response, 503, { code: 14, message: "etcdserver: leader changed" });
      return true;
    };
    const acknowledged = join(folder, "..", `quorate-ack-${crypto.randomUUID()}`);
    const { code, out } = await cli("--quiet", "--acknowledged", acknowledged);
    expect(code).toBe(0);
    expect(out).toContain("100 files put");
    const keys = readFileSync(acknowledged, "utf8").trimEnd().split("\n");
    expect(keys.sort()).toEqual(Object.keys(await stored()).sort());
    rmSync(acknowledged);
  });

  test("for longer than --patience ends the import with 5, and each acknowledged file is stored", async () => {
    for (let at = 0; at < 300; at++) write(`f${at}`, "x");
    let puts = 0;
    served.intercept = (path, response) => {
      if (path !== "/v3/kv/put" || puts++ < 100) return false;
      response.destroy();
      return true;
    };
    const acknowledged = join(folder, "..", `quorate-ack-${crypto.randomUUID()}`);
    const { code, err } = await cli("--quiet", "--patience", "0.1", "--acknowledged", acknowledged);
    expect(code).toBe(5);
    expect(err).toMatch(/^quorate: broken off: no connection to .*; run it again to go on\n$/);
    const keys = readFileSync(acknowledged, "utf8").trimEnd().split("\n");
    expect(keys.sort()).toEqual(Object.keys(await stored()).sort());
    served.intercept = () => false;
    expect((await cli("--quiet")).out).toContain(`${300 - keys.length} files put, ${keys.length} unchanged`);
    rmSync(acknowledged);
  });
});

test("a server that is full ends the import at once", async () => {
  write("a", "x");
  const full = { code: 8, message: "etcdserver: mvcc: database space exceeded" };
  served.intercept = (path, response) => {
    if (path !== "/v3/kv/put") return false;
    answerJson(response, 429, full);
    return true;
  };
  expect(await cli("--quiet")).toMatchObject({ code: 3, err: `quorate: ${full.message} (ResourceExhausted)\n` });
});

test("a file that the server rejects is reported, and the others are put", async () => {
  for (let at = 0; at < 5; at++) write(`f${at}`, "x");
  const stub = await startStub((request, response, attempt) => {
    if (request.url !== "/v3/kv/put") answerJson(response, 200, {});
    else if (attempt === 3) answerJson(response, 400, { code: 3, message: "etcdserver: request is too large" });
    else answerJson(response, 200, {});
  });
  const { code, out, err } = await quorate(stub.endpoint, ["import", folder, "--quiet"]);
  await stub.close();
  expect(code).toBe(5);
  expect(out).toContain("4 files put, 0 unchanged, 0 skipped, 1 failed");
  expect(err).toMatch(/^Failed, etcdserver: request is too large \(1\): f\d\n$/);
});
