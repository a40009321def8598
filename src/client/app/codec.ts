/** Encodes the values of a namespace as bytes, and decodes them. */
import type { Bytes } from "../common/types.ts";
import { toText } from "../common/convert.ts";

/** Defines how values of a namespace are stored as bytes. `text`, `bytes` and `json()` are there; others may be written. */
export interface Codec<Value> {
  encode(value: Value): Bytes;
  /** Throws if the bytes do not encode such a value. */
  decode(bytes: Uint8Array): Value;
}

/** Text as UTF-8. Invalid UTF-8 is decoded as U+FFFD. */
export const text: Codec<string> = { encode: (value) => value, decode: toText };

/** Bytes, unchanged. */
export const bytes: Codec<Uint8Array> = { encode: (value) => value, decode: (value) => value };

/** Returns a codec for JSON. It checks no type: `Value` is the caller's promise. A schema checks it. */
export function json<Value>(): Codec<Value> {
  return {
    encode(value) {
      const encoded = JSON.stringify(value) as string | undefined;
      if (encoded === undefined) throw new TypeError("the value has no form in JSON");
      return encoded;
    },
    decode: (value) => JSON.parse(toText(value)) as Value,
  };
}
