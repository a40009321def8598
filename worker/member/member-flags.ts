/** A member's settings at the edge: the worker's variables, named as etcd names its flags (`MAX_TXN_OPS`). */
import { type FlaggedOptions, type MemberFlagName, memberOptionsOf, variableOf } from "../../src/member/flags.ts";

/** Under which name the object keeps the member's note for auto-compaction. */
const NOTE_KEY = "auto-compaction";

/** A request is a row of the log, and SQLite's rows end at 2 MB there. */
const REQUEST_BYTES_MAX = 1_900_000;
/** An object has 128 MB, and what it answers is in there as rows, as base64 and as JSON. */
const RESPONSE_BYTES = 32 * 1024 * 1024;

/** What is used of an object's storage. */
interface Kept {
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

/** An object is thrown out of memory when it sleeps, so what it knows of past revisions is kept. */
export async function flaggedOptions(env: object, storage: Kept): Promise<FlaggedOptions> {
  const variables: Readonly<Record<string, unknown>> = { ...env };
  const options = edgeOptionsOf((flag) => textOf(variables[variableOf(flag)], flag));
  const { autoCompaction } = options;
  if (autoCompaction === undefined || autoCompaction.mode === "off") return options;
  const kept = await storage.get(NOTE_KEY);
  const saved = kept instanceof Uint8Array ? kept : undefined;
  return {
    ...options,
    autoCompaction: { ...autoCompaction, saved, save: (bytes) => void storage.put(NOTE_KEY, bytes) },
  };
}

/** In wrangler.toml a number may stand without its quotes. */
function textOf(value: unknown, flag: MemberFlagName): string | undefined {
  if (value === undefined || typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new Error(`${variableOf(flag)} is a text`);
}
