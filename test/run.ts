/**
 * `npm test`: builds what the end-to-end tests start, runs every project, and says in its last line what came of it.
 *
 * The last line, `N passed, N failed` with `, N skipped` when there were any, is for machines that run this; the exit
 * code says the same. No test at all is a failure too. Arguments go to vitest (`npm test -- --project core`).
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Counts } from "./support/count-reporter.ts";

const root = join(import.meta.dirname, "..");
process.exitCode = await main(process.argv.slice(2));

async function main(options: readonly string[]): Promise<number> {
  const builder = join(root, "worker/local/build.ts");
  if (existsSync(builder)) {
    const built = await run([builder], {});
    if (built !== 0) return report({ passed: 0, failed: 1, skipped: 0 }, built);
  }

  const scratch = await mkdtemp(join(tmpdir(), "quorate-test-"));
  try {
    const countFile = join(scratch, "counts.json");
    const vitest = join(root, "node_modules/vitest/vitest.mjs");
    const reporters = ["--reporter=default", `--reporter=${join(root, "test/support/count-reporter.ts")}`];
    const code = await run([vitest, "run", ...reporters, ...options], { QUORATE_COUNT_FILE: countFile });
    return report(await countsOf(countFile), code);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Prints the last line and returns the exit code. A runner that failed without a failed test still counts as one. */
function report(counts: Counts, code: number): number {
  const ran = counts.passed + counts.failed > 0;
  const failed = counts.failed === 0 && (code !== 0 || !ran) ? 1 : counts.failed;
  const skipped = counts.skipped === 0 ? "" : `, ${counts.skipped} skipped`;
  console.log(`${counts.passed} passed, ${failed} failed${skipped}`);
  return failed === 0 ? 0 : 1;
}

async function countsOf(countFile: string): Promise<Counts> {
  try {
    return JSON.parse(await readFile(countFile, "utf8")) as Counts;
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}

/** Runs a Node program of this very Node in the project's root and returns its exit code. */
function run(argv: readonly string[], extra: Readonly<Record<string, string>>): Promise<number> {
  const bin = join(root, "node_modules/.bin");
  const env = { ...process.env, ...extra, PATH: `${bin}:${process.env["PATH"] ?? ""}` };
  const child = spawn(process.execPath, argv, { cwd: root, env, stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}
