/** `quorate del` */
import type { DeleteRangeResult } from "../../client/common/types.ts";
import type { Command, Input } from "../common/command.ts";
import { UsageError } from "../common/command.ts";
import { connect } from "../common/connect.ts";
import { BytesPrinter, encodingOf, KEY_OPTIONS, keyOf, OUTPUT_ENCODING_OPTIONS } from "../common/encoding.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { headerJson, jsonLine, keyValueJson } from "../output/json-output.ts";
import type { Terminal } from "../output/terminal.ts";

export const delCommand: Command = {
  name: "del",
  usage: "KEY [RANGE_END] [options]",
  summary: "Deletes keys and prints how many. Exit code 1 when there were none.",
  details: "With RANGE_END, all keys from KEY up to it (which is left out).",
  options: {
    prefix: { type: "boolean", help: 'all keys that start with KEY; "" for all keys' },
    "from-key": { type: "boolean", help: "KEY and all keys after it" },
    "prev-kv": { type: "boolean", help: "print the keys and values that were deleted" },
    ...OUTPUT_ENCODING_OPTIONS,
    ...KEY_OPTIONS,
    json: { type: "boolean", help: "print the response as JSON" },
  },
  examples: ["quorate del colour", "quorate del page/ --prefix", "quorate del colour --prev-kv"],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [key, rangeEnd, ...more] = input.positionals;
  if (key === undefined) throw new UsageError("del needs a KEY");
  if (more.length > 0) throw new UsageError("del takes one KEY, or a KEY and a RANGE_END");
  const selected = input.oneOf("prefix", "from-key");
  if (selected !== undefined && rangeEnd !== undefined) throw new UsageError(`--${selected} takes no RANGE_END`);
  const result = await connect(input, terminal).kv.deleteRange(keyOf(input, key), {
    prefix: selected === "prefix",
    fromKey: selected === "from-key",
    rangeEnd: rangeEnd === undefined ? undefined : keyOf(input, rangeEnd),
    prevKv: input.flag("prev-kv"),
  });
  await print(input, terminal, result);
  return result.deleted > 0 ? ExitCode.ok : ExitCode.negative;
}

async function print(input: Input, terminal: Terminal, result: DeleteRangeResult): Promise<void> {
  const { header, deleted, prevKvs } = result;
  if (input.flag("json")) {
    const before = prevKvs.length === 0 ? undefined : prevKvs.map(keyValueJson);
    return terminal.write(jsonLine({ header: headerJson(header), deleted: deleted || undefined, prev_kvs: before }));
  }
  const printer = new BytesPrinter(encodingOf(input));
  await terminal.write(`${deleted}\n`);
  for (const { key, value } of prevKvs) await terminal.write(`${printer.print(key)}\n${printer.print(value)}\n`);
  if (printer.warning !== undefined) terminal.writeError(`quorate: ${printer.warning}\n`);
}
