/**
 * Prints all messages of a group and compares them with test/raft/scripts. `RAFT_SCRIPTS=rewrite` rewrites the files.
 * Read the difference before committing it.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runScript } from "./support/script.ts";

const folder = join(import.meta.dirname, "scripts");
const names = readdirSync(folder).filter((name) => name.endsWith(".txt"));

test.each(names)("R47 the script %s prints what is recorded", (name) => {
  const path = join(folder, name);
  const script = readFileSync(path, "utf8");
  const actual = runScript(script);
  if (process.env["RAFT_SCRIPTS"] === "rewrite") writeFileSync(path, actual);
  else expect(actual).toBe(script);
});
