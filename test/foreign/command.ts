/** Runs a program to its end; a failure shows all that it printed. */
import { execFile } from "node:child_process";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

const ROOT: string = join(import.meta.dirname, "../..");
const LIMIT_MS = 120_000;

/** The environment of somebody else: none of this project's programs is on the path, its newer Node least of all. */
export const FOREIGN_ENV: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_"))),
  PATH: (process.env["PATH"] ?? "")
    .split(delimiter)
    .filter((folder) => !folder.includes("node_modules"))
    .join(delimiter),
};

export async function command(cwd: string, program: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, env: FOREIGN_ENV, timeout: LIMIT_MS });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { readonly stdout?: string; readonly stderr?: string };
    throw new Error(`${program} ${args.join(" ")} failed:\n${stdout}${stderr}`, { cause: error });
  }
}

/** A tool of this project, such as the compiler, on somebody else's files. */
export function tool(cwd: string, path: string, ...args: readonly string[]): Promise<string> {
  return command(cwd, process.execPath, join(ROOT, "node_modules", path), ...args);
}
