/** Serves a worker that wrangler built, by workerd itself. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LocalServer } from "../../src/serve/workerd-process.ts";

export interface WorkerdOptions {
  /** Classes of Durable Objects by the names of their bindings. */
  readonly objects: Readonly<Record<string, string>>;
  readonly variables: Readonly<Record<string, string>>;
}

/** Serves `dist/index.js` of the folder while `run` runs. */
export async function whileServed(
  folder: string,
  options: WorkerdOptions,
  run: (url: string) => Promise<void>,
): Promise<void> {
  const data = join(folder, "data");
  await mkdir(data, { recursive: true });
  const configFile = join(folder, "config.capnp");
  await writeFile(configFile, config(data, options));
  const server = new LocalServer({ configFile, pidFile: join(folder, "workerd.pid") });
  try {
    await run(`http://127.0.0.1:${await server.listening}`);
  } finally {
    server.stop();
    await server.ended;
  }
}

function config(data: string, { objects, variables }: WorkerdOptions): string {
  const list = (lines: readonly string[]): string => lines.map((line) => `    ${line},\n`).join("");
  const namespaces = Object.values(objects).map(
    (name) => `(className = "${name}", uniqueKey = "foreign-${name}", enableSql = true)`,
  );
  const bindings = [
    ...Object.entries(objects).map(([name, object]) => `(name = "${name}", durableObjectNamespace = "${object}")`),
    ...Object.entries(variables).map(([name, text]) => `(name = "${name}", text = "${text}")`),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "foreign", worker = .foreign), (name = "data", disk = (path = "${data}", writable = true))],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "foreign")],
);
const foreign :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "dist/index.js")],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["no_web_socket_compression", "enable_request_signal"],
  durableObjectNamespaces = [
${list(namespaces)}  ],
  durableObjectStorage = (localDisk = "data"),
  bindings = [
${list(bindings)}  ],
);
`;
}
