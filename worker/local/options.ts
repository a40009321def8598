/** The command line of `npm start`. */
import { isIP } from "node:net";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { ANY_ADDRESS, hostOf, hostsOf, LOOPBACK } from "../../src/gateway/http/hosts.ts";
import { LOOPBACK_ORIGINS, originsOf } from "../../src/gateway/http/origins.ts";
import { frameAncestorsOf } from "../../src/gateway/http/security-headers.ts";
import { MEMBER_FLAG_NAMES, MEMBER_FLAGS, type MemberFlagName, variableOf } from "../../src/member/flags.ts";
import { SETUP_TOKEN_LENGTH_MIN } from "../common/entrance.ts";
import { edgeOptionsOf } from "../member/member-flags.ts";

export const HELP: string = `Serves the edge cluster on this machine: three members, each a Durable Object with SQLite storage.

  npm start                      on http://localhost:8787, data in .quorate
  PORT=9000 npm start            on another port
  HOST=0.0.0.0 npm start         reachable from other machines and closed (see --closed)
  npm start -- --fresh           delete the data first
  npm start -- --data DIR        keep the data in DIR
  npm start -- --allow-origin URL  which pages may call, beside the endpoint's own: those of this origin (more than once,
                                 or with commas; http://localhost:* is any port), "*" for all, as etcd's --cors, "" for
                                 none. Default: the pages of this machine (localhost, 127.0.0.1, [::1]); with another
                                 HOST, none
  npm start -- --host-whitelist LIST  answer to these host names, too; to others never, against DNS rebinding. "*" for all,
                                 as etcd. Default: localhost, 127.0.0.1 and [::1]; with another HOST, also this machine's
                                 name and any address
  npm start -- --frame-ancestors LIST  who may show the page in a frame: origins, "self", "*" (default: nobody)
  npm start -- --closed          serve as deployed: until auth is enabled, only who shows the setup token is let in
  npm start -- --setup-token T   the setup token (or SETUP_TOKEN in the environment; default: a new one at each start)
  npm start -- --open            let everybody in; default on this machine, not so where others can reach it (HOST)
  npm start -- --processes N     each member in a process of its own: N is 1, 3 or 5 (data in DIR/processes)
  npm start -- --no-build        serve what was built last, whatever has changed since
  npm start -- --help            this text

Of the members, as etcd's flags (and in the environment or in wrangler.toml: MAX_TXN_OPS=…):

${MEMBER_FLAG_NAMES.map((name) => flagHelp(name)).join("\n")}

What else there is stands in wrangler.toml; CLUSTER_SIZE=1 (3, 5), ALLOWED_ORIGINS=…, HOST_WHITELIST=…,
FRAME_ANCESTORS=… and ENDPOINT_URL=… (where clients reach it: the members' client URLs; default: the address on which it
listens, if that is one) in the environment win.
`;

/** An error for the user, printed without a stack. */
export class StartError extends Error {}

export interface StartOptions {
  readonly help: boolean;
  readonly fresh: boolean;
  readonly build: boolean;
  /** Members in processes of their own; 0: all in one. */
  readonly processes: number;
  readonly data: string;
  readonly host: string;
  readonly port: number;
  /** Admits all callers while auth is disabled. */
  readonly isOpen: boolean;
  /** Undefined if not given. */
  readonly setupToken: string | undefined;
  /** Values of ALLOWED_ORIGINS and HOST_WHITELIST. */
  readonly allowedOrigins: string;
  readonly hostWhitelist: string;
  /** Value of FRAME_ANCESTORS; undefined if not given. */
  readonly frameAncestors: string | undefined;
  /** The given flags of members, by the names of the worker's variables. */
  readonly memberVars: Readonly<Record<string, string>>;
}

/** Throws a StartError, or an error of parseArgs, both for the user. */
export function startOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): StartOptions {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      help: { type: "boolean", short: "h", default: false },
      fresh: { type: "boolean", default: false },
      data: { type: "string", default: ".quorate" },
      "no-build": { type: "boolean", default: false },
      processes: { type: "string" },
      open: { type: "boolean", default: false },
      closed: { type: "boolean", default: false },
      "setup-token": { type: "string" },
      "allow-origin": { type: "string", multiple: true },
      "host-whitelist": { type: "string", multiple: true },
      "frame-ancestors": { type: "string", multiple: true },
      ...Object.fromEntries(MEMBER_FLAG_NAMES.map((name) => [name, { type: "string" } as const])),
    },
  });
  const text = env["PORT"] ?? "";
  const port = text === "" ? 8787 : Number(text);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new StartError(`PORT is a number up to 65535, not "${text}".`);
  // Not "localhost", which may resolve to two addresses, but is printed as one.
  const { HOST = "" } = env;
  const host = HOST === "" ? "127.0.0.1" : HOST;
  const isLocal = isLoopback(host);
  return {
    help: values.help,
    fresh: values.fresh,
    build: !values["no-build"],
    processes: processesOf(values.processes),
    data: values.data,
    host,
    port,
    isOpen: isOpen(values, isLocal),
    setupToken: setupTokenOf(values["setup-token"] ?? env["SETUP_TOKEN"]),
    allowedOrigins: originsChecked(
      values["allow-origin"]?.join(",") ?? env["ALLOWED_ORIGINS"] ?? (isLocal ? LOOPBACK_ORIGINS : ""),
    ),
    hostWhitelist: hostsChecked([
      ...(isLocal ? [bracketed(host)] : [ANY_ADDRESS, ...[hostname(), host].filter(isName)]),
      ...(values["host-whitelist"] ?? [env["HOST_WHITELIST"] ?? ""]),
    ]),
    frameAncestors: framesChecked(values["frame-ancestors"]?.join(",") ?? env["FRAME_ANCESTORS"]),
    memberVars: memberVars(values, env),
  };
}

function isOpen({ open, closed }: { readonly open: boolean; readonly closed: boolean }, isLocal: boolean): boolean {
  if (open && closed) throw new StartError("--open and --closed exclude each other.");
  return open || (isLocal && !closed);
}

function processesOf(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!["1", "3", "5"].includes(text)) throw new StartError(`--processes is 1, 3 or 5, not "${text}".`);
  return Number(text);
}

function setupTokenOf(text: string | undefined): string | undefined {
  if (text === undefined || text === "") return undefined;
  if (text.length < SETUP_TOKEN_LENGTH_MIN) {
    throw new StartError(`The setup token has at least ${SETUP_TOKEN_LENGTH_MIN} characters.`);
  }
  return text;
}

function flagHelp(name: MemberFlagName): string {
  return `  --${`${name} ${MEMBER_FLAGS[name].value}`.padEnd(40)}${MEMBER_FLAGS[name].help}`;
}

/** Returns the host in the form of a URL. */
export function bracketed(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

function isLoopback(host: string): boolean {
  return LOOPBACK.includes(bracketed(host)) || (isIP(host) === 4 && host.startsWith("127."));
}

/** A machine may have any name; only a valid host name counts. */
function isName(host: string): boolean {
  return hostOf(host) !== undefined;
}

function originsChecked(text: string): string {
  checked(() => originsOf(text));
  return text;
}

function hostsChecked(hosts: readonly string[]): string {
  const text = hosts.join(",");
  checked(() => hostsOf(text));
  return text;
}

function framesChecked(text: string | undefined): string | undefined {
  checked(() => frameAncestorsOf(text ?? ""));
  return text;
}

function memberVars(
  values: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const vars: Record<string, string> = {};
  for (const name of MEMBER_FLAG_NAMES) {
    const value = values[name] ?? env[variableOf(name)];
    if (typeof value === "string") vars[variableOf(name)] = value;
  }
  checked(() => edgeOptionsOf((name) => vars[variableOf(name)]));
  return vars;
}

/** Checked here, because otherwise the error is only in the log of a worker that does not start. */
function checked(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    throw new StartError((error as Error).message);
  }
}
