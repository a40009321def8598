/** The plain Durable Object (../rival), under the same workerd and with data of its own. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buildWorker, DIST, ROOT } from "../../../worker/local/build.ts";
import { readDeployed } from "../../../worker/local/deployed.ts";
import { type EdgeServer, startWorkerd } from "./server.ts";

export interface Rival extends EdgeServer {
  /** Where a put is written by three objects. */
  readonly threeUrl: string;
  /** Where the worker answers by itself. */
  readonly nothingUrl: string;
}

export async function startRival(): Promise<Rival> {
  const folder = await mkdtemp(join(DIST, "bench-rival-"));
  await mkdir(join(folder, "data"));
  await buildWorker("test/bench/rival/plain-objects.ts", "worker.js", folder);
  await writeFile(join(folder, "workerd.capnp"), configOf(readDeployed(ROOT).compatibilityDate, join(folder, "data")));
  const server = await startWorkerd(folder);
  return {
    ...server,
    threeUrl: `${server.url}/three`,
    nothingUrl: `${server.url}/nothing`,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function configOf(compatibilityDate: string, dataFolder: string): string {
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "rival", worker = .rival),
    (name = "data", disk = (path = ${JSON.stringify(dataFolder)}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "rival")],
);

const rival :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = ${JSON.stringify(compatibilityDate)},
  durableObjectNamespaces = [(className = "PlainObject", uniqueKey = "rival", enableSql = true)],
  durableObjectStorage = (localDisk = "data"),
  bindings = [(name = "PLAIN", durableObjectNamespace = "PlainObject")],
);
`;
}
