/**
 * `npm start`: builds what is out of date and runs workerd with it on this machine: no account, no network, no proxy in
 * between. The data is in one folder, which one server at a time may use.
 */
import { randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join, relative, resolve } from "node:path";
import { buildAll, DIST, ROOT, STAMP } from "./build.ts";
import { readDeployed } from "./deployed.ts";
import { lockFolder } from "../../src/serve/folder-lock.ts";
import { bracketed, HELP, StartError, startOptions, type StartOptions } from "./options.ts";
import { type Ended, LocalServer, stopLeftover } from "../../src/serve/workerd-process.ts";
import { startProcesses } from "./processes.ts";
import { localConfig } from "./local-config.ts";

/** All addresses of the machine instead of one. */
const WILDCARDS = ["0.0.0.0", "::", "[::]"];
const HEALTHY_WITHIN_MS = 30_000;
const SOURCES = ["src", "web", "worker", "package-lock.json", "wrangler.toml"];

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const options = startOptions(process.argv.slice(2), process.env);
    if (options.help) {
      process.stdout.write(HELP);
      return 0;
    }
    return await start(options);
  } catch (error) {
    const expected = error instanceof StartError || (error as NodeJS.ErrnoException).code?.startsWith("ERR_PARSE_ARGS");
    console.error(expected === true ? (error as Error).message : error);
    return 1;
  }
}

async function start(options: StartOptions): Promise<number> {
  const home = resolve(options.data);
  // As etcd makes its data directory: for its own user only.
  await mkdir(home, { recursive: true, mode: 0o700 });
  const lock = await lockFolder(join(home, "lock"));
  if (lock === undefined) {
    throw new StartError(`Another Quorate is already serving the data in ${home}. Stop it, or choose --data DIR.`);
  }
  try {
    return await serve(options, home);
  } finally {
    await lock.release();
  }
}

async function serve(options: StartOptions, home: string): Promise<number> {
  const files = { configFile: join(home, "workerd.capnp"), pidFile: join(home, "workerd.pid") };
  if (await stopLeftover(files.pidFile, files.configFile))
    console.log("Stopped the workerd of a start that was killed.");
  const setupToken = options.setupToken ?? (options.isOpen ? undefined : randomBytes(24).toString("base64url"));
  const place = { ...options, setupToken, port: await freePort(options) };
  if (options.build && (await isStale())) await build();
  if (options.processes > 0) return await serveProcesses(place, home);
  const dataFolder = join(home, "data");
  if (options.fresh) await rm(dataFolder, { recursive: true, force: true });
  await mkdir(dataFolder, { recursive: true });
  // The file holds the setup token. An earlier version wrote it for all users of the machine.
  await rm(files.configFile, { force: true });
  await writeFile(files.configFile, configText(place, home, dataFolder), { mode: 0o600 });

  const server = new LocalServer(files);
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      stopping = true;
      server.stop();
    });
  }
  void announce(server.listening, place);
  const ended = await server.ended;
  if (stopping) return 0;
  console.error(`workerd ended unexpectedly: ${describe(ended)}. The data is in ${dataFolder}; start again to go on.`);
  return ended.code === null || ended.code === 0 ? 1 : ended.code;
}

async function serveProcesses(options: StartOptions, home: string): Promise<number> {
  const processes = await startProcesses({
    folder: join(home, "processes"),
    count: options.processes,
    host: bracketed(options.host),
    port: options.port,
    isFresh: options.fresh,
    vars: memberVars(options),
    say: (line) => console.error(line),
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, processes.stop);
  void announce(Promise.resolve(options.port), options);
  console.log(`Members in processes of their own: ${processes.urls.join(" ")}`);
  await processes.ended;
  return 0;
}

function configText(options: StartOptions, home: string, dataFolder: string): string {
  const deployed = readDeployed(ROOT);
  return localConfig({
    host: bracketed(options.host),
    port: options.port,
    compatibilityDate: deployed.compatibilityDate,
    compatibilityFlags: deployed.compatibilityFlags,
    workerFile: relative(home, join(DIST, "worker/worker.js")),
    assetsFile: relative(home, join(DIST, "worker/assets.js")),
    pageFolder: join(DIST, "web"),
    dataFolder,
    vars: memberVars(options),
  });
}

function memberVars(options: StartOptions): Readonly<Record<string, string>> {
  const { CLUSTER_SIZE } = process.env;
  return {
    ...readDeployed(ROOT).vars,
    ...(CLUSTER_SIZE === undefined ? {} : { CLUSTER_SIZE }),
    ...options.memberVars,
    ...endpointVar(options),
    OPEN: String(options.isOpen),
    ...(options.setupToken === undefined ? {} : { SETUP_TOKEN: options.setupToken }),
    ...(options.frameAncestors === undefined ? {} : { FRAME_ANCESTORS: options.frameAncestors }),
    HOST_WHITELIST: options.hostWhitelist,
    ALLOWED_ORIGINS: options.allowedOrigins,
  };
}

async function announce(listening: Promise<number>, options: StartOptions): Promise<void> {
  try {
    const port = await listening;
    const url = urlOf(options);
    await healthy(`http://${WILDCARDS.includes(options.host) ? "127.0.0.1" : bracketed(options.host)}:${port}`);
    console.log(`Quorate is serving ${url}
${entranceText(options)}
  curl -X PUT -d bar ${url}/kv/foo
  curl ${url}/kv/foo

As etcd's clients say it, in base64; Zm9v is "foo" and YmFy is "bar":

  curl ${url}/v3/kv/put -d '{"key":"Zm9v","value":"YmFy"}'
  curl ${url}/v3/kv/range -d '{"key":"Zm9v"}'
`);
  } catch {
    // workerd has ended and reports it itself.
  }
}

/** Tells the user who has access. */
function entranceText({ isOpen, host, setupToken = "" }: StartOptions): string {
  if (isOpen && host === "127.0.0.1") return "";
  if (isOpen) return "\nIt is OPEN: until auth is enabled, everybody who can reach it may read and write.\n";
  return `
It is closed: until auth is enabled, it serves only who shows its setup token, in each request (and so in those below):

  curl -H "Authorization: Bearer ${setupToken}" ...
`;
}

async function healthy(url: string): Promise<void> {
  const untilMs = Date.now() + HEALTHY_WITHIN_MS;
  let reason = "no answer";
  while (Date.now() < untilMs) {
    const response = await fetch(`${url}/health`);
    if (response.ok) return;
    reason = await response.text();
    await new Promise((wake) => setTimeout(wake, 50));
  }
  console.error(`The cluster is not healthy after ${HEALTHY_WITHIN_MS / 1000} s: ${reason}`);
}

/** When Vite throws, it has printed the reason. */
async function build(): Promise<void> {
  try {
    await buildAll();
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error));
  }
}

/** URL on this machine. */
function urlOf({ host, port }: StartOptions): string {
  const name = host === "127.0.0.1" || WILDCARDS.includes(host) ? "localhost" : bracketed(host);
  return `http://${name}:${port}`;
}

/**
 * URL at which clients reach the members: the one given by the user, or the listening address if it is a single one.
 */
function endpointVar(options: StartOptions): { readonly ENDPOINT_URL?: string } {
  const given = process.env["ENDPOINT_URL"] ?? "";
  if (given !== "") return { ENDPOINT_URL: given };
  return WILDCARDS.includes(options.host) ? {} : { ENDPOINT_URL: urlOf(options) };
}

/**
 * Returns the port, or a free one if any is allowed: members report their client URLs when they start. workerd reports
 * a port in use too, but not in a way that helps the user.
 */
function freePort({ host, port }: StartOptions): Promise<number> {
  return new Promise((free, taken) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "is in use" : `cannot be used (${error.message})`;
      taken(new StartError(`Port ${port} of ${host} ${why}. Choose another: PORT=${port + 1} npm start`));
    });
    probe.listen(port, host, () => {
      const { port: chosen } = probe.address() as AddressInfo;
      probe.close(() => free(chosen));
    });
  });
}

/** Whether a source is newer than its build. */
async function isStale(): Promise<boolean> {
  if (!existsSync(STAMP)) return true;
  const builtMs = statSync(STAMP).mtimeMs;
  for (const source of SOURCES) {
    const path = join(ROOT, source);
    if (!existsSync(path)) continue;
    if (statSync(path).mtimeMs > builtMs) return true;
    if (!statSync(path).isDirectory()) continue;
    for (const name of await readdir(path, { recursive: true })) {
      if (statSync(join(path, name)).mtimeMs > builtMs) return true;
    }
  }
  return false;
}

function describe({ code, signal }: Ended): string {
  return signal === null ? `exit code ${code ?? "unknown"}` : `signal ${signal}`;
}
