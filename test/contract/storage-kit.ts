/** Helpers of the storage suites: entries and rows made from an index, and promises around calls. */
import { crc32c } from "../../src/base/crc32c.ts";
import { toHex } from "../../src/base/text-codes.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import type { Entry, HardState, SnapshotMeta, Term } from "../../src/protocol/peer/raft-message.ts";
import { BUCKET_NAMES, type RevisionRow, type StateTables } from "../../src/mvcc/tables/tables.ts";
import type { Identity, LogBatch, Storage } from "../../src/storage/storage.ts";

/** How a visit to a store ends: closed in order, or crashed at any moment. */
export type Ending = "close" | "crash";

/** One disk. Each visit opens the store on it again. Only one visit at a time. */
export interface StorageHome {
  visit<T>(ending: Ending, use: (storage: Storage) => Promise<T> | T): Promise<T>;
}

export const IDENTITY: Identity = {
  clusterId: 0xffff_ffff_ffff_fffen,
  memberId: 0x8000_0000_0000_0001n,
  name: "Mitglied äöü 🗳",
};

export function entry(
  index: number,
  term: Term,
  data: Uint8Array = utf8Encode(`entry ${index} of term ${term}`),
): Entry {
  return { type: "normal", index, term, data };
}

/** Entries [low, high] of one term. */
export function entriesOf(low: number, high: number, term: Term): readonly Entry[] {
  return Array.from({ length: high - low + 1 }, (_, at) => entry(low + at, term));
}

export function batchOf(entries: readonly Entry[], hardState?: HardState): LogBatch {
  return { hardState, entries, install: undefined };
}

export function snapshotAt(index: number, term: Term): SnapshotMeta {
  return {
    index,
    term,
    confState: { voters: [1n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
  };
}

export function bootstrap(storage: Storage, identity: Identity = IDENTITY): Promise<void> {
  return settled((done) => storage.bootstrap(identity, done));
}

export function append(storage: Storage, batch: LogBatch): Promise<void> {
  return settled((done) => storage.append(batch, done));
}

export function flush(storage: Storage): Promise<void> {
  return settled((done) => storage.flush(done));
}

/** The effect of entry `index` on the state: a new version of one of a few keys, and a value in a bucket. */
export function applyTo(tables: StateTables, index: number): void {
  tables.keys.append(rowOf(index));
  tables.bucket("meta").set(utf8Encode("applied"), utf8Encode(String(index)));
  if (index % 3 === 0) tables.bucket("lease").set(utf8Encode(`lease ${index}`), new Uint8Array([index % 256]));
  if (index % 6 === 0) tables.bucket("lease").delete(utf8Encode(`lease ${index - 3}`));
}

export function apply(storage: Storage, index: number): void {
  applyTo(storage.tables, index);
  storage.stateChanged(index, storage.log.term(index) ?? 0);
}

export function rowOf(index: number): RevisionRow {
  return {
    key: utf8Encode(`key ${index % 7}`),
    main: index + 1,
    sub: 0,
    createRevision: (index % 7) + 1,
    version: Math.floor(index / 7) + 1,
    lease: BigInt(index % 3),
    value: utf8Encode(`value ${index}`),
  };
}

/** Returns the content of the tables as lines. */
export function dump(tables: StateTables): readonly string[] {
  const lines: string[] = [];
  tables.keys.history(0, Number.MAX_SAFE_INTEGER, (row) => lines.push(rowText(row)) > 0);
  for (const name of BUCKET_NAMES) {
    tables.bucket(name).scan((key, value) => lines.push(`${name} ${toHex(key)} = ${bytesText(value)}`) > 0);
  }
  return lines;
}

export function rowText(row: RevisionRow): string {
  const { main, sub, createRevision, version, lease } = row;
  return `${main}/${sub} ${toHex(row.key)} c${createRevision} v${version} l${lease} = ${bytesText(row.value)}`;
}

function bytesText(bytes: Uint8Array): string {
  return bytes.length <= 64 ? toHex(bytes) : `${bytes.length} bytes, ${crc32c(bytes)}`;
}

export function logOf(storage: Storage): readonly Entry[] {
  const { log } = storage;
  return log.lastIndex() < log.firstIndex()
    ? []
    : log.entries(log.firstIndex(), log.lastIndex() + 1, Number.MAX_SAFE_INTEGER);
}

function settled(start: (done: (error?: Error) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === undefined ? resolve() : reject(error)));
  });
}
