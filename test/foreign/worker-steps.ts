/** A worker of somebody else's: type-checked, built by wrangler, served by workerd, with Quorate below a prefix of it. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { LocalServer } from "../../worker/local/server.ts";
import { command, tool } from "./command.ts";
import { check, type Step } from "./steps.ts";

const TRIES_MAX = 1_000;
const SETUP_TOKEN = "a setup token of a foreign worker";
const OWNER = { authorization: `Bearer ${SETUP_TOKEN}` };

export function workerSteps(install: () => Promise<string>): readonly Step[] {
  let folder = "";
  const served = (run: (url: string) => Promise<void>) => async (): Promise<undefined> => {
    await serve(folder, run);
    return undefined;
  };
  return [
    {
      name: "a worker: types",
      async run() {
        folder = await install();
        await tool(folder, "typescript/bin/tsc", "-p", join(folder, "bundler.json"));
        return undefined;
      },
    },
    {
      name: "a worker: wrangler builds it",
      async run() {
        const printed = await tool(folder, "wrangler/bin/wrangler.js", "deploy", "--dry-run", "--outdir", "dist");
        check((await readdir(join(folder, "dist"))).includes("index.js"), printed);
        return /gzip: [\d.]+ KiB/.exec(printed)?.[0];
      },
    },
    { name: "a worker: its routes beside Quorate's, closed, and its client without HTTP", run: served(routes) },
    { name: "a worker: a caller whose connection is reset is out of a lock's queue", run: served(goneCaller) },
    {
      name: "a worker: a script's connect() finds it below the prefix",
      run: served(async (url) => {
        const script = `import { connect } from "quorate";
          const client = connect({ endpoint: ${JSON.stringify(`${url}/quorate`)}, token: ${JSON.stringify(SETUP_TOKEN)} });
          await client.kv.put("from-node", "1");
          if (client.toText((await client.kv.range("from-node")).kvs[0].value) !== "1") throw new Error("not there");
          const watcher = client.watch("from-node", { startRevision: 1 });
          if ((await watcher.next()).value.events.length === 0) throw new Error("nothing was seen");
          client.close();`;
        await writeFile(join(folder, "script.js"), script);
        await command(folder, "node", "script.js");
      }),
    },
  ];
}

async function routes(url: string): Promise<void> {
  const text = async (path: string, init?: RequestInit): Promise<string> => (await fetch(url + path, init)).text();
  const own = await fetch(`${url}/anything`);
  is(await own.text(), "the worker's own");
  is(own.headers.get("content-security-policy"), null);
  is((await fetch(`${url}/quorate/kv/own`)).status, 401);
  is((await fetch(`${url}/quorate/health`)).status, 200);
  is((await fetch(`${url}/quorate/metrics`, { headers: OWNER })).status, 403);
  is((await fetch(`${url}/kv/own`, { headers: OWNER })).headers.get("etag"), null);

  is((await fetch(`${url}/quorate/kv/own`, { method: "PUT", body: "by HTTP", headers: OWNER })).status, 200);
  is(await text("/get"), "by HTTP");
  await text("/put", { method: "POST", body: "by the worker" });
  const read = await fetch(`${url}/quorate/kv/own`, { headers: OWNER });
  is(await read.text(), "by the worker");
  is(read.headers.get("x-content-type-options"), "nosniff");
  is(await text("/watch?key=watched"), "seen");
  is(await text("/lock?key=lock"), "true");
}

async function goneCaller(url: string): Promise<void> {
  const queue = async (): Promise<number> => {
    const listed = await fetch(`${url}/quorate/kv/gone/?prefix&keys`, { headers: OWNER });
    return ((await listed.json()) as { readonly count: number }).count;
  };
  const holding = fetch(`${url}/wait?key=gone`);
  await (await holding).text();
  is(await queue(), 1);
  // workerd hears of a connection that is reset. Of one that is closed in order, nobody tells a worker that has not answered.
  const waiting = connect(Number(new URL(url).port), "127.0.0.1");
  waiting.on("error", () => {});
  waiting.write("GET /wait?key=gone HTTP/1.1\r\nhost: x\r\n\r\n");
  await until(async () => (await queue()) === 2);
  waiting.resetAndDestroy();
  await until(async () => (await queue()) === 1);
}

async function serve(folder: string, run: (url: string) => Promise<void>): Promise<void> {
  const data = join(folder, "data");
  await mkdir(data, { recursive: true });
  const configFile = join(folder, "config.capnp");
  await writeFile(configFile, config(data));
  const server = new LocalServer({ configFile, pidFile: join(folder, "workerd.pid") });
  try {
    await run(`http://127.0.0.1:${await server.listening}`);
  } finally {
    server.stop();
    await server.ended;
  }
}

function config(data: string): string {
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
    (className = "EdgeMember", uniqueKey = "foreign-EdgeMember", enableSql = true),
    (className = "RoomSignalling", uniqueKey = "foreign-RoomSignalling", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "data"),
  bindings = [
    (name = "MEMBERS", durableObjectNamespace = "EdgeMember"),
    (name = "ROOMS", durableObjectNamespace = "RoomSignalling"),
    (name = "SETUP_TOKEN", text = "${SETUP_TOKEN}"),
  ],
);
`;
}

function is(actual: unknown, expected: unknown): void {
  check(Object.is(actual, expected), `it is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
}

/** Ends what would hang, and judges nothing. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    check(tries < TRIES_MAX, "what was waited for did not come");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
