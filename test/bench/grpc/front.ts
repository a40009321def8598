/** `quorate grpc` in a process of its own, as users start it. */
import { spawn } from "node:child_process";
import { ROOT } from "../../../worker/local/build.ts";

export interface Front {
  readonly address: string;
  stop(): Promise<void>;
}

export async function startFront(endpoint: string): Promise<Front> {
  const argv = ["src/cli/main.ts", "grpc", "--endpoint", endpoint, "--listen", "127.0.0.1:0"];
  const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const address = await new Promise<string>((resolve, reject) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const found = /127\.0\.0\.1:\d+/.exec(text);
      if (found !== null) resolve(found[0]);
    });
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`quorate grpc ended with ${code}`)));
  });
  return {
    address,
    async stop() {
      child.kill("SIGINT");
      await ended;
    },
  };
}
