/** Programs of this tree in processes of their own; each is waited for or stopped by whoever started it. */
import { spawn } from "node:child_process";
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
