import {
  existsSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { pathNames } from "../../src/cli/files/export-path.ts";
import { createClient } from "../../src/client/client.ts";
import type { Client } from "../../src/client/client.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";
import type { Session } from "./support/fake-terminal.ts";

let served: ServedMember;
let client: Client;
let parent: string;
let folder: string;

beforeAll(async () => {
  served = await serveMember();
  client = createClient(served.services);
});
afterAll(() => served.close());

beforeEach(async () => {
  await client.kv.deleteRange("", { prefix: true });
  served.intercept = () => false;
  parent = mkdtempSync(join(tmpdir(), "quorate-export-"));
  folder = join(parent, "out");
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

function cli(...args: readonly string[]): Promise<Session> {
  return quorate(served.endpoint, ["export", folder, "--quiet", ...args]);
}

function written(): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

describe("what an export writes", () => {
  test("is each key as a file, byte for byte, without the prefix, and nothing beside it", async () => {
    await client.kv.put("p/a", "one");
    await client.kv.put("p/deep/er/b", new Uint8Array([0, 255]));
    await client.kv.put("q/other", "x");
    const { code, out, err } = await cli("--prefix", "p/");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^2 files of revision \d+, 5 bytes \(5 B\) in \d+\.\d\d s, \d+ files\/s\n$/);
    expect(written()).toEqual(["a", "deep/er/b"]);
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("one");
    expect([...readFileSync(join(folder, "deep/er/b"))]).toEqual([0, 255]);
  });

  test("replaces what is there under the same name and leaves the rest alone", async () => {
    mkdirSync(folder);
    writeFileSync(join(folder, "a"), "old and longer");
    writeFileSync(join(folder, "mine"), "kept");
    await client.kv.put("a", "new");
    await cli();
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("new");
    expect(readFileSync(join(folder, "mine"), "utf8")).toBe("kept");
  });

  test("is all of one revision, though keys change between its pages", async () => {
    for (let at = 0; at < 100; at++) await client.kv.put(`k${String(at).padStart(3, "0")}`, "old");
    let pages = 0;
    served.intercept = async (path) => {
      if (path === "/v3/kv/range" && ++pages === 2) {
        await client.kv.put("k099", "new");
        await client.kv.put("k100", "new");
        await client.kv.deleteRange("k050");
      }
      return false;
    };
    expect(await cli()).toMatchObject({ code: 0 });
    expect(pages).toBeGreaterThan(2);
    expect(written()).toHaveLength(100);
    expect(new Set(written().map((name) => readFileSync(join(folder, name), "utf8")))).toEqual(new Set(["old"]));
  });

  test("may be of an older revision", async () => {
    const { header } = await client.kv.put("a", "old");
    await client.kv.put("a", "new");
    expect(await cli("--rev", String(header.revision))).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, "a"), "utf8")).toBe("old");
  });

  test("an import gives back", async () => {
    const key = new Uint8Array([0xe9, 0x2f, 0x0a]);
    await client.kv.put(key, new Uint8Array([1, 2]));
    await client.kv.put("d/e", "");
    await cli();
    await client.kv.deleteRange("", { prefix: true });
    await quorate(served.endpoint, ["import", folder, "--quiet"]);
    const { kvs } = await client.kv.range("", { prefix: true });
    expect(kvs.map((kv) => [[...kv.key], [...kv.value]])).toEqual([
      [[...new TextEncoder().encode("d/e")], []],
      [[...key], [1, 2]],
    ]);
  });
});

test("when there is no key, nothing is made and it ends with 1", async () => {
  expect(await cli()).toMatchObject({ code: 1 });
  expect(existsSync(folder)).toBe(false);
});

describe("keys that may not become files", () => {
  test("are rejected and reported, the others are written, and it exits with 5", async () => {
    for (const key of ["../escape", "a/../../escape", "/absolute", "a//b", "a/", "./a", "nul\0", "good"]) {
      await client.kv.put(key, "x");
    }
    const { code, out, err } = await cli();
    expect(code).toBe(5);
    expect(out).toContain("1 files of revision");
    expect(out).toContain("7 not written");
    expect(err.split("\n").sort().filter(Boolean)).toEqual([
      "Not written, a NUL byte (1): base64:bnVsAA==",
      'Not written, a path with "." (1): ./a',
      'Not written, a path with ".." (2): ../escape, a/../../escape',
      "Not written, an absolute path (1): /absolute",
      "Not written, an empty name between slashes (2): a/, a//b",
    ]);
    expect(written()).toEqual(["good"]);
    expect(readdirSync(parent)).toEqual(["out"]);
  });

  test("a key that is a file while another needs it as a folder is reported", async () => {
    await client.kv.put("a", "file");
    await client.kv.put("a/b", "below");
    const { code, err } = await cli();
    expect(code).toBe(5);
    expect(err).toMatch(
      /^Not written, (a file stands where its folder would be: .*\/a|a folder stands where its file would be) \(1\): a/,
    );
    expect(written()).toHaveLength(1);
  });

  test("a link in the folder is never followed out of it", async () => {
    mkdirSync(folder);
    const outside = join(parent, "outside");
    mkdirSync(outside);
    symlinkSync(outside, join(folder, "link"));
    writeFileSync(join(outside, "target"), "untouched");
    symlinkSync(join(outside, "target"), join(folder, "file"));
    await client.kv.put("link/a", "x");
    await client.kv.put("file", "x");
    const { code, err } = await cli();
    expect(code).toBe(5);
    expect(err).toContain("a symbolic link stands where its folder would be");
    expect(readdirSync(outside)).toEqual(["target"]);
    expect(readFileSync(join(outside, "target"), "utf8")).toBe("untouched");
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("x");
  });

  test("no name that is let through can lead out of the folder", () => {
    const part = fc.oneof(fc.constantFrom("..", ".", "", "a", "b", "\0", "..a"), fc.string());
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const parsed = pathNames(new TextEncoder().encode(parts.join("/")));
        if ("refusal" in parsed) return;
        const path = join("/chosen", ...parsed.names.map((name) => new TextDecoder().decode(name)));
        expect(path.startsWith("/chosen/")).toBe(true);
        expect(path).toBe(`/chosen/${parts.join("/")}`);
      }),
    );
  });
});

test("compacted under its hands, an export ends with the server's error", async () => {
  const { header } = await client.kv.put("a", "1");
  await client.kv.put("a", "2");
  await client.kv.compact(header.revision + 1);
  expect(await cli("--rev", String(header.revision))).toMatchObject({ code: 3 });
});
