import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { answerJson } from "../client/support/stub-server.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";
import type { Session } from "./support/fake-terminal.ts";

let served: ServedMember;
let folder: string;
let file: string;

beforeAll(async () => {
  served = await serveMember();
  folder = await mkdtemp(join(tmpdir(), "quorate-snapshot-"));
  for (let at = 0; at < 40; at++) await cli("put", `key${at % 30}`, "x".repeat(4_000));
  await cli("del", "key3");
});
afterAll(async () => {
  await served.close();
  await rm(folder, { recursive: true });
});
beforeEach(() => {
  file = join(folder, `${crypto.randomUUID()}.db`);
  served.intercept = () => false;
});

function cli(...args: readonly string[]): Promise<Session> {
  return quorate(served.endpoint, args);
}

test("save writes a database with its SHA-256 behind it, and nothing else", async () => {
  const { code, out } = await cli("snapshot", "save", file);
  expect({ code, out }).toEqual({
    code: 0,
    out: expect.stringMatching(`^Snapshot saved at ${file}\nServer version 3.7.0, \\d+ kB\n$`) as string,
  });
  const bytes = readFileSync(file);
  expect(bytes.length % 512).toBe(32);
  const hash = createHash("sha256").update(bytes.subarray(0, -32)).digest();
  expect(bytes.subarray(-32).equals(hash)).toBe(true);
  expect(existsSync(`${file}.part`)).toBe(false);
});

describe("status prints hash, revision, live keys, size and version in etcdutl's forms", () => {
  test.each([
    ["simple", /^[0-9a-f]{1,8}, 42, 29, \d+ kB, 3\.7\.0\n$/],
    ["table", /^HASH +REVISION +TOTAL KEYS +TOTAL SIZE +VERSION\n[0-9a-f]+ +42 +29 +\d+ kB +3\.7\.0\n$/],
    ["json", /^\{"hash":\d+,"revision":42,"totalKey":29,"totalSize":\d+,"version":"3.7.0"\}\n$/],
    ["fields", /^"Hash" : \d+\n"Revision" : 42\n"Keys" : 29\n"Size" : \d+\n"Version" : 3\.7\.0\n$/],
  ])("-w %s", async (form, text) => {
    await cli("snapshot", "save", file);
    const { code, out } = await cli("snapshot", "status", file, "-w", form);
    expect(code).toBe(0);
    expect(out).toMatch(text);
  });
});

describe("a bad file is distinguished from a good one", () => {
  test.each<[string, (good: Buffer) => Uint8Array, string]>([
    ["a flipped bit", (good) => flipped(good, 20_000), "SHA-256 is not that of its data"],
    ["a flipped bit of the hash", (good) => flipped(good, good.length - 1), "SHA-256 is not that of its data"],
    ["an end that is missing", (good) => good.subarray(0, 40_960), "cut off"],
    ["another format", () => Buffer.alloc(8_192, "SQLite"), "no database of etcd's or ours"],
    ["nothing", () => Buffer.alloc(0), "no database of etcd's or ours"],
  ])("%s", async (_what, spoil, text) => {
    await cli("snapshot", "save", file);
    writeFileSync(file, spoil(readFileSync(file)));
    const { code, err } = await cli("snapshot", "status", file);
    expect(code).toBe(1);
    expect(err).toContain(text);
  });

  test("one that is not there", async () => {
    expect(await cli("snapshot", "status", file)).toMatchObject({ code: 2 });
  });
});

test("a stream that ends early leaves no file", async () => {
  served.intercept = (path, response) => {
    if (path !== "/v3/maintenance/snapshot") return false;
    answerJson(response, 200, { result: { remaining_bytes: "100", blob: "AAAA", version: "3.7.0" } });
    return true;
  };
  const { code, err } = await cli("snapshot", "save", file);
  expect(code).toBe(1);
  expect(err).toContain("ended early");
  expect([existsSync(file), existsSync(`${file}.part`)]).toEqual([false, false]);
});

test("move-leader to the leader itself is done at once; to an unknown member it fails", async () => {
  const { out } = await cli("status", "--json");
  const [status] = JSON.parse(out) as readonly { readonly id: string; readonly members: readonly { name: string }[] }[];
  const id = BigInt(status?.id ?? "").toString(16);
  const name = status?.members[0]?.name ?? "";
  expect(await cli("move-leader", name)).toMatchObject({ code: 0, out: `Leadership transferred to ${id}\n` });
  expect(await cli("move-leader", id)).toMatchObject({ code: 0 });
  expect(await cli("move-leader", "12")).toMatchObject({
    code: 3,
    err: expect.stringContaining("bad leader transferee"),
  });
  expect(await cli("move-leader", "nobody")).toMatchObject({ code: 2 });
});

test("downgrade validates, enables and cancels", async () => {
  expect(await cli("downgrade", "validate", "3.6")).toMatchObject({
    code: 0,
    out: "Downgrade validate success, cluster version 3.7\n",
  });
  expect(await cli("downgrade", "enable", "3.5")).toMatchObject({ code: 3 });
  expect(await cli("downgrade", "enable", "3.6")).toMatchObject({ code: 0 });
  expect(await cli("downgrade", "validate", "3.6")).toMatchObject({ code: 3 });
  expect(await cli("downgrade", "cancel")).toMatchObject({ code: 0 });
  expect(await cli("downgrade", "cancel", "3.6")).toMatchObject({ code: 2 });
  expect(await cli("downgrade", "sideways")).toMatchObject({ code: 2 });
});

function flipped(good: Buffer, at: number): Buffer {
  const bad = Buffer.from(good);
  bad[at] = (bad[at] ?? 0) ^ 1;
  return bad;
}
