/** Settings of a member at the edge: the worker's variables, named after etcd's flags (`MAX_TXN_OPS`). */
import { type FlaggedOptions, type MemberFlagName, memberOptionsOf, variableOf } from "../../src/member/flags.ts";

/** Key of the record that auto-compaction saves in the object. */
const SAVED_KEY = "auto-compaction";

/** A request is a row of the log, and a row of SQLite is limited to 2 MB there. */
const REQUEST_BYTES_MAX = 1_900_000;
/** An object has 128 MB, which hold a response as rows, as base64 and as JSON. */
const RESPONSE_BYTES = 32 * 1024 * 1024;

/** The part of an object's storage that is used here. */
interface StorageLike {
  get(key: string): Promise<unknown>;
  put(key: string, value: Uint8Array): Promise<void>;
}

export function edgeOptionsOf(read: (flag: MemberFlagName) => string | undefined): FlaggedOptions {
  const options = memberOptionsOf(read);
  if ((options.limits?.requestBytes ?? 0) > REQUEST_BYTES_MAX) {
    throw new Error(`max-request-bytes is at most ${REQUEST_BYTES_MAX} at the edge`);
  }
  return { ...options, limits: { responseBytes: RESPONSE_BYTES, ...options.limits } };
}

/** A hibernating object is evicted from memory, so its knowledge of past revisions is saved. */
export async function flaggedOptions(env: object, storage: StorageLike): Promise<FlaggedOptions> {
  const variables: Readonly<Record<string, unknown>> = { ...env };
  const options = edgeOptionsOf((flag) => textOf(variables[variableOf(flag)], flag));
  const { autoCompaction } = options;
  if (autoCompaction === undefined || autoCompaction.mode === "off") return options;
  const kept = await storage.get(SAVED_KEY);
  const saved = kept instanceof Uint8Array ? kept : undefined;
  return {
    ...options,
    autoCompaction: { ...autoCompaction, saved, save: (bytes) => void storage.put(SAVED_KEY, bytes) },
  };
}

/** In wrangler.toml a number may be written without quotes. */
function textOf(value: unknown, flag: MemberFlagName): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new Error(`${variableOf(flag)} is a text`);
}
