/** A mutation whose text is not in the source any more plants nothing, and nobody is told until somebody hunts. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MUTATIONS } from "./mutations.ts";

const root = join(import.meta.dirname, "../..");

describe("mutations of the simulator", () => {
  test.each(MUTATIONS)("$name: its text occurs once in $file", ({ file, old, new: planted }) => {
    const source = readFileSync(join(root, file), "utf8");
    expect(source.split(old).length - 1).toBe(1);
    expect(planted).not.toBe(old);
  });

  test("each has a name of its own, and the test that finds it exists", () => {
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
    expect(MUTATIONS.filter(({ foundBy }) => foundBy !== undefined && !existsSync(join(root, foundBy)))).toEqual([]);
  });
});
