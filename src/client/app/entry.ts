/** One key of a namespace, with its value. */
import type { KeyValue } from "../common/types.ts";
import { keyText, type ValueFormat } from "./schema.ts";

/** A key of a namespace with its value at one revision. */
export interface Entry<Value> {
  /** The key without the namespace's prefix. */
  readonly key: string;
  readonly value: Value;
  /** Identifies this version of the value; `put` and `delete` accept it as `ifMatch`. */
  readonly etag: string;
  /** Revision at which the value was put. */
  readonly revision: number;
  /** Revision at which the key was created. */
  readonly createRevision: number;
  /** Number of puts since the key was created; 1 for a new key. */
  readonly version: number;
  /** Id of the attached lease (decimal); "0" for none. */
  readonly lease: string;
  /** The value is that of a queued write, which may yet be refused; all else is what is known of the key. */
  readonly isPending?: true;
}

/** Decodes a stored key. Rejects with InvalidValueError if its value is not valid. */
export async function entryOf<Value>(kv: KeyValue, prefix: string, format: ValueFormat<Value>): Promise<Entry<Value>> {
  const key = keyText(kv.key, prefix);
  return entry(key, await format.decode(key, kv.value), kv);
}

export function entry<Value>(key: string, value: Value, kv: Omit<KeyValue, "key" | "value">): Entry<Value> {
  const { modRevision, createRevision, version, lease } = kv;
  return { key, value, etag: String(modRevision), revision: modRevision, createRevision, version, lease };
}
