/**
 * The signalling that is deployed, served by workerd on a free port of this machine, for tests in a real browser:
 * `inject("signallingUrl")` is its origin.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  interface ProvidedContext {
    readonly signallingUrl: string;
  }
}

const root = join(import.meta.dirname, "../..");

const CONFIG = `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker), (name = "disk", disk = (path = "storage", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "main.js", esModule = embed "main.js")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [(className = "RoomSignalling", uniqueKey = "rooms", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "ROOMS", durableObjectNamespace = "RoomSignalling")],
);
`;

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "quorate-signalling-"));
  await mkdir(join(directory, "storage"));
  await writeFile(join(directory, "main.js"), await bundle());
  await writeFile(join(directory, "config.capnp"), CONFIG);
  const server = spawn(join(root, "node_modules/.bin/workerd"), ["serve", "--control-fd=3", "config.capnp"], {
    cwd: directory,
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  project.provide("signallingUrl", `http://127.0.0.1:${await listeningPort(server)}`);
  return async () => {
    const ended = new Promise((resolve) => server.once("exit", resolve));
    server.kill();
    await ended;
    await rm(directory, { recursive: true, force: true });
  };
}

async function bundle(): Promise<string> {
  const result = await build({
    configFile: false,
    root,
    logLevel: "error",
    build: {
      write: false,
      ssr: fileURLToPath(new URL("../worker/signalling/signalling-worker.ts", import.meta.url)),
      rolldownOptions: { external: [/^cloudflare:/] },
    },
    ssr: { noExternal: true },
  });
  if (!("output" in result)) throw new Error("one bundle was expected");
  return result.output[0].code;
}

/** Workerd says on its control channel where it listens. */
async function listeningPort(server: ChildProcess): Promise<number> {
  for await (const line of createInterface({ input: server.stdio[3] as Readable })) {
    const event = JSON.parse(line) as { readonly event: string; readonly port?: number };
    if (event.event === "listen" && event.port !== undefined) return event.port;
  }
  throw new Error(`workerd did not listen (exit code ${server.exitCode})`);
}
