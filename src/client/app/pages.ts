/** Reads all keys with a prefix in pages of one revision. */
import type { CallOptions } from "../common/call.ts";
import type { KeyValue, RangeOptions, RangeResult } from "../common/types.ts";
import { heeded } from "./heeded.ts";

export interface Page {
  readonly kvs: readonly KeyValue[];
  readonly revision: number;
}

export interface PagesOptions {
  readonly limit: number;
  readonly serializable?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export async function* pagesOf(
  range: (key: string | Uint8Array, options: RangeOptions & CallOptions) => Promise<RangeResult>,
  prefix: string,
  { limit, serializable, signal }: PagesOptions,
): AsyncGenerator<Page, undefined> {
  const rangeEnd = endOf(prefix);
  let from: string | Uint8Array = prefix === "" ? new Uint8Array(1) : prefix;
  let revision = 0;
  for (;;) {
    const asked = { rangeEnd, limit, revision, serializable, signal };
    const start = from;
    const { header, kvs, more } = await heeded(signal, () => range(start, asked));
    if (revision === 0) ({ revision } = header);
    yield { kvs, revision };
    const last = kvs.at(-1);
    if (!more || last === undefined) return undefined;
    from = nextKey(last.key);
  }
}

/**
 * Returns the end of the range of keys with this prefix. UTF-8 has no byte 0xff, so the last byte can be incremented.
 */
function endOf(prefix: string): Uint8Array {
  const end = new TextEncoder().encode(prefix);
  const last = end.length - 1;
  if (last < 0) return new Uint8Array(1);
  end[last] = (end[last] ?? 0) + 1;
  return end;
}

/** Returns the smallest key after this one. */
function nextKey(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
