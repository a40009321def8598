/** The built worker under workerd, as `npm start` serves it, on a free port and with data of its own. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { buildWorker, DIST, ROOT } from "../../../worker/local/build.ts";
import { readDeployed } from "../../../worker/local/deployed.ts";
import { LocalServer } from "../../../src/serve/workerd-process.ts";
import { localConfig } from "../../../worker/local/local-config.ts";

export interface EdgeServer {
  readonly url: string;
  /** workerd's, to see what it costs. */
  readonly pid: number;
  stop(): Promise<void>;
}

export class EdgeFolder {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  get path(): string {
    return this.#folder;
  }

  /**
   * Beside the build rather than in the machine's folder for temporary files, which may be in memory. `vars` replace the
   * worker's variables; `entry` is built in place of the worker.
   */
  static async make(vars: Readonly<Record<string, string>> = {}, entry?: string): Promise<EdgeFolder> {
    const folder = await mkdtemp(join(DIST, "bench-"));
    if (entry !== undefined) await buildWorker(entry, "worker.js", folder);
    await mkdir(join(folder, "data"));
    const deployed = readDeployed(ROOT);
    const config = localConfig({
      host: "127.0.0.1",
      port: 0,
      compatibilityDate: deployed.compatibilityDate,
      compatibilityFlags: deployed.compatibilityFlags,
      workerFile: entry === undefined ? relative(folder, join(DIST, "worker/worker.js")) : "worker.js",
      assetsFile: relative(folder, join(DIST, "worker/assets.js")),
      pageFolder: join(DIST, "web"),
      dataFolder: join(folder, "data"),
      vars: { ...deployed.vars, ALLOWED_ORIGINS: "*", OPEN: "true", ...vars },
    });
    await writeFile(join(folder, "workerd.capnp"), config);
    return new EdgeFolder(folder);
  }

  start(): Promise<EdgeServer> {
    return startWorkerd(this.#folder);
  }

  /** Starts at the address of an earlier server. */
  async startAgain({ url }: EdgeServer): Promise<EdgeServer> {
    const file = join(this.#folder, "workerd.capnp");
    const config = await readFile(file, "utf8");
    await writeFile(file, config.replace("127.0.0.1:0", new URL(url).host));
    return this.start();
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Starts workerd with the configuration of a folder. Returns as soon as it listens. */
export async function startWorkerd(folder: string): Promise<EdgeServer> {
  const server = new LocalServer({
    configFile: join(folder, "workerd.capnp"),
    pidFile: join(folder, "workerd.pid"),
  });
  const url = `http://127.0.0.1:${await server.listening}`;
  return {
    url,
    pid: server.pid,
    async stop() {
      server.stop();
      await server.ended;
    },
  };
}
