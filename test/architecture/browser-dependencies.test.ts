import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { BROWSER_DEPENDENCIES } from "../support/browser-dependencies.ts";

const BROWSER_TESTS = join(import.meta.dirname, "../browser");
/** What is imported at run time: by `from`, for its effects, or later. */
const IMPORT = /^(?:import|export)\s+(?!type\b)(?:[\w*{}\s,$]+?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;

function importsOf(file: string): readonly string[] {
  return Array.from(readFileSync(file, "utf8").matchAll(IMPORT), ([, now, later]) => now ?? later ?? "");
}

test("each package that a browser test comes to import is made ready before the tests, or the page would reload under one", () => {
  const files = readdirSync(BROWSER_TESTS)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => join(BROWSER_TESTS, name));
  const seen = new Set(files);
  const packages = new Set<string>();
  for (const file of seen) {
    for (const name of importsOf(file)) {
      if (!name.startsWith(".")) packages.add(name);
      else if (name.endsWith(".ts")) seen.add(join(dirname(file), name));
    }
  }
  packages.delete("vitest");
  expect(seen.size).toBeGreaterThan(files.length);
  expect([...packages].filter((name) => !BROWSER_DEPENDENCIES.includes(name))).toEqual([]);
});
