/** `quorate put` */
import type { Client } from "../../client/client.ts";
import { compare, op } from "../../client/facade/txn.ts";
import type { PutOptions, PutResult } from "../../client/common/types.ts";
import type { Command, Input } from "../common/command.ts";
import { UsageError } from "../common/command.ts";
import { connect } from "../common/connect.ts";
import { BytesPrinter, encodingOf, KEY_OPTIONS, keyOf, parseBytes } from "../common/encoding.ts";
import { ExitCode } from "../common/exit-codes.ts";
import { headerJson, jsonLine, keyValueJson } from "../output/json-output.ts";
import type { Terminal } from "../output/terminal.ts";

/** More than any server accepts. It only keeps an endless stdin from filling the memory. */
const MAX_INPUT_BYTES = 64 * 1024 * 1024;

export const putCommand: Command = {
  name: "put",
  usage: "KEY [VALUE] [options]",
  summary: "Puts a value under a key. The value comes from stdin, byte for byte, when VALUE is absent or -.",
  options: {
    hex: { type: "boolean", help: "VALUE is hexadecimal" },
    base64: { type: "boolean", help: "VALUE is base64" },
    binary: { type: "boolean", help: "the value is raw bytes from stdin" },
    ...KEY_OPTIONS,
    "prev-kv": { type: "boolean", help: "print the key and value that were there before" },
    lease: { type: "string", value: "ID", help: "attach the key to this lease (decimal, or 0x…)" },
    "ignore-value": { type: "boolean", help: "keep the value, change the lease alone; takes no VALUE" },
    "ignore-lease": { type: "boolean", help: "keep the lease that the key has" },
    "if-absent": { type: "boolean", help: "only if there is no such key; else exit code 1" },
    "if-rev": { type: "string", value: "REV", help: "only if the key's mod revision is REV; else exit code 1" },
    json: { type: "boolean", help: "print the response as JSON" },
  },
  examples: [
    'quorate put colour "ultramarine blue"',
    "quorate put page/logo < logo.png",
    "echo -n 3 | quorate put replicas -",
    "quorate put lock/main me --if-absent || echo taken",
    "quorate put magic cafe00ff --hex",
  ],
  run,
};

async function run(input: Input, terminal: Terminal): Promise<ExitCode> {
  const [key, value, ...more] = input.positionals;
  if (key === undefined) throw new UsageError("put needs a KEY");
  if (more.length > 0) throw new UsageError("put takes one KEY and one VALUE; quote a value with spaces");
  const bytes = await valueOf(input, terminal, value);
  const options: PutOptions = {
    lease: leaseOf(input),
    prevKv: input.flag("prev-kv"),
    ignoreValue: input.flag("ignore-value"),
    ignoreLease: input.flag("ignore-lease"),
  };
  const result = await put(connect(input, terminal), input, keyOf(input, key), bytes, options);
  if (result === undefined) {
    terminal.writeError(`quorate: not put: the condition does not hold for ${key}\n`);
    return ExitCode.negative;
  }
  await print(input, terminal, result);
  return ExitCode.ok;
}

/** Returns undefined if the condition did not hold. */
async function put(
  client: Client,
  input: Input,
  key: Uint8Array,
  value: Uint8Array,
  options: PutOptions,
): Promise<PutResult | undefined> {
  const condition = input.oneOf("if-absent", "if-rev");
  if (condition === undefined) return client.kv.put(key, value, options);
  const revision = condition === "if-absent" ? 0 : (input.wholeNumber("if-rev", 0) ?? 0);
  const { succeeded, responses } = await client.kv
    .txn()
    .if(compare.modRevision(key).equals(revision))
    .then(op.put(key, value, options))
    .commit();
  const [response] = responses;
  return succeeded && response?.type === "put" ? response.put : undefined;
}

async function valueOf(input: Input, terminal: Terminal, value: string | undefined): Promise<Uint8Array> {
  if (input.flag("ignore-value")) {
    if (value !== undefined) throw new UsageError("--ignore-value takes no VALUE");
    return new Uint8Array(0);
  }
  const encoding = encodingOf(input);
  if (value !== undefined && value !== "-") {
    if (encoding === "binary") throw new UsageError("--binary reads the value from stdin; leave VALUE out");
    return parseBytes(value, encoding, "VALUE");
  }
  if (value === undefined && terminal.inputIsTty) {
    throw new UsageError("put needs a VALUE, or one on stdin (to type it, give - as VALUE)");
  }
  const bytes = await terminal.readInput(MAX_INPUT_BYTES);
  if (bytes === undefined) throw new UsageError(`stdin holds more than ${MAX_INPUT_BYTES} bytes`);
  if (encoding === "utf8" || encoding === "binary") return bytes;
  return parseBytes(new TextDecoder().decode(bytes), encoding, "stdin");
}

function leaseOf(input: Input): bigint | undefined {
  const text = input.text("lease");
  if (text === undefined) return undefined;
  if (!/^(0x[0-9a-fA-F]{1,16}|\d{1,19})$/.test(text)) throw new UsageError(`--lease takes a lease id, not "${text}"`);
  return BigInt(text);
}

async function print(input: Input, terminal: Terminal, { header, prevKv }: PutResult): Promise<void> {
  if (input.flag("json")) {
    await terminal.write(jsonLine({ header: headerJson(header), prev_kv: prevKv && keyValueJson(prevKv) }));
    return;
  }
  const encoding = encodingOf(input);
  const printer = new BytesPrinter(encoding === "binary" ? "utf8" : encoding);
  const before = prevKv === undefined ? "" : `${printer.print(prevKv.key)}\n${printer.print(prevKv.value)}\n`;
  await terminal.write(`OK\n${before}`);
  if (printer.warning !== undefined) terminal.writeError(`quorate: ${printer.warning}\n`);
}
