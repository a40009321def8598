/**
 * The errors of a store, worded for the user of the page or the reader of the worker's log. A store that has reported
 * an error cannot be used any more: the content of its disk is unknown, so the member stops and opens it again.
 */

/**
 * quota: the platform grants no more space. lost: the platform removed the store (evicted, deleted, handle gone).
 * corrupt: the data read differs from the data written. closed: used after close(). version: written by a newer
 * Quorate. replaced: opened again elsewhere, so this one may not write any more.
 */
export type StorageErrorKind = "quota" | "lost" | "corrupt" | "closed" | "version" | "replaced" | "unknown";

export class StorageError extends Error {
  readonly kind: StorageErrorKind;

  constructor(kind: StorageErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StorageError";
    this.kind = kind;
  }
}

/**
 * Names the table and the row. Damage is neither repaired nor skipped, because a guess could undo
 * a vote or a committed entry.
 */
export class StorageCorruptError extends StorageError {
  readonly table: string;
  readonly row: string;

  constructor(table: string, row: string, message: string, cause?: unknown) {
    super("corrupt", `stored data is damaged: table ${table}, row ${row}: ${message}`, cause);
    this.name = "StorageCorruptError";
    this.table = table;
    this.row = row;
  }
}
