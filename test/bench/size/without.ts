/**
 * What each part of the client costs at its start, by trial: it is bundled without the part, and the difference is the cost.
 * Compressed together, the parts cost less than each of them alone, so the costs do not add up to the whole.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Rolldown } from "vite";
import { ROOT } from "../../../worker/local/build.ts";
import { built } from "./chunks.ts";

export interface Trial {
  readonly name: string;
  /** Folders and files of src. */
  readonly paths: readonly string[];
  /** A page that only gets and puts keys could do without. */
  readonly isSpare: boolean;
}

export const TRIALS: readonly Trial[] = [
  {
    name: "the request, its retries and time-outs",
    paths: ["client/http/http-call.ts", "client/common"],
    isSpare: false,
  },
  { name: "errors of the network and of proxies", paths: ["client/http/http-errors.ts"], isSpare: false },
  { name: "the error's class and codes", paths: ["protocol/etcd-error.ts"], isSpare: false },
  {
    name: "etcd's JSON of get, put and delete",
    paths: ["client/http/http-kv.ts", "client/http/json-values.ts", "protocol/api"],
    isSpare: false,
  },
  { name: "checks of arguments, and results", paths: ["client/facade/requests.ts", "base"], isSpare: false },
  { name: "client.connection", paths: ["client/app/connection.ts"], isSpare: true },
  { name: "the socket's beginning", paths: ["client/http/lazy-socket.ts"], isSpare: true },
  { name: "txns as they are written", paths: ["client/facade/txn.ts"], isSpare: true },
  {
    name: "namespaces and live maps until they load",
    paths: ["client/app/namespace", "client/app/live", "client/app/pending"],
    isSpare: true,
  },
  { name: "the outbox until it loads", paths: ["client/outbox"], isSpare: true },
  {
    name: "watches, leases, locks, elections, auth, cluster, maintenance until they load",
    paths: ["client/facade/lazy-"],
    isSpare: true,
  },
];

/** Bytes after compression of the client's start without what these trials name. */
export async function startWithout(trials: readonly Trial[]): Promise<number> {
  const gone = trials.flatMap(({ paths }) => paths.map((path) => join(ROOT, "src", path)));
  const outputs = await built({
    configFile: false,
    root: ROOT,
    logLevel: "warn",
    publicDir: false,
    plugins: [{ ...withoutModules(gone), enforce: "pre" } as never],
    build: {
      target: "es2023",
      lib: { entry: join(ROOT, "src/client/app/connect.ts"), formats: ["es"] },
      rolldownOptions: { output: { minify: true } },
    },
  });
  const codes = outputs.map((output) => (output.type === "chunk" ? output.code : ""));
  return gzipSync(codes.join(""), { level: 9 }).length;
}

/** What a module under one of the paths exports is undefined then. What is loaded by need is left out. */
function withoutModules(paths: readonly string[]): Rolldown.Plugin {
  return {
    name: "without-modules",
    resolveDynamicImport: (specifier) => ({ id: specifier, external: true }),
    load(id) {
      if (!paths.some((path) => id.startsWith(path))) return undefined;
      const code = readFileSync(id, "utf8");
      const declared = [...code.matchAll(/^export (?:async )?(?:function\*?|class|const) (\w+)/gm)];
      const names = new Set(declared.map(([, name]) => name));
      return [...names].map((name) => `export const ${name} = globalThis.x;`).join("\n");
    },
  };
}
