/**
 * The version of the tables, and how older ones become it. One transaction takes a store from its version to the current
 * one, so a store is never between two. A store of a newer Quorate is refused.
 *
 * A new version needs the step from the one before it here, and a test that opens a store which the older Quorate wrote
 * (test/worker/fixtures). Whoever goes back to an older Quorate afterwards finds its store refused, so a change that
 * older ones can read needs no new version.
 */
import { StorageCorruptError, StorageError } from "../storage-error.ts";
import { textOf, type DurableObjectStorageLike, type SqlLike } from "./sql.ts";

export interface Schema {
  readonly version: number;
  /** `steps[1]` makes version 2 of version 1. */
  readonly steps: Readonly<Record<number, (sql: SqlLike) => void>>;
}

export interface Migrated {
  readonly from: number;
  readonly to: number;
}

export const SCHEMA: Schema = { version: 1, steps: {} };

const TABLE = "quorate_meta";
const ROW = "schema";
const GET = "SELECT value FROM quorate_meta WHERE name = 'schema'";
const PUT = "INSERT OR REPLACE INTO quorate_meta VALUES ('schema', ?)";

export function writeVersion(sql: SqlLike, version: number): void {
  sql.exec(PUT, String(version));
}

/** Returns undefined if the store has the current version. Throws StorageError, and then has changed nothing. */
export function migrate(storage: DurableObjectStorageLike, { version, steps }: Schema): Migrated | undefined {
  const { sql } = storage;
  const from = versionOf(sql);
  if (from === version) return undefined;
  if (from > version || from < 1) {
    throw new StorageError(
      "version",
      `this object's storage has schema ${from}, and this version of Quorate knows ${version} only`,
    );
  }
  storage.transactionSync(() => {
    for (let at = from; at < version; at++) {
      const step = steps[at];
      if (step === undefined) throw new StorageError("version", `there is no way from schema ${at} to ${at + 1}`);
      step(sql);
      writeVersion(sql, at + 1);
    }
  });
  return { from, to: version };
}

function versionOf(sql: SqlLike): number {
  const [row] = sql.exec(GET).toArray();
  if (row === undefined) throw new StorageCorruptError(TABLE, ROW, "it is missing");
  const text = textOf(row, "value", TABLE, ROW);
  if (!/^\d{1,9}$/.test(text)) throw new StorageCorruptError(TABLE, ROW, "it is no number");
  return Number(text);
}
