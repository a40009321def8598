/**
 * `npm run types`: every tsconfig of the tree through the compiler, all of them even when one fails.
 *
 * The packages see different platforms, so each has its own tsconfig. They are found rather than listed, so that none can
 * be forgotten. Plain programs side by side, because project references demand that every file is listed.
 */
import { execFile } from "node:child_process";
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);
const projects = globSync("{.,src,web,worker,test}/**/tsconfig*.json", {
  cwd: root,
  exclude: (path) => path.includes("node_modules"),
}).sort();

let failed = 0;
const queue = [...new Set(projects)];
await Promise.all(Array.from({ length: availableParallelism() }, checkFromQueue));
console.log(`${projects.length} projects checked, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function checkFromQueue(): Promise<void> {
  for (let project = queue.shift(); project !== undefined; project = queue.shift()) {
    const output = await compile(project);
    if (output === undefined) continue;
    failed += 1;
    console.log(`${project}:\n${output}`);
  }
}

/** What the compiler complains about, or undefined when it is content. */
async function compile(project: string): Promise<string | undefined> {
  try {
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    await run(process.execPath, [compiler, "-p", project], { cwd: root, maxBuffer: 1 << 26 });
    return undefined;
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout?: string; readonly stderr?: string };
    const output = `${stdout ?? ""}${stderr ?? ""}`;
    // TS18003: a package without files.
    if (output.startsWith("error TS18003")) return undefined;
    return output === "" ? String(error) : output;
  }
}
