/** Runs a script that does not end by itself, until it has printed what is waited for. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { FOREIGN_ENV } from "../command.ts";

const LIMIT_MS = 60_000;

/** Returns all that was printed by then. */
export async function printedBy(folder: string, file: string, awaited: RegExp): Promise<string> {
  const child = spawn("node", [file], { cwd: folder, env: FOREIGN_ENV, stdio: ["ignore", "pipe", "pipe"] });
  const limit = setTimeout(() => child.kill(), LIMIT_MS);
  let printed = "";
  try {
    return await new Promise<string>((resolve, reject) => {
      const take = (text: string): void => {
        printed += text;
        if (awaited.test(printed)) resolve(printed);
      };
      child.stdout.setEncoding("utf8").on("data", take);
      child.stderr.setEncoding("utf8").on("data", take);
      void once(child, "close").then(() => reject(new Error(`${file} ended, and printed ${JSON.stringify(printed)}`)));
    });
  } finally {
    clearTimeout(limit);
    child.kill();
  }
}
