/** How values of a namespace become bytes and back. */
import type { Bytes } from "../common/types.ts";
import { toText } from "../common/convert.ts";

export interface Codec<Value> {
  encode(value: Value): Bytes;
  /** Throws when the bytes are no such value. */
  decode(bytes: Uint8Array): Value;
}

/** UTF-8. Bytes that are not UTF-8 read as U+FFFD. */
export const text: Codec<string> = { encode: (value) => value, decode: toText };

/** As they are. */
export const bytes: Codec<Uint8Array> = { encode: (value) => value, decode: (value) => value };

/** JSON. The type is the caller's promise; a schema checks it. */
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
