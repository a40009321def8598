/** One key of a namespace with its value. */
import type { KeyValue } from "../common/types.ts";
import { keyText, type ValueFormat } from "./schema.ts";

export interface Entry<Value> {
  /** Relative to the namespace. */
  readonly key: string;
  readonly value: Value;
  /** Names this version of the value; `put` and `delete` take it as `ifMatch`. */
  readonly etag: string;
  /** At which the value was put. */
  readonly revision: number;
  /** At which the key was created. */
  readonly createRevision: number;
  /** How often it was put since it was created. */
  readonly version: number;
  /** The lease that it is attached to; "0" for none. */
  readonly lease: string;
}

/** Rejects with InvalidValueError. */
export async function entryOf<Value>(kv: KeyValue, prefix: string, format: ValueFormat<Value>): Promise<Entry<Value>> {
  const key = keyText(kv.key, prefix);
  return entry(key, await format.decode(key, kv.value), kv);
}

export function entry<Value>(key: string, value: Value, kv: Omit<KeyValue, "key" | "value">): Entry<Value> {
  const { modRevision, createRevision, version, lease } = kv;
  return { key, value, etag: String(modRevision), revision: modRevision, createRevision, version, lease };
}
