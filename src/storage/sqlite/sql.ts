/**
 * The part of a Durable Object's storage that is used, and how its rows are read. Every query text in this package is a
 * constant: workerd caches prepared statements by text. Cursors are read to the end at once, because a cursor that is
 * left half read locks the tables until it is collected.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { toHex } from "../../base/text-codes.ts";
import { StorageCorruptError } from "../storage-error.ts";

export type SqlValue = ArrayBuffer | string | number | null;
export type SqlRow = Record<string, SqlValue>;

export interface SqlLike {
  exec(query: string, ...bindings: (SqlValue | ArrayBufferView)[]): { toArray(): SqlRow[] };
  readonly databaseSize: number;
}

/** `DurableObjectState.storage` of an object with SQLite. */
export interface DurableObjectStorageLike {
  readonly sql: SqlLike;
  transactionSync<T>(closure: () => T): T;
  /** Resolves once everything written so far is durable. */
  sync(): Promise<void>;
}

/** Integers beyond 2^53 are never stored, so one that is read is damaged. */
export function integerOf(row: SqlRow, column: string, table: string, name: string): number {
  const value = row[column];
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw new StorageCorruptError(table, name, `column ${column} is no integer`);
}

export function bytesOf(row: SqlRow, column: string, table: string, name: string): Uint8Array {
  const value = row[column];
  if (value instanceof ArrayBuffer) return value.byteLength === 0 ? EMPTY_BYTES : new Uint8Array(value);
  throw new StorageCorruptError(table, name, `column ${column} is no blob`);
}

export function textOf(row: SqlRow, column: string, table: string, name: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw new StorageCorruptError(table, name, `column ${column} is no text`);
}

export function bigintOf(row: SqlRow, column: string, table: string, name: string): bigint {
  const text = textOf(row, column, table, name);
  if (!/^-?\d{1,20}$/.test(text)) throw new StorageCorruptError(table, name, `column ${column} is no number`);
  return BigInt(text);
}

/** Returns a row's name for messages, from the columns that identify it. */
export function rowName(row: SqlRow, ...columns: readonly string[]): string {
  return columns.map((column) => `${column} ${JSON.stringify(row[column] ?? null)}`).join(", ");
}

/** Names a key in hexadecimal, shortened: keys may be long and need not be text. */
export function hexName(key: Uint8Array): string {
  return key.length <= 32 ? `x'${toHex(key)}'` : `x'${toHex(key.subarray(0, 32))}…' (${key.length} bytes)`;
}

/** Returns the smallest key above `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}
