/**
 * Input and output of bytes on the command line. The default is text. Bytes that are not text are printed with U+FFFD
 * and a hint on stderr, so that they are not mistaken for the actual value.
 */
import { unreachable } from "../../base/assert.ts";
import { fromBase64, fromHex, toBase64, toHex } from "../../base/text-codes.ts";
import { isUtf8, utf8Decode, utf8Encode } from "../../base/utf8.ts";
import type { Input, OptionSpecs } from "./command.ts";
import { UsageError } from "./command.ts";

export type Encoding = "utf8" | "hex" | "base64" | "binary";

export const OUTPUT_ENCODING_OPTIONS: OptionSpecs = {
  hex: { type: "boolean", help: "print keys and values in hexadecimal" },
  base64: { type: "boolean", help: "print keys and values in base64" },
};

export const KEY_OPTIONS: OptionSpecs = {
  "hex-key": { type: "boolean", help: "KEY is given in hexadecimal" },
};

export function encodingOf(input: Input): Encoding {
  const name = input.oneOf("hex", "base64", "binary");
  return name === "hex" || name === "base64" || name === "binary" ? name : "utf8";
}

export function keyOf(input: Input, key: string): Uint8Array {
  return input.flag("hex-key") ? parseBytes(key, "hex", "KEY") : utf8Encode(key);
}

export function parseBytes(text: string, encoding: Encoding, what: string): Uint8Array {
  if (encoding === "utf8" || encoding === "binary") return utf8Encode(text);
  const bytes = encoding === "hex" ? fromHex(text.trim()) : fromBase64(text.trim());
  if (bytes === undefined) throw new UsageError(`${what} is not ${encoding === "hex" ? "hexadecimal" : "base64"}`);
  return bytes;
}

/** Prints bytes and remembers whether some of them were not printed exactly. */
export class BytesPrinter {
  readonly #encoding: Encoding;
  #garbled = 0;

  constructor(encoding: Encoding) {
    this.#encoding = encoding;
  }

  print(bytes: Uint8Array): string {
    switch (this.#encoding) {
      case "hex":
        return toHex(bytes);
      case "base64":
        return toBase64(bytes);
      case "utf8":
      case "binary":
        if (!isUtf8(bytes)) this.#garbled++;
        return utf8Decode(bytes);
      default:
        return unreachable(this.#encoding);
    }
  }

  get warning(): string | undefined {
    if (this.#garbled === 0) return undefined;
    const what = this.#garbled === 1 ? "one key or value is" : `${this.#garbled} keys or values are`;
    return `${what} not UTF-8 and not printed exactly; see --hex, --base64, --binary`;
  }
}
