/**
 * `npm run coverage`: runs tests with coverage and prints, for each package of src, which part of its statements and
 * branches ran. Without arguments the core project; arguments go to vitest (`npm run coverage -- test/raft`,
 * `npm run coverage -- --project browser`). workerd cannot be measured.
 *
 * No figure is enforced. coverage/index.html shows the lines.
 */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";

interface Share {
  readonly total: number;
  readonly covered: number;
}

interface FileSummary {
  readonly statements: Share;
  readonly branches: Share;
}

const root = join(import.meta.dirname, "../..");
const source = join(root, "src");
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const projects = args.some((arg) => arg.startsWith("--project")) ? [] : ["--project", "core"];
  const code = await vitest(["run", "--coverage", "--reporter=dot", ...projects, ...args]);
  if (code !== 0) return code;
  const summary = JSON.parse(await readFile(join(root, "coverage/coverage-summary.json"), "utf8")) as Readonly<
    Record<string, FileSummary>
  >;
  print(Object.entries(summary).filter(([file]) => file.startsWith(source)));
  return 0;
}

function vitest(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(root, "node_modules/vitest/vitest.mjs"), ...args], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

function print(files: readonly (readonly [file: string, summary: FileSummary])[]): void {
  const packages = new Map<string, FileSummary[]>();
  for (const [file, summary] of files) {
    const name = relative(source, file).split(/[/\\]/)[0] ?? "";
    packages.set(name, [...(packages.get(name) ?? []), summary]);
  }
  console.log("package      statements  branches");
  for (const [name, members] of [...packages].sort(([left], [right]) => left.localeCompare(right))) {
    const statements = percent(members.map((member) => member.statements));
    const branches = percent(members.map((member) => member.branches));
    console.log(`${name.padEnd(11)} ${statements.padStart(11)} ${branches.padStart(9)}`);
  }
}

function percent(shares: readonly Share[]): string {
  const covered = shares.reduce((sum, share) => sum + share.covered, 0);
  const total = shares.reduce((sum, share) => sum + share.total, 0);
  return total === 0 ? "–" : `${((100 * covered) / total).toFixed(1)} %`;
}
