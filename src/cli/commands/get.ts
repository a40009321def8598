/** `quorate get` */
import type { RangeOptions, RangeResult, SortBy } from "../../client/common/types.ts";
import type { Command, Input } from "../common/command.ts";
import { UsageError } from "../common/command.ts";
import { connect } from "../common/connect.ts";
import { BytesPrinter, encodingOf, KEY_OPTIONS, keyOf, OUTPUT_ENCODING_OPTIONS } from "../common/encoding.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { headerJson, jsonLine, keyValueJson } from "../output/json-output.ts";
import type { Terminal } from "../output/terminal.ts";

const SORT_FIELDS: readonly SortBy[] = ["key", "version", "createRevision", "modRevision", "value"];

export const getCommand: Command = {
  name: "get",
  usage: "KEY [RANGE_END] [options]",
  summary: "Prints keys and values, a line each. Exit code 1 when there is no such key.",
  details: `
With RANGE_END, all keys from KEY up to it (which is left out).
With --json, one line: header, kvs with base64 keys and values, count, more.`,
  options: {
    prefix: { type: "boolean", help: 'all keys that start with KEY; "" for all keys' },
    "from-key": { type: "boolean", help: "KEY and all keys after it" },
    rev: { type: "string", value: "REV", help: "as of this revision" },
    limit: { type: "string", value: "N", help: "at most N keys" },
    sort: { type: "string", value: "FIELD", help: `by ${SORT_FIELDS.join(", ")}` },
    descend: { type: "boolean", help: "the last first" },
    "keys-only": { type: "boolean", help: "print the keys alone" },
    "print-value-only": { type: "boolean", help: "print the values alone" },
    "count-only": { type: "boolean", help: "print how many keys there are" },
    serializable: { type: "boolean", help: "take the endpoint's member's own state, which may be behind" },
    ...OUTPUT_ENCODING_OPTIONS,
    binary: { type: "boolean", help: "write the raw bytes of the values and nothing else" },
    ...KEY_OPTIONS,
    json: { type: "boolean", help: "print the response as JSON" },
  },
  examples: [
    "quorate get colour",
    "quorate get page/ --prefix --keys-only",
    "quorate get page/logo --binary > logo.png",
    "quorate get colour --rev 17 --print-value-only",
    'quorate get "" --prefix --count-only',
  ],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [key, rangeEnd, ...more] = input.positionals;
  if (key === undefined) throw new UsageError('get needs a KEY; for all keys: get "" --prefix');
  if (more.length > 0) throw new UsageError("get takes one KEY, or a KEY and a RANGE_END");
  input.oneOf("keys-only", "print-value-only", "count-only", "binary");
  const result = await connect(input, terminal).kv.range(keyOf(input, key), optionsOf(input, rangeEnd));
  await print(input, terminal, result);
  if (result.count > 0) return ExitCode.ok;
  if (!input.flag("count-only")) terminal.writeError(`quorate: not found: ${key}\n`);
  return ExitCode.negative;
}

function optionsOf(input: Input, rangeEnd: string | undefined): RangeOptions {
  const selected = input.oneOf("prefix", "from-key");
  if (selected !== undefined && rangeEnd !== undefined) throw new UsageError(`--${selected} takes no RANGE_END`);
  const by = (input.text("sort") ?? "key") as SortBy;
  if (!SORT_FIELDS.includes(by)) throw new UsageError(`--sort takes one of ${SORT_FIELDS.join(", ")}, not "${by}"`);
  return {
    prefix: selected === "prefix",
    fromKey: selected === "from-key",
    rangeEnd: rangeEnd === undefined ? undefined : keyOf(input, rangeEnd),
    revision: input.wholeNumber("rev", 1),
    limit: input.wholeNumber("limit", 1),
    sort: { by, order: input.flag("descend") ? "descend" : "ascend" },
    keysOnly: input.flag("keys-only"),
    countOnly: input.flag("count-only"),
    serializable: input.flag("serializable"),
  };
}

async function print(input: Input, terminal: Terminal, result: RangeResult): Promise<void> {
  if (input.flag("json")) {
    const { header, kvs, count, more } = result;
    const answer = { kvs: kvs.length === 0 ? undefined : kvs.map(keyValueJson), more: more || undefined };
    return terminal.write(jsonLine({ header: headerJson(header), ...answer, count: count || undefined }));
  }
  if (input.flag("count-only")) return terminal.write(`${result.count}\n`);
  if (input.flag("binary")) {
    for (const { value } of result.kvs) await terminal.write(value);
    return;
  }
  const printer = new BytesPrinter(encodingOf(input));
  for (const { key, value } of result.kvs) {
    const lines = [];
    if (!input.flag("print-value-only")) lines.push(printer.print(key));
    if (!input.flag("keys-only")) lines.push(printer.print(value));
    await terminal.write(`${lines.join("\n")}\n`);
  }
  if (printer.warning !== undefined) terminal.writeError(`quorate: ${printer.warning}\n`);
}
