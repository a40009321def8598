/** A cluster of Durable Objects in real workerd, each of which runs an earlier build or this one. */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalServer } from "../../src/serve/workerd-process.ts";
import { buildWorker, DIST, ROOT } from "../../worker/local/build.ts";
import { readDeployed } from "../../worker/local/deployed.ts";
import { localConfig } from "../../worker/local/local-config.ts";
import type { ClusterUnderTest, MemberUnderTest } from "../chaos/observers.ts";

/** The two builds lie beside the entry, and are not made part of it. */
const EXTERNAL = /^cloudflare:|^(?:old|new)-build\.js$/;
export type Deployed = "old" | "new";

export class ObjectCluster implements ClusterUnderTest {
  readonly members: readonly ObjectMember[];
  readonly #server: LocalServer;
  readonly #folder: string;

  private constructor(server: LocalServer, url: string, folder: string, size: number) {
    this.#server = server;
    this.#folder = folder;
    this.members = Array.from({ length: size }, (_, at) => new ObjectMember(url, at + 1));
  }

  /** All objects run the earlier build, whose worker is in `oldWorkerFile`. */
  static async start(oldWorkerFile: string, size: number): Promise<ObjectCluster> {
    const folder = await mkdtemp(join(tmpdir(), "quorate-objects-"));
    await mkdir(join(folder, "data"));
    await buildWorker("test/upgrade/objects/two-builds.ts", "two-builds.js", folder, EXTERNAL);
    for (const [from, to] of [
      [oldWorkerFile, "old-build.js"],
      [join(DIST, "worker/worker.js"), "new-build.js"],
      [join(DIST, "worker/assets.js"), "assets.js"],
    ] as const) {
      await copyFile(from, join(folder, to));
    }
    const configFile = join(folder, "workerd.capnp");
    await writeFile(configFile, configOf(folder, size));
    const server = new LocalServer({ configFile, pidFile: join(folder, "workerd.pid") });
    return new ObjectCluster(server, `http://127.0.0.1:${await server.listening}`, folder, size);
  }

  async leader(): Promise<ObjectMember> {
    for (;;) {
      for (const member of this.members) if (await member.leads().catch(() => false)) return member;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    this.#server.stop();
    await this.#server.ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

export class ObjectMember implements MemberUnderTest {
  readonly name: string;
  readonly url: string;
  readonly #deployUrl: string;

  constructor(endpoint: string, number: number) {
    this.name = `edge-${number}`;
    this.url = `${endpoint}/m/${number}`;
    this.#deployUrl = `${endpoint}/deploy?member=${number}`;
  }

  /** Restarts the object with this build. */
  async deploy(which: Deployed): Promise<void> {
    const response = await fetch(`${this.#deployUrl}&build=${which}`, { method: "POST" });
    const running = await response.text();
    if (running !== which)
      throw new Error(`${this.name} runs ${running} and not the build that was deployed, ${which}`);
  }

  async post(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.url + path, { method: "POST", body: JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as Record<string, unknown>;
  }

  async leads(): Promise<boolean> {
    const { leader, header } = (await this.post("/v3/maintenance/status", {})) as {
      leader?: string;
      header: { member_id: string };
    };
    return leader === header.member_id;
  }
}

function configOf(folder: string, size: number): string {
  const { compatibilityDate, compatibilityFlags, vars } = readDeployed(ROOT);
  const config = localConfig({
    host: "127.0.0.1",
    port: 0,
    compatibilityDate,
    compatibilityFlags,
    workerFile: "two-builds.js",
    assetsFile: "assets.js",
    pageFolder: join(DIST, "web"),
    dataFolder: join(folder, "data"),
    vars: { ...vars, ALLOWED_ORIGINS: "*", OPEN: "true", CLUSTER_SIZE: String(size) },
  });
  const builds = ["old-build.js", "new-build.js"].map((name) => `, (name = "${name}", esModule = embed "${name}")`);
  const withBuilds = config.replace(`embed "two-builds.js")`, (main) => `${main}${builds.join("")}`);
  if (withBuilds === config) throw new Error("the configuration has another form than was expected");
  return withBuilds;
}
