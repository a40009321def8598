/**
 * What a disk gives back is checked before it counts: another version, a crash of the browser or somebody with the
 * developer tools may have written it. A damaged row costs one write, and never the outbox.
 */
import type { OutboxIdentity, OutboxMeta, StoredEntry, StoredWrite } from "./outbox-store.ts";
import type { OutboxVerdict } from "./verdict.ts";

/** Far above what anybody queues, and far below where adding one changes nothing. */
const SEQ_MAX = 2 ** 52;
const OPERATIONS: readonly unknown[] = ["put", "deleteRange"];
const VERDICTS: readonly unknown[] = ["committed", "refused", "expired"];
const NOTHING: StoredWrite = { type: "txn", compare: [], operations: [] };

export interface ReadRows {
  readonly entries: readonly StoredEntry[];
  /** Among them those that are damaged and get a verdict for it. */
  readonly damaged: readonly StoredEntry[];
}

type Row = Readonly<Record<string, unknown>>;

/** Rows without a usable seq are none of ours. `sentTo`: what may have been sent may be committed. */
export function checkedRows(rows: readonly unknown[], sentTo: number): ReadRows {
  const damaged: StoredEntry[] = [];
  const entries = rows.flatMap((stored) => {
    const row = recordOf(stored);
    if (row === undefined || !isSeq(row["seq"])) return [];
    if (isEntry(row)) return [row as unknown as StoredEntry];
    const entry = setAside(row, row["seq"], sentTo);
    damaged.push(entry);
    return [entry];
  });
  return { entries, damaged };
}

/** Undefined if it is damaged. */
export function checkedMeta(stored: unknown): OutboxMeta | undefined {
  const row = recordOf(stored);
  if (row === undefined) return undefined;
  const { version, nextSeq, count, bytes, sentTo, identity } = row;
  const numbers = [version, nextSeq, count, bytes, sentTo];
  if (!numbers.every((number) => isCount(number)) || !isSeq(nextSeq) || (sentTo as number) >= nextSeq) return undefined;
  if (identity !== undefined && identityOf(identity) === undefined) return undefined;
  return row as unknown as OutboxMeta;
}

/**
 * Returns metadata that fits the rows that are there. Who knows no longer what was sent takes it that all was, and that
 * nobody can tell what became of it: nothing is executed twice.
 */
export function repairedMeta(stored: unknown, rows: readonly unknown[]): OutboxMeta {
  const row = recordOf(stored) ?? {};
  const { entries } = checkedRows(rows, SEQ_MAX);
  const nextSeq = entries.reduce((next, { seq }) => Math.max(next, seq + 1), 1);
  const held = entries.filter(({ verdict }) => verdict?.type !== "committed");
  const sentTo = isCount(row["sentTo"]) && row["sentTo"] < nextSeq ? row["sentTo"] : nextSeq - 1;
  return {
    version: isCount(row["version"]) ? row["version"] + 1 : Math.floor(Math.random() * 2 ** 40),
    nextSeq,
    count: held.length,
    bytes: held.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    sentTo,
    identity: identityOf(row["identity"]),
  };
}

function setAside(row: Row, seq: number, sentTo: number): StoredEntry {
  const time = (value: unknown): number => (Number.isFinite(value) ? (value as number) : 0);
  const verdict = isVerdict(row["verdict"]) ? (row["verdict"] as OutboxVerdict | undefined) : undefined;
  return {
    seq,
    id: typeof row["id"] === "string" && row["id"] !== "" ? row["id"] : `damaged-${seq}`,
    queuedAt: time(row["queuedAt"]),
    expiresAt: time(row["expiresAt"]),
    sizeBytes: isCount(row["sizeBytes"]) ? row["sizeBytes"] : 0,
    write: NOTHING,
    verdict: verdict ?? {
      type: "expired",
      mayBeCommitted: seq <= sentTo,
      reason: "what this device has stored of the write is damaged",
    },
  };
}

function isEntry({ id, queuedAt, expiresAt, sizeBytes, write, verdict }: Row): boolean {
  const hasTimes = Number.isFinite(queuedAt) && Number.isFinite(expiresAt);
  return typeof id === "string" && id !== "" && hasTimes && isCount(sizeBytes) && isWrite(write) && isVerdict(verdict);
}

function isWrite(stored: unknown): boolean {
  const write = recordOf(stored);
  if (write?.["type"] === "update") return isBytes(write["key"]) && typeof write["handler"] === "string";
  if (write?.["type"] !== "txn") return false;
  const { compare, operations, onConflict } = write;
  const isConflict = onConflict === undefined || typeof recordOf(onConflict)?.["handler"] === "string";
  return isListOf(compare, isCompare) && isListOf(operations, isOperation) && isConflict;
}

function isCompare(stored: unknown): boolean {
  const { key, rangeEnd, targetUnion } = recordOf(stored) ?? {};
  return isBytes(key) && isBytes(rangeEnd) && typeof recordOf(targetUnion)?.["type"] === "string";
}

function isOperation(stored: unknown): boolean {
  const operation = recordOf(stored);
  const type = operation?.["type"];
  if (operation === undefined || !OPERATIONS.includes(type)) return false;
  const { key, value, rangeEnd } = recordOf(operation[type as string]) ?? {};
  return isBytes(key) && (type === "put" ? isBytes(value) : isBytes(rangeEnd));
}

function isVerdict(stored: unknown): boolean {
  return stored === undefined || VERDICTS.includes(recordOf(stored)?.["type"]);
}

function identityOf(stored: unknown): OutboxIdentity | undefined {
  const row = recordOf(stored);
  if (row === undefined) return undefined;
  const { key, lease, marker, isRegistered, renewedAt } = row;
  const areTexts = [key, lease, marker].every((text) => typeof text === "string" && text !== "");
  const isWhole = areTexts && typeof isRegistered === "boolean" && Number.isFinite(renewedAt);
  return isWhole ? (row as unknown as OutboxIdentity) : undefined;
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every((item) => isItem(item));
}

function recordOf(value: unknown): Row | undefined {
  return typeof value === "object" && value !== null ? (value as Row) : undefined;
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSeq(value: unknown): value is number {
  return isCount(value) && value >= 1 && value <= SEQ_MAX;
}
