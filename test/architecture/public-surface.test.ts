/**
 * What the package exports. A change of it is a change for everybody who has installed it, so it must touch this record
 * too: `npx vitest run --project core test/architecture/public-surface.test.ts --update`.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

test("the package exports what is recorded, and nothing else", async () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { readonly exports: object };
  const entries = globSync(["src/entry/*.ts", "worker/entry.ts"], { cwd: ROOT }).sort();
  const surface = entries.flatMap((entry) => {
    const source = readFileSync(join(ROOT, entry), "utf8");
    const names = [...source.matchAll(/^export (type )?\{([^}]+)\}/gm)].flatMap(([, isType, list]) =>
      (list ?? "")
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "")
        .map((name) => `  ${isType === undefined ? "value" : "type "} ${name}`),
    );
    return [entry, ...names.toSorted()];
  });
  const paths = Object.keys(exports).map((path) => `  ${path}`);
  await expect([...surface, "paths", ...paths, ""].join("\n")).toMatchFileSnapshot("public-surface.txt");
});
