/** The worker as `wrangler dev` runs it, which emulates R2: in workerd, on a free port and with data of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");
const BUCKET = `
[triggers]
crons = ["17 3 * * *"]
[[r2_buckets]]
binding = "BACKUPS"
bucket_name = "backups"
`;

export class WranglerServer {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;

  private constructor(child: ChildProcess, folder: string, url: string) {
    this.#child = child;
    this.#folder = folder;
    this.url = url;
  }

  /** With a bucket for backups and an open endpoint. */
  static async start(vars: Readonly<Record<string, string>> = {}): Promise<WranglerServer> {
    const folder = await mkdtemp(join(tmpdir(), "quorate-wrangler-"));
    const deployed = await readFile(join(ROOT, "wrangler.toml"), "utf8");
    const config = deployed
      .replace('main = "', `main = "${ROOT}/`)
      .replace('directory = "', `directory = "${ROOT}/`)
      .replace("\n[vars]", `\n${BUCKET}\n[vars]`);
    await writeFile(join(folder, "wrangler.toml"), config);
    const args = ["dev", "-c", "wrangler.toml", "--port", "0", "--inspector-port", "0", "--persist-to", "state"];
    for (const [name, value] of Object.entries({ OPEN: "true", ...vars })) args.push("--var", `${name}:${value}`);
    const child = spawn(process.execPath, [join(ROOT, "node_modules/wrangler/bin/wrangler.js"), ...args], {
      cwd: folder,
      env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false" },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    let output = "";
    const collect = (chunk: Buffer): void => {
      output += chunk.toString();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const url = new Promise<string>((ready, failed) => {
      const look = (): void => {
        const found = /Ready on (http:\/\/\S+)/.exec(output)?.[1];
        if (found !== undefined) ready(found);
      };
      child.stdout.on("data", look);
      child.once("exit", () => failed(new Error(`it did not start:\n${output}`)));
    });
    return new WranglerServer(child, folder, await url);
  }

  /** As the cron trigger fires, which does not happen by itself here. */
  async fireCron(): Promise<void> {
    const response = await fetch(`${this.url}/cdn-cgi/handler/scheduled?cron=17+3+*+*+*`);
    if (!response.ok) throw new Error(`the cron trigger answered ${response.status}: ${await response.text()}`);
  }

  /** The files that hold the bucket's objects. */
  async blobs(): Promise<readonly string[]> {
    const folder = join(this.#folder, "state/v3/r2/backups/blobs");
    return (await readdir(folder)).map((name) => join(folder, name));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.pid !== undefined) {
      // Its workerd is in the same group.
      process.kill(-this.#child.pid, "SIGTERM");
      await once(this.#child, "exit");
    }
    await rm(this.#folder, { recursive: true, force: true });
  }
}
