/**
 * What a disk gives back is checked before it counts: another version, a crash of the browser, a full disk or somebody with
 * the developer tools may have written it. A copy in which anything is wrong is not believed at all: the cluster has the
 * right one.
 */
import type { KeyValue } from "../../protocol/api/kv.ts";
import type { CopyLimits, CopyMark } from "./replica-store.ts";

/** Increase it with any change that an older Quorate would misread: it then begins anew. */
const FORMAT = 1;
/** As many as a member lists in a few seconds. It bounds the memory that a wrong number can ask for. */
export const PAIRS_MAX = 2_000_000;
const DENIED_MAX = 64;

/** The mark as it is stored, with what the rows beside it must add up to. */
export interface StoredMark extends CopyMark {
  readonly pairCount: number;
  readonly pairBytes: number;
}

type Row = Readonly<Record<string, unknown>>;

export function markRow({ cluster, revision, denied, currentAtMs, pairCount, pairBytes }: StoredMark): object {
  return { format: FORMAT, cluster: cluster.toString(), revision, denied, currentAtMs, pairCount, pairBytes };
}

/** Undefined if it is damaged, or of another format. */
export function checkedMark(stored: unknown, nowMs: number): StoredMark | undefined {
  const row = recordOf(stored);
  if (row === undefined || row["format"] !== FORMAT) return undefined;
  const { cluster, revision, denied, currentAtMs, pairCount, pairBytes } = row;
  if (typeof cluster !== "string" || !/^\d{1,20}$/.test(cluster)) return undefined;
  if (!isCount(revision) || revision < 1 || !isCount(pairCount) || !isCount(pairBytes)) return undefined;
  if (!Array.isArray(denied) || denied.length > DENIED_MAX) return undefined;
  if (!denied.every((prefix) => typeof prefix === "string")) return undefined;
  if (typeof currentAtMs !== "number" || !Number.isFinite(currentAtMs)) return undefined;
  return {
    cluster: BigInt(cluster),
    revision,
    denied,
    // A clock may have been set back since.
    currentAtMs: Math.min(currentAtMs, nowMs),
    pairCount,
    pairBytes,
  };
}

/** The value that is stored under the key. */
export function pairRow({ value, createRevision, modRevision, version, lease }: Omit<KeyValue, "key">): object {
  // A clone stores the whole buffer, however small the view is.
  return { value: value.slice(), createRevision, modRevision, version, lease: lease.toString() };
}

/** Undefined if it is damaged, newer than the mark, or none of the replica's keys. */
export function checkedPair(
  storedKey: unknown,
  stored: unknown,
  { revision }: CopyMark,
  { holds }: CopyLimits,
): KeyValue | undefined {
  const row = recordOf(stored);
  const key = bytesOf(storedKey);
  if (row === undefined || key === undefined || key.length === 0 || !holds(key)) return undefined;
  const { value, createRevision, modRevision, version, lease } = row;
  if (!(value instanceof Uint8Array) || typeof lease !== "string" || !/^-?\d{1,20}$/.test(lease)) return undefined;
  if (!isCount(createRevision) || !isCount(modRevision) || !isCount(version) || version < 1) return undefined;
  if (createRevision < 1 || modRevision < createRevision || modRevision > revision) return undefined;
  return { key, value, createRevision, modRevision, version, lease: BigInt(lease) };
}

/** The value of a row that is there; undefined if there is none, or none with a value. */
export function storedValue(stored: unknown): Uint8Array | undefined {
  const value = recordOf(stored)?.["value"];
  return value instanceof Uint8Array ? value : undefined;
}

export function sizeOfPair({ key, value }: Pick<KeyValue, "key" | "value">): number {
  return key.length + value.length;
}

/** IndexedDB gives binary keys back as buffers. */
function bytesOf(key: unknown): Uint8Array | undefined {
  if (key instanceof Uint8Array) return key;
  return key instanceof ArrayBuffer ? new Uint8Array(key) : undefined;
}

function recordOf(value: unknown): Row | undefined {
  return typeof value === "object" && value !== null ? (value as Row) : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
