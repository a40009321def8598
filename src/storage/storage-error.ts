/**
 * What can go wrong under a store, in words for whoever looks at the page or the worker's log. A store that has reported
 * an error is broken for good: nobody knows what its disk holds, so the member stops and opens it again.
 */

/**
 * quota: the platform gives no more room. lost: the platform took the store away (evicted, deleted, handle gone).
 * corrupt: what was read is not what was written. closed: used after close(). version: written by a newer Quorate.
 */
export type StorageErrorKind = "quota" | "lost" | "corrupt" | "closed" | "version" | "unknown";

export class StorageError extends Error {
  readonly kind: StorageErrorKind;

  constructor(kind: StorageErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StorageError";
    this.kind = kind;
  }
}

/** Names the table and the row; nothing is repaired or skipped, because a guess could undo a vote or a committed entry. */
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
