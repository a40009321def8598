import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readWhole } from "../../src/cli/files/file-tree.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "quorate-tree-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function path(name: string): Buffer {
  return Buffer.from(join(folder, name));
}

describe("what was a file when it was listed", () => {
  test("and is a link now is not followed", async () => {
    symlinkSync("/etc/hostname", path("link"));
    expect(await readWhole(path("link"), 1000)).toMatchObject({ type: "unreadable" });
  });

  test("and is a pipe now is not waited for", async () => {
    execFileSync("/usr/bin/env", ["mkfifo", path("pipe").toString()]);
    expect(await readWhole(path("pipe"), 1000)).toEqual({ type: "unreadable", reason: "not a regular file any more" });
  });

  test("and is gone now is unreadable, with the system's reason", async () => {
    const reason = "unreadable: no such file or directory";
    expect(await readWhole(path("gone"), 1000)).toEqual({ type: "unreadable", reason });
  });

  test("and is larger than the bound is not read", async () => {
    writeFileSync(path("large"), "four");
    expect(await readWhole(path("large"), 3)).toEqual({ type: "too-large" });
    expect(await readWhole(path("large"), 4)).toMatchObject({ type: "bytes" });
  });
});
