/** `quorate serve`: runs one member of a cluster on this machine, with etcd's flags. */
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { MEMBER_FLAG_NAMES, MEMBER_FLAGS, variableOf } from "../../member/flags.ts";
import { builtWorker } from "../../serve/built-worker.ts";
import type { Certificate, Listener } from "../../serve/member-config.ts";
import { ServeError, serveMember } from "../../serve/serve-member.ts";
import { type Command, Input, type OptionSpecs, UsageError } from "../common/command.ts";
import { ExitCode } from "../common/exit-codes.ts";
import type { Terminal } from "../output/terminal.ts";

const DEFAULT_LISTEN = "http://127.0.0.1:8787";
const DEFAULT_PEER_LISTEN = "http://127.0.0.1:2380";
const PEER_TOKEN_LENGTH_MIN = 16;

const OPTIONS: OptionSpecs = {
  name: { type: "string", value: "NAME", help: 'this member; default "default"' },
  "data-dir": { type: "string", value: "DIR", help: "where its data is; default NAME.quorate" },
  listen: { type: "string", value: "URL", help: `for clients; default ${DEFAULT_LISTEN}` },
  "advertise-client-urls": { type: "string", value: "LIST", help: "where clients find it; default --listen" },
  "peer-listen": { type: "string", value: "URL", help: `for the other members; default ${DEFAULT_PEER_LISTEN}` },
  "initial-advertise-peer-urls": {
    type: "string",
    value: "LIST",
    help: "where members find it; default --peer-listen",
  },
  "initial-cluster": { type: "string", value: "LIST", help: "m1=URL,m2=URL,…; default this member alone" },
  "initial-cluster-state": { type: "string", value: "STATE", help: "new (default), or existing: it was added before" },
  "initial-cluster-token": { type: "string", value: "TEXT", help: "tells clusters apart; default quorate-cluster" },
  "cert-file": { type: "string", value: "FILE", help: "certificate (PEM) for clients; needs --key-file" },
  "key-file": { type: "string", value: "FILE", help: "its private key (PEM)" },
  "trusted-ca-file": { type: "string", value: "FILE", help: "serve only clients with a certificate of this CA (PEM)" },
  "peer-cert-file": { type: "string", value: "FILE", help: "certificate (PEM) shown to members, both ways" },
  "peer-key-file": { type: "string", value: "FILE", help: "its private key (PEM)" },
  "peer-trusted-ca-file": { type: "string", value: "FILE", help: "the CA of all members' certificates (PEM)" },
  "peer-token-file": { type: "string", value: "FILE", help: "a secret that members show each other" },
  "setup-token-file": { type: "string", value: "FILE", help: "admits until auth is enabled; see the README" },
  open: { type: "boolean", help: "let everybody in while auth is disabled; default on loopback" },
  cors: {
    type: "string",
    value: "LIST",
    help: "origins whose pages may call; default none, on loopback this machine's",
  },
  "host-whitelist": { type: "string", value: "LIST", help: 'names under which it answers without TLS; "*" for all' },
  "config-file": { type: "string", value: "FILE", help: '"name: value" a line, names as these; the command line wins' },
  ...Object.fromEntries(MEMBER_FLAG_NAMES.map((name) => [name, { type: "string", ...MEMBER_FLAGS[name] } as const])),
};

export const serveCommand: Command = {
  name: "serve",
  usage: "[options]",
  summary: "Runs one member of a cluster on this machine, in a workerd of its own.",
  details: `
It needs the npm package workerd beside this one. Every option may stand in the environment too: QUORATE_DATA_DIR=….
Members prove themselves by certificates (--peer-cert-file, --peer-trusted-ca-file) or by a secret (--peer-token-file);
without either the peer listener must be on loopback. A store that has data keeps its identity: the initial-… options
are for its first start. It runs until it is interrupted, and a supervisor may kill it at any time.`,
  options: OPTIONS,
  examples: [
    "quorate serve --data-dir /var/lib/quorate",
    "quorate serve --name m1 --listen https://0.0.0.0:8787 --cert-file c.pem --key-file k.pem \\\n" +
      "    --peer-listen https://0.0.0.0:2380 --peer-cert-file p.pem --peer-key-file pk.pem --peer-trusted-ca-file ca.pem \\\n" +
      "    --initial-advertise-peer-urls https://10.0.0.1:2380 \\\n" +
      "    --initial-cluster m1=https://10.0.0.1:2380,m2=https://10.0.0.2:2380,m3=https://10.0.0.3:2380",
    "quorate member add https://10.0.0.4:2380   # then on the fourth: --initial-cluster-state existing",
  ],
  run,
};

async function run(given: Input, terminal: Terminal): Promise<ExitCode> {
  if (given.positionals.length > 0) throw new UsageError("serve takes no arguments");
  const input = withDefaults(given, terminal.env);
  const name = input.text("name") ?? "default";
  const clients = listener(input, "listen", DEFAULT_LISTEN, "");
  const peers = listener(input, "peer-listen", DEFAULT_PEER_LISTEN, "peer-");
  const peerToken = secret(input, "peer-token-file", PEER_TOKEN_LENGTH_MIN);
  checkPeers(peers, peerToken);
  const vars = variables(input, name, clients, peers);
  const built = builtWorker();
  if (built === undefined) throw new UsageError("the worker is not built; run `npm run build:package` first");
  let served;
  try {
    served = await serveMember({
      dataDir: input.text("data-dir") ?? `${name}.quorate`,
      clients,
      peers,
      built,
      vars: peerToken === undefined ? vars : { ...vars, PEER_TOKEN: peerToken },
    });
  } catch (error) {
    if (!(error instanceof ServeError)) throw error;
    terminal.writeError(`quorate: ${error.message}\n`);
    return ExitCode.refused;
  }
  let isInterrupted = false;
  const { stop } = served;
  terminal.onInterrupt(() => {
    isInterrupted = true;
    stop();
  });
  void served.listening.then(
    (port) =>
      terminal.write(`${name} serves clients at ${urlOf(clients, port)}, members at ${urlOf(peers, peers.port)}\n`),
    () => undefined,
  );
  const { code, signal } = await served.ended;
  if (isInterrupted) return ExitCode.ok;
  terminal.writeError(`quorate: workerd ended (${signal ?? `exit code ${code ?? "unknown"}`})\n`);
  return ExitCode.refused;
}

/** Takes what the command line does not give from the environment, then from the configuration file. */
function withDefaults(input: Input, env: Terminal["env"]): Input {
  const fromEnv = (name: string): string | undefined => env[`QUORATE_${name.toUpperCase().replaceAll("-", "_")}`];
  const file = input.text("config-file") ?? fromEnv("config-file");
  const lines = file === undefined ? new Map<string, string>() : configLines(file);
  const values: Record<string, string | boolean> = {};
  for (const [name, { type }] of Object.entries(OPTIONS)) {
    if (type === "boolean") {
      const text = fromEnv(name) ?? lines.get(name);
      values[name] = input.flag(name) || text === "true";
    } else {
      const text = input.text(name) ?? fromEnv(name) ?? lines.get(name);
      if (text !== undefined) values[name] = text;
    }
  }
  return new Input(values, input.positionals);
}

/** Reads the flat part of YAML, which is all that etcd's configuration file needs for these options. */
function configLines(file: string): ReadonlyMap<string, string> {
  const lines = new Map<string, string>();
  for (const [at, line] of textOf(file, "config-file").split("\n").entries()) {
    if (/^\s*(?:#.*)?$/.test(line) || line.trim() === "---") continue;
    const [, name, quoted, plain] = /^([a-z-]+):\s*(?:"([^"]*)"|'?([^'#]*?)'?)\s*(?:#.*)?$/.exec(line.trimEnd()) ?? [];
    if (name === undefined) throw new UsageError(`${file}:${at + 1} is no "name: value"`);
    if (OPTIONS[name] === undefined) throw new UsageError(`${file}:${at + 1}: there is no option ${name}`);
    lines.set(name, quoted ?? plain ?? "");
  }
  return lines;
}

function listener(input: Input, option: string, defaultUrl: string, prefix: "" | "peer-"): Listener {
  const text = input.text(option) ?? defaultUrl;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "") {
    throw new UsageError(`--${option} takes a URL such as ${defaultUrl}, not "${text}"`);
  }
  const isTls = url.protocol === "https:";
  const certificate = certificateOf(input, prefix);
  if (isTls && certificate === undefined) {
    throw new UsageError(`--${option} ${text} needs --${prefix}cert-file and --${prefix}key-file`);
  }
  if (!isTls && certificate !== undefined) throw new UsageError(`--${option} is https:// with a certificate`);
  const ca = input.text(`${prefix}trusted-ca-file`);
  if (ca !== undefined && !isTls) throw new UsageError(`--${prefix}trusted-ca-file needs https:// in --${option}`);
  return {
    host: url.hostname === "localhost" ? "127.0.0.1" : url.hostname,
    port: Number(url.port === "" ? (isTls ? 443 : 80) : url.port),
    certificate,
    clientCa: ca === undefined ? undefined : pemOf(ca, `${prefix}trusted-ca-file`),
  };
}

function certificateOf(input: Input, prefix: "" | "peer-"): Certificate | undefined {
  const [cert, key] = [input.text(`${prefix}cert-file`), input.text(`${prefix}key-file`)];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError(`TLS needs both --${prefix}cert-file and --${prefix}key-file`);
  }
  return { cert: pemOf(cert, `${prefix}cert-file`), key: pemOf(key, `${prefix}key-file`) };
}

/** Whoever can send frames as a member has all the data, so the listener is never open to a network. */
function checkPeers(peers: Listener, token: string | undefined): void {
  if (isLoopback(peers) || peers.clientCa !== undefined) return;
  if (token === undefined) {
    throw new UsageError(
      "members beyond this machine prove themselves: give --peer-cert-file, --peer-key-file and --peer-trusted-ca-file, " +
        "or --peer-token-file",
    );
  }
}

function variables(input: Input, name: string, clients: Listener, peers: Listener): Readonly<Record<string, string>> {
  const isLocal = isLoopback(clients);
  const own = input.text("initial-advertise-peer-urls") ?? urlOf(peers, peers.port);
  const state = input.text("initial-cluster-state") ?? "new";
  if (state !== "new" && state !== "existing") {
    throw new UsageError(`--initial-cluster-state is new or existing, not "${state}"`);
  }
  const cluster =
    input.text("initial-cluster") ??
    own
      .split(",")
      .map((url) => `${name}=${url.trim()}`)
      .join(",");
  checkOwn(cluster, name, own);
  const setupToken = secret(input, "setup-token-file", PEER_TOKEN_LENGTH_MIN);
  const advertised = input.text("advertise-client-urls") ?? (isAny(clients) ? "" : urlOf(clients, clients.port));
  const hosts = isLocal ? "" : `<addresses>,${hostname()}`;
  const members = MEMBER_FLAG_NAMES.flatMap((flag) => {
    const value = input.text(flag);
    return value === undefined ? [] : [[variableOf(flag), value] as const];
  });
  return {
    ...Object.fromEntries(members),
    MEMBER_NAME: name,
    INITIAL_CLUSTER: cluster,
    INITIAL_CLUSTER_STATE: state,
    INITIAL_CLUSTER_TOKEN: input.text("initial-cluster-token") ?? "quorate-cluster",
    ADVERTISE_CLIENT_URLS: advertised,
    OPEN: String(input.flag("open") || (isLocal && setupToken === undefined)),
    ALLOWED_ORIGINS: input.text("cors") ?? (isLocal ? "http://localhost:*,http://127.0.0.1:*,http://[::1]:*" : ""),
    HOST_WHITELIST: [hosts, input.text("host-whitelist") ?? ""].filter((part) => part !== "").join(","),
    ...(setupToken === undefined ? {} : { SETUP_TOKEN: setupToken }),
  };
}

/** etcd refuses the same mistake: the member would not find itself in its own cluster. */
function checkOwn(cluster: string, name: string, own: string): void {
  const listed = cluster
    .split(",")
    .flatMap((part) =>
      part.trim().startsWith(`${name}=`)
        ? [
            part
              .trim()
              .slice(name.length + 1)
              .replace(/\/$/, ""),
          ]
        : [],
    )
    .toSorted();
  if (listed.length === 0) throw new UsageError(`--initial-cluster has no member named "${name}" (--name)`);
  const advertised = own
    .split(",")
    .map((url) => url.trim().replace(/\/$/, ""))
    .toSorted();
  if (listed.join() !== advertised.join()) {
    throw new UsageError(
      `--initial-cluster has ${name}=${listed.join()}, and --initial-advertise-peer-urls is ${advertised.join()}`,
    );
  }
}

function secret(input: Input, option: string, lengthMin: number): string | undefined {
  const file = input.text(option);
  if (file === undefined) return undefined;
  const text = textOf(file, option).trim();
  if (text.length < lengthMin) throw new UsageError(`--${option} ${file} holds at least ${lengthMin} characters`);
  return text;
}

function pemOf(file: string, option: string): string {
  const pem = textOf(file, option);
  if (!pem.includes("-----BEGIN ")) throw new UsageError(`--${option} ${file} is not in PEM`);
  return pem;
}

function textOf(file: string, option: string): string {
  if (!existsSync(file)) throw new UsageError(`--${option}: there is no file ${file}`);
  return readFileSync(file, "utf8");
}

function isLoopback({ host }: Listener): boolean {
  return host === "[::1]" || host.startsWith("127.");
}

function isAny({ host }: Listener): boolean {
  return host === "0.0.0.0" || host === "[::]";
}

function urlOf({ host, certificate }: Listener, port: number): string {
  return `${certificate === undefined ? "http" : "https"}://${host}:${port}`;
}
