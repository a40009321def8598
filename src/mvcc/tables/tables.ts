/**
 * The tables that hold a member's state. Two storage backends implement them: memory with an IndexedDB image, and
 * SQLite in a Durable Object. All code above is written once, over these interfaces, so both backends give the same
 * responses.
 */

/**
 * One write to one key. Rows are immutable: an implementation that returns a row promises that neither the row nor its
 * bytes change later. So responses and watch events may share them without copying.
 */
export interface RevisionRow {
  readonly key: Uint8Array;
  readonly main: number;
  readonly sub: number;
  /** Main revision that created this generation of the key; 0 for a tombstone. */
  readonly createRevision: number;
  /** Number of writes to this generation, including this one; 0 marks a tombstone. */
  readonly version: number;
  readonly lease: bigint;
  readonly value: Uint8Array;
}

/** Every kept version of every key. Keys order bytewise; rows order by (main, sub). */
export interface CountedPart {
  readonly count: number;
  readonly next: Uint8Array | undefined;
}

export interface KeyTable {
  /** Returns the newest row of `key` with main <= atRevision (its highest sub), tombstones included. */
  at(key: Uint8Array, atRevision: number): RevisionRow | undefined;
  /**
   * Visits the keys of [start, end) that are live at `atRevision`, in key order. `end` undefined means to the end of
   * the key space, and end <= start is empty. `visit` returns false to stop and must not write to the table. With
   * `withValues` false the rows' values may be empty.
   */
  scan(
    start: Uint8Array,
    end: Uint8Array | undefined,
    atRevision: number,
    withValues: boolean,
    visit: (row: RevisionRow) => boolean,
  ): void;
  /** Returns how many rows scan() would visit. */
  count(start: Uint8Array, end: Uint8Array | undefined, atRevision: number): number;
  /**
   * Counts a part, for callers that let others go on between two parts: looks at about `keysMax` keys, and returns where
   * the next part begins, undefined at the end. The sum of all parts is what count() returns.
   */
  countPart(start: Uint8Array, end: Uint8Array | undefined, atRevision: number, keysMax: number): CountedPart;
  /**
   * Appends a row. Invariant: (main, sub) is above that of every row appended before. Copies the bytes that it keeps. A
   * table that keeps its rows in memory returns the kept row, so that an event can share it instead of the request's
   * bytes.
   */
  append(row: RevisionRow): RevisionRow | void;
  /**
   * Visits the rows with (fromMain, fromSub) <= (main, sub) and main <= toMain in revision order, tombstones included.
   * fromSub defaults to 0. `visit` returns false to stop and must not write to the table.
   */
  history(fromMain: number, toMain: number, visit: (row: RevisionRow) => boolean, fromSub?: number): void;
  /**
   * Returns the main revision of the newest row, or of one that compaction has dropped since; 0 without rows. It costs the
   * same however many rows there are.
   */
  lastMain(): number;
  /**
   * Runs a step of physical compaction over at most `maxKeys` keys after `cursor` (undefined: from the first key).
   * Drops the rows with main <= revision that are not the newest such row of their key, and that newest one too if it
   * is a tombstone with main < revision. Returns the cursor for the next step, undefined when the last key is done.
   */
  compact(revision: number, cursor: Uint8Array | undefined, maxKeys: number): Uint8Array | undefined;
  readonly rowCount: number;
  /** Bytes of keys and values of all kept rows, plus a fixed cost per row. */
  readonly sizeBytes: number;
}

/** A small ordered table of opaque rows. */
export interface Bucket {
  get(key: Uint8Array): Uint8Array | undefined;
  /** Writes a row. Copies key and value. */
  set(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /** Visits the rows in bytewise key order. `visit` returns false to stop and must not write to the bucket. */
  scan(visit: (key: Uint8Array, value: Uint8Array) => boolean): void;
  /** Visits the rows of [start, end) likewise. The cost depends on these rows only, however large the bucket is. */
  scanRange(start: Uint8Array, end: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void;
}

export type BucketName = "meta" | "lease" | "members" | "alarm" | "authUsers" | "authRoles" | "auth";

export const BUCKET_NAMES: readonly BucketName[] = [
  "meta",
  "lease",
  "members",
  "alarm",
  "authUsers",
  "authRoles",
  "auth",
];

/**
 * What a row costs besides its key and value, in sizeBytes of every backend: all members must reach the quota alike.
 */
export const ROW_OVERHEAD_BYTES = 64;

export interface StateTables {
  readonly keys: KeyTable;
  bucket(name: BucketName): Bucket;
}
