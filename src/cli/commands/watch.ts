/** `quorate watch` */
import type { WatchEvent, WatchOptions, WatchResponse } from "../../client/common/types.ts";
import { IdleError } from "../../client/http/http-errors.ts";
import type { Command, Input } from "../common/command.ts";
import { UsageError } from "../common/command.ts";
import { connect } from "../common/connect.ts";
import { BytesPrinter, encodingOf, KEY_OPTIONS, keyOf, OUTPUT_ENCODING_OPTIONS } from "../common/encoding.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { eventJson, headerJson, jsonLine } from "../output/json-output.ts";
import type { Terminal } from "../output/terminal.ts";

/** Attempts for a watch that never began: a mistyped endpoint must be reported. */
const FIRST_ATTEMPTS = 4;

export const watchCommand: Command = {
  name: "watch",
  usage: "KEY [RANGE_END] [options]",
  summary: "Prints each change as it happens, until SIGINT or SIGTERM, which end it with exit code 0.",
  details: `
Each event is a line PUT or DELETE, then the key and the value (an empty line for a delete), a line each; with
--prev-kv the former key and value stand before them. With --json, one line a response: header and events.
A lost connection is taken up again where it broke off: no event is lost or printed twice.`,
  options: {
    prefix: { type: "boolean", help: 'all keys that start with KEY; "" for all keys' },
    "from-key": { type: "boolean", help: "KEY and all keys after it" },
    rev: { type: "string", value: "REV", help: "begin with this revision, so in the past; default: from now on" },
    "prev-kv": { type: "boolean", help: "also print what was there before" },
    filter: { type: "string", value: "TYPE", help: "leave out put, or delete" },
    progress: { type: "boolean", help: "also print PROGRESS and a revision when the server reports its progress" },
    events: { type: "string", value: "N", help: "end with exit code 0 after N events" },
    ...OUTPUT_ENCODING_OPTIONS,
    ...KEY_OPTIONS,
    json: { type: "boolean", help: "print responses as JSON" },
  },
  examples: [
    "quorate watch colour",
    "quorate watch page/ --prefix --rev 1",
    'quorate watch "" --prefix --json | jq .header.revision',
    "quorate watch ready --events 1",
  ],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [key, rangeEnd, ...more] = input.positionals;
  if (key === undefined) throw new UsageError('watch needs a KEY; for all keys: watch "" --prefix');
  if (more.length > 0) throw new UsageError("watch takes one KEY, or a KEY and a RANGE_END");
  const options = optionsOf(input, rangeEnd);
  const limit = input.wholeNumber("events", 1) ?? Number.POSITIVE_INFINITY;
  const stop = new AbortController();
  const restoreSignals = terminal.onInterrupt(() => stop.abort());
  const connection = watchConnection(terminal, stop);
  try {
    const watcher = connect(input, terminal).watch(keyOf(input, key), {
      ...options,
      signal: stop.signal,
      onDisconnect: connection.onDisconnect,
    });
    void watcher.created.then(connection.onCreated, () => {});
    await printAll(input, terminal, watcher, limit);
  } finally {
    restoreSignals();
  }
  const error = connection.error();
  if (error !== undefined) throw error;
  return ExitCode.ok;
}

async function printAll(
  input: Input,
  terminal: Terminal,
  responses: AsyncIterable<WatchResponse>,
  limit: number,
): Promise<void> {
  const encoding = encodingOf(input);
  let left = limit;
  for await (const response of responses) {
    if (response.progress && !input.flag("progress")) continue;
    const events = response.events.slice(0, left);
    await terminal.write(
      input.flag("json") ? jsonOf(response, events) : textOf(response, events, new BytesPrinter(encoding)),
    );
    left -= events.length;
    if (left <= 0) return;
  }
}

/** Reports on stderr what happens to the connection, and gives up one that never existed. */
function watchConnection(
  terminal: Terminal,
  stop: AbortController,
): {
  readonly onCreated: () => void;
  readonly onDisconnect: (error: Error) => void;
  readonly error: () => Error | undefined;
} {
  let isCreated = false;
  let attempts = 0;
  let fatal: Error | undefined;
  return {
    onCreated: () => {
      isCreated = true;
    },
    onDisconnect: (error) => {
      if (error instanceof IdleError) return;
      attempts++;
      if (isCreated) return terminal.writeError(`quorate: ${error.message}; trying again\n`);
      if (attempts < FIRST_ATTEMPTS) return;
      fatal = error;
      stop.abort();
    },
    error: () => fatal,
  };
}

function optionsOf(input: Input, rangeEnd: string | undefined): WatchOptions {
  const selected = input.oneOf("prefix", "from-key");
  if (selected !== undefined && rangeEnd !== undefined) throw new UsageError(`--${selected} takes no RANGE_END`);
  const filter = input.text("filter");
  if (filter !== undefined && filter !== "put" && filter !== "delete") {
    throw new UsageError(`--filter takes put or delete, not "${filter}"`);
  }
  return {
    prefix: selected === "prefix",
    fromKey: selected === "from-key",
    rangeEnd: rangeEnd === undefined ? undefined : keyOf(input, rangeEnd),
    startRevision: input.wholeNumber("rev", 1),
    prevKv: input.flag("prev-kv"),
    progressNotify: input.flag("progress"),
    filters: filter === undefined ? [] : [filter === "put" ? "NOPUT" : "NODELETE"],
    fragment: true,
  };
}

function jsonOf(response: WatchResponse, events: readonly WatchEvent[]): string {
  return jsonLine({
    header: headerJson(response.header),
    events: events.length === 0 ? undefined : events.map(eventJson),
  });
}

function textOf(response: WatchResponse, events: readonly WatchEvent[], printer: BytesPrinter): string {
  if (response.progress) return `PROGRESS\n${response.header.revision}\n`;
  return events.map((event) => eventText(event, printer)).join("");
}

function eventText({ type, kv, prevKv }: WatchEvent, printer: BytesPrinter): string {
  const before = prevKv === undefined ? [] : [printer.print(prevKv.key), printer.print(prevKv.value)];
  return `${[type, ...before, printer.print(kv.key), printer.print(kv.value)].join("\n")}\n`;
}
