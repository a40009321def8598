/** Programs of this tree in processes of their own; each is waited for or stopped by whoever started it. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { ROOT } from "../../worker/local/build.ts";

/** Runs a Node program in the project's root and returns what it printed. */
export function runNode(argv: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve(text.trim());
      else reject(new Error(`${argv.join(" ")} ended with ${code}`));
    });
  });
}

/** What a process has used of the processors, user and system, in milliseconds; NaN where the system does not tell. */
export function cpuMsOf(pid: number): number {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return Number.NaN;
  // The name before these fields may have spaces in it.
  const fields = readFileSync(file, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / clockTicksPerSecond();
}

let ticks: number | undefined;

function clockTicksPerSecond(): number {
  ticks ??= Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
  return ticks;
}
