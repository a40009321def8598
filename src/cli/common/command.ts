/**
 * The shape of a command, its options and its help. A command file describes its options once; parsing, `--help` and
 * the hints for typing errors come from that description.
 *
 * Node's parseArgs parses. A library such as commander would replace the forty lines of help, and change its text and the
 * hints, which tests and users know.
 */
import { parseArgs } from "node:util";
import type { ParseArgsOptionsConfig } from "node:util";
import { nearest } from "./did-you-mean.ts";
import type { ExitCode } from "./exit-codes.ts";
import type { Terminal } from "../output/terminal.ts";

export interface OptionSpec {
  readonly type: "boolean" | "string";
  readonly short?: string;
  /** Name of the value in the help. */
  readonly value?: string;
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export interface Command {
  readonly name: string;
  /** What follows `quorate NAME`. */
  readonly usage: string;
  readonly summary: string;
  readonly details?: string;
  readonly examples: readonly string[];
  readonly options: OptionSpecs;
  readonly run: (input: Input, terminal: Terminal) => Promise<ExitCode>;
}

/** A mistake in the command line: exit code 2 and one line. */
export class UsageError extends Error {}

export const COMMON_OPTIONS: OptionSpecs = {
  endpoint: {
    type: "string",
    value: "URL",
    help: "the server; default $QUORATE_ENDPOINT, else http://localhost:8787",
  },
  cluster: {
    type: "string",
    value: "NAME",
    help: "a cluster of the endpoint, beside its first one; default $QUORATE_CLUSTER",
  },
  room: {
    type: "string",
    value: "LINK",
    help: "a room at the edge, by its link: endpoint, cluster and token\nfollow from it; default $QUORATE_ROOM",
  },
  token: { type: "string", value: "TOKEN", help: "sent as Authorization; default $QUORATE_TOKEN" },
  user: { type: "string", value: "NAME:PASSWORD", help: "whose token to fetch and send; default $QUORATE_USER" },
  timeout: { type: "string", value: "SECONDS", help: "for each request; default 10" },
  help: { type: "boolean", short: "h", help: "this text" },
};

const DEFAULT_ENDPOINT = "http://localhost:8787";
const CLUSTER_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** The given options and arguments, read by type. */
export class Input {
  readonly positionals: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>, positionals: readonly string[]) {
    this.#values = values;
    this.positionals = positionals;
  }

  /** Returns the same input with one more option. */
  with(name: string, value: string): Input {
    return new Input({ ...this.#values, [name]: value }, this.positionals);
  }

  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  wholeNumber(name: string, least: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new UsageError(`--${name} takes a whole number from ${least} on, not "${text}"`);
    }
    return value;
  }

  /** Returns an option in seconds as milliseconds. */
  milliseconds(name: string, defaultMs: number): number {
    const text = this.text(name);
    if (text === undefined) return defaultMs;
    const seconds = Number(text);
    if (text.trim() === "" || !(seconds > 0) || seconds > 86_400) {
      throw new UsageError(`--${name} takes a number of seconds, not "${text}"`);
    }
    return seconds * 1000;
  }

  /** Returns the given one of mutually exclusive flags. */
  oneOf(...names: readonly string[]): string | undefined {
    const given = names.filter((name) => this.#values[name] !== undefined && this.#values[name] !== false);
    if (given.length > 1) throw new UsageError(`--${given[0]} and --${given[1]} exclude each other`);
    return given[0];
  }
}

export function parseInput(command: Command, args: readonly string[]): Input {
  const specs = { ...COMMON_OPTIONS, ...command.options };
  const options: ParseArgsOptionsConfig = {};
  for (const [name, { type, short }] of Object.entries(specs)) {
    options[name] = short === undefined ? { type } : { type, short };
  }
  try {
    const { values, positionals } = parseArgs({ args: withMembers(command, args), options, allowPositionals: true });
    return new Input(values, positionals);
  } catch (error) {
    throw new UsageError(parseErrorText(error as Error & { readonly code?: string }, Object.keys(specs)));
  }
}

/** etcdctl's `--cluster` has no value and means all members. Commands that have `--members` take it, too. */
function withMembers({ options }: Command, args: readonly string[]): string[] {
  if (options["members"] === undefined) return [...args];
  return args.map((word, at) => {
    const next = args[at + 1];
    return word === "--cluster" && (next === undefined || next.startsWith("-")) ? "--members" : word;
  });
}

/** Returns the URL below which the chosen cluster is served, or the one of its members that the endpoint names. */
export function endpointOf(input: Input, env: Terminal["env"]): string {
  const endpoint = deploymentOf(input, env);
  const cluster = input.text("cluster") ?? (env["QUORATE_CLUSTER"] || undefined);
  if (cluster === undefined) return endpoint;
  if (!CLUSTER_NAME.test(cluster)) {
    throw new UsageError(`--cluster takes a name of letters, digits, ".", "_" and "-", not "${cluster}"`);
  }
  const [, base = endpoint, member = ""] = /^(.*?)(\/m\/\d+)?\/*$/.exec(endpoint) ?? [];
  return `${base}/c/${cluster}${member}`;
}

/** Returns the URL of the deployment, whatever cluster is chosen. */
export function deploymentOf(input: Input, env: Terminal["env"]): string {
  const endpoint = input.text("endpoint") ?? (env["QUORATE_ENDPOINT"] || DEFAULT_ENDPOINT);
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return endpoint;
  const hint = URL.canParse(`http://${endpoint}`) ? `; did you mean http://${endpoint} ?` : "";
  throw new UsageError(`an endpoint is a URL such as ${DEFAULT_ENDPOINT}, not "${endpoint}"${hint}`);
}

export function commandHelp(command: Command): string {
  const examples = command.examples.map((example) => `  ${example}`).join("\n");
  const details = command.details === undefined ? "" : `\n${command.details.trim()}\n`;
  const own = Object.keys(command.options).length === 0 ? "" : `\nOptions:\n${optionsHelp(command.options)}\n`;
  return `quorate ${command.name} ${command.usage}

${command.summary}
${details}${own}
Common options:
${optionsHelp(COMMON_OPTIONS)}

Examples:
${examples}
`;
}

export function optionsHelp(specs: OptionSpecs): string {
  const rows = Object.entries(specs).map(([name, { short, value, help }]) => {
    const shortForm = short === undefined ? "    " : `-${short}, `;
    return { left: `  ${shortForm}--${name}${value === undefined ? "" : ` ${value}`}`, help };
  });
  const width = Math.max(...rows.map(({ left }) => left.length)) + 2;
  const nextLine = `\n${" ".repeat(width)}`;
  return rows.map(({ left, help }) => left.padEnd(width) + help.replaceAll("\n", nextLine)).join("\n");
}

function parseErrorText(error: Error & { readonly code?: string }, known: readonly string[]): string {
  const [, dashes, unknown] = /^Unknown option '(-{1,2})([^']*)'/.exec(error.message) ?? [];
  if (dashes === undefined || unknown === undefined) return firstSentence(error.message);
  const near = dashes === "--" ? nearest(unknown, known) : undefined;
  const hint =
    near === undefined ? "what begins with a dash and is no option comes after --" : `did you mean --${near}?`;
  return `unknown option ${dashes}${unknown}; ${hint}`;
}

function firstSentence(message: string): string {
  const [first = message] = message.split("\n");
  return first.charAt(0).toLowerCase() + first.slice(1);
}
