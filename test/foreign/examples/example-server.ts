/** A server that an example brings: started as its README says, on a free port. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { FOREIGN_ENV } from "../command.ts";

/** `run` gets its origin. */
export async function whileExampleServes(file: string, run: (origin: string) => Promise<void>): Promise<void> {
  const child = spawn("node", [file, "0"], { env: FOREIGN_ENV, stdio: ["ignore", "pipe", "inherit"] });
  try {
    child.stdout.setEncoding("utf8");
    const [printed] = (await once(child.stdout, "data")) as [string];
    const origin = /http:\/\/localhost:\d+/.exec(printed)?.[0];
    if (origin === undefined) throw new Error(`the server printed ${JSON.stringify(printed)}`);
    await run(origin.replace("localhost", "127.0.0.1"));
  } finally {
    child.kill();
  }
}
