/**
 * What can be known here of machines that are not here: macOS and arm64. `npm ci` installs there what the lock file names for
 * them, and a file is found under its name where names that differ in case only are one.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

interface LockedPackage {
  readonly version?: string;
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
  readonly hasInstallScript?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const root = join(import.meta.dirname, "../..");
const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  readonly packages: Readonly<Record<string, LockedPackage>>;
};

const PLATFORMS = [
  ["linux", "x64"],
  ["linux", "arm64"],
  ["darwin", "x64"],
  ["darwin", "arm64"],
] as const;

/** esbuild and workerd look for the program of this platform; protobufjs, which a tool for tests needs, compares versions. */
const INSTALL_SCRIPTS = ["esbuild", "protobufjs", "workerd"];

/** Brings the tests a newer Node where npm 10 can (tree.test.ts). Nothing that is built or started needs it. */
const FOR_TESTS_ONLY = "test/support/node";

describe("native programs", () => {
  const brought = Object.entries(packages)
    .map(([path, { optionalDependencies = {} }]) => ({
      path,
      parts: Object.keys(optionalDependencies)
        .map((name) => lockedBelow(path, name))
        .filter((part) => part?.os !== undefined),
    }))
    .filter(({ path }) => path !== FOR_TESTS_ONLY && packages[path]?.os === undefined)
    .filter(({ parts }) => parts.some((part) => isFor(part, "linux", "x64")));

  test("workerd, esbuild and the bundler are among them", () => {
    const names = brought.map(({ path }) => path.replace(/^node_modules\//, ""));
    expect(names).toEqual(expect.arrayContaining(["workerd", "esbuild", "rolldown", "lightningcss", "oxlint"]));
  });

  test.each(PLATFORMS)("all of them are locked for %s on %s", (os, cpu) => {
    expect(brought.filter(({ parts }) => !parts.some((part) => isFor(part, os, cpu))).map(({ path }) => path)).toEqual(
      [],
    );
  });

  test("what runs at installation is known, and compiles nothing", () => {
    const scripts = Object.entries(packages)
      .filter(([path, { hasInstallScript }]) => path !== "" && hasInstallScript === true)
      .map(([path]) => path.replace(/^.*node_modules\//, ""));
    expect([...new Set(scripts)].sort()).toEqual(INSTALL_SCRIPTS);
  });
});

test.skipIf(!existsSync(join(root, ".git")))("no two files have names that differ in case only", () => {
  const files = execFileSync("git", ["ls-files"], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 }).split("\n");
  const names = files.map((file) => file.toLowerCase());
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});

/** As Node finds it: next to the package, or in a folder above. */
function lockedBelow(path: string, name: string): LockedPackage | undefined {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    const found = packages[`${folder === "" ? "" : `${folder}/`}node_modules/${name}`];
    if (found !== undefined || folder === "") return found;
  }
}

function isFor(part: LockedPackage | undefined, os: string, cpu: string): boolean {
  return part !== undefined && isAmong(part.os, os) && isAmong(part.cpu, cpu);
}

function isAmong(allowed: string | readonly string[] | undefined, name: string): boolean {
  return allowed === undefined || [allowed].flat().includes(name);
}
