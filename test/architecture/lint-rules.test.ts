/**
 * The lint rules are themselves tested: each fixture breaks one of them in a small tree with the real
 * oxlint.config.ts, so that a rule that an edit has put to sleep shows here and not years later.
 */
import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { LAYERS } from "../../oxlint.config.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const violations: readonly (readonly [title: string, rule: string, file: string, text: string])[] = [
  [
    "a pure room reads no clock",
    "no-restricted-globals",
    "src/raft/clock.ts",
    "export const now = (): number => Date.now();",
  ],
  [
    "a pure room throws no dice",
    "no-restricted-properties",
    "src/mvcc/dice.ts",
    "export const die = (): number => Math.random();",
  ],
  ["a pure room sets no timer", "no-restricted-globals", "src/lease/timer.ts", "setTimeout(() => undefined, 1);"],
  ["a pure room prints nothing", "no-console", "src/protocol/print.ts", 'console.log("term");'],
  [
    "a pure room promises nothing",
    "no-restricted-globals",
    "src/auth/later.ts",
    "export const later = (): unknown => Promise.resolve(1);",
  ],
  ["base imports nothing", "no-restricted-imports", "src/base/up.ts", 'export { a } from "../protocol/a.ts";'],
  [
    "the gRPC proxy imports services and not storage",
    "no-restricted-imports",
    "src/grpc/disk.ts",
    'export { a } from "../storage/a.ts";',
  ],
  [
    "raft does not know of storage",
    "no-restricted-imports",
    "src/raft/disk.ts",
    'export { a } from "../storage/a.ts";',
  ],
  [
    "raft does not know of storage's types",
    "no-restricted-imports",
    "src/raft/disk-type.ts",
    'import type { a } from "../storage/a.ts";\nexport type A = typeof a;',
  ],
  [
    "raft does not load storage later",
    "no-restricted-imports",
    "src/raft/disk-later.ts",
    'export const a = (): unknown => import("../storage/a.ts");',
  ],
  [
    "raft needs no package",
    "no-restricted-imports",
    "src/raft/package.ts",
    'import { Hono } from "hono";\nexport const h: unknown = Hono;',
  ],
  [
    "a folder that the table of layers does not name imports nothing",
    "no-restricted-imports",
    "src/raft/deep/up.ts",
    'export { a } from "../../base/a.ts";',
  ],
  [
    "what applies entries does not know what drives it",
    "no-restricted-imports",
    "src/member/apply/up.ts",
    'export { a } from "../node/a.ts";',
  ],
  [
    "a folder inside a package does not reach above the package",
    "no-restricted-imports",
    "src/member/node/front.ts",
    'export { a } from "../../gateway/a.ts";',
  ],
  [
    "a folder does not pass for one of the same name in another package",
    "no-restricted-imports",
    "src/storage/sqlite/common.ts",
    'export { a } from "../../client/common/a.ts";',
  ],
  [
    "the client's API does not know of HTTP",
    "no-restricted-imports",
    "src/client/facade/http.ts",
    'export { a } from "../http/a.ts";',
  ],
  [
    "storage does not know of Node",
    "no-restricted-imports",
    "src/storage/node.ts",
    'import { readFileSync } from "node:fs";\nexport const r: unknown = readFileSync;',
  ],
  [
    "the gateway does not touch storage",
    "no-restricted-imports",
    "src/gateway/disk.ts",
    'export { a } from "../storage/a.ts";',
  ],
  [
    "the member does not import its API layers",
    "no-restricted-imports",
    "src/member/front.ts",
    'export { a } from "../gateway/a.ts";',
  ],
  ["the page does not know the worker", "no-restricted-imports", "web/edge.ts", 'export { a } from "../worker/a.ts";'],
  [
    "no modules import each other in a circle",
    "import(no-cycle)",
    "src/base/chicken.ts",
    'import { egg } from "./egg.ts";\nexport const chicken: unknown = egg;',
  ],
  [
    "no modules know each other's types in a circle",
    "import(no-cycle)",
    "src/base/hen.ts",
    'import type { Chick } from "./chick.ts";\nexport interface Hen {\n  readonly chick: Chick;\n}',
  ],
  [
    "a switch names every case",
    "switch-exhaustiveness-check",
    "src/base/switch.ts",
    'export function f(x: "a" | "b"): void {\n  switch (x) {\n    case "a":\n      return;\n  }\n}',
  ],
  [
    "no promise is left alone",
    "no-floating-promises",
    "src/storage/alone.ts",
    "export async function f(): Promise<void> {}\nexport function g(): void {\n  f();\n}",
  ],
  ["no type is `any`", "no-explicit-any", "src/base/any.ts", "export const x: any = 1;"],
  [
    "nothing is asserted to be there by `!`",
    "no-non-null-assertion",
    "src/base/bang.ts",
    "export const f = (x: string | undefined): string => x!;",
  ],
  ["no export is nameless", "no-default-export", "src/base/nameless.ts", "export default 1;"],
  [
    "a function fits a screen",
    "max-lines-per-function",
    "src/base/long.ts",
    `export function f(): void {\n${"  f();\n".repeat(70)}}`,
  ],
];
const innocent = {
  "src/base/a.ts": "export const a = 1;",
  "src/base/egg.ts": 'import { chicken } from "./chicken.ts";\nexport const egg: unknown = chicken;',
  "src/base/chick.ts": 'import type { Hen } from "./hen.ts";\nexport interface Chick {\n  readonly hen: Hen;\n}',
  "src/protocol/a.ts": 'export { a } from "../base/a.ts";',
  "src/raft/a.ts":
    'import { a } from "../base/a.ts";\nexport const b: unknown = [a, import.meta];\nexport { a } from "../protocol/a.ts";',
  "src/member/peer/a.ts": 'export { a } from "../../raft/a.ts";',
  "src/member/node/a.ts": 'export { a } from "../peer/a.ts";\nexport { b } from "../../raft/a.ts";',
  "src/storage/a.ts": 'export { a } from "../raft/a.ts";\nexport { openDB } from "idb";',
  "src/gateway/a.ts": 'export { a } from "../member/a.ts";\nexport { Hono } from "hono";',
  "src/member/a.ts": 'export { a } from "../storage/a.ts";\nexport const now = (): number => Date.now();',
  "worker/a.ts": 'export { a } from "../src/gateway/a.ts";',
};

let complaints: readonly string[] = [];
let tree = "";

beforeAll(async () => {
  tree = await mkdtemp(join(tmpdir(), "quorate-lint-"));
  await symlink(join(root, "node_modules"), join(tree, "node_modules"));
  for (const config of ["oxlint.config.ts", "tsconfig.json", "src/tsconfig.json", "web/tsconfig.json"]) {
    await cp(join(root, config), join(tree, config));
  }
  const guilty = violations.map((violation) => [violation[2], violation[3]] as const);
  for (const [file, text] of [...Object.entries(innocent), ...guilty]) {
    await mkdir(dirname(join(tree, file)), { recursive: true });
    await writeFile(join(tree, file), `${text}\n`);
  }
  complaints = await lint(tree);
});

afterAll(async () => {
  await rm(tree, { recursive: true, force: true });
});

test("the table of layers names every folder of src, and no other", () => {
  const found = globSync("src/**/*.ts", { cwd: root }).map((file) => dirname(file).slice("src/".length));
  const named = Object.entries(LAYERS).flatMap(([name, { folders }]) =>
    Object.keys(folders).map((folder) => (folder === "." ? name : `${name}/${folder}`)),
  );
  expect([...new Set(found)].sort()).toEqual(named.filter((name) => found.includes(name)).sort());
  expect(named.filter((name) => !found.some((folder) => folder === name))).toEqual([]);
});

describe("lint", () => {
  test.each(violations)("%s", (_title, rule, file) => {
    expect(complaints.filter((line) => line.startsWith(`${file}:`) && line.includes(rule))).not.toEqual([]);
  });

  test("what the rules allow passes", () => {
    const files = Object.keys(innocent).filter((file) => !/egg|chick/.test(file));
    expect(complaints.filter((line) => files.some((file) => line.startsWith(`${file}:`)))).toEqual([]);
  });
});

function lint(folder: string): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const argv = [join(root, "node_modules/oxlint/bin/oxlint"), "--format", "unix"];
    execFile(process.execPath, argv, { cwd: folder, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      // Oxlint exits with 1 when it has something to say, which is what is wanted here.
      if (error !== null && error.code !== 1) reject(new Error(`${error.message}${stderr}`));
      else resolve(stdout.split("\n"));
    });
  });
}
