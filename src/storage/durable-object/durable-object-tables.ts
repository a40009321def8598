/** The tables of a member in a Durable Object: created once, and a spare generation dropped as a whole. */
import { CREATE_LOG } from "../sqlite/sql-log-rows.ts";
import { SqlLog } from "../sqlite/sql-log.ts";
import { CREATE_META, MetaTable } from "../sqlite/sql-meta.ts";
import { STATE_STATEMENTS, type Generation } from "../sqlite/sql-statements.ts";
import type { DurableObjectStorageLike } from "../sqlite/sql.ts";

export function createTables(storage: DurableObjectStorageLike): void {
  const { a, b } = STATE_STATEMENTS;
  for (const text of [...CREATE_META, ...CREATE_LOG, ...a.create, ...b.create]) storage.sql.exec(text);
  MetaTable.create(storage.sql);
  SqlLog.create(storage.sql);
}

export function isEmpty(storage: DurableObjectStorageLike, generation: Generation): boolean {
  const [row] = storage.sql.exec(STATE_STATEMENTS[generation].isEmpty).toArray();
  return row?.["empty"] === 1;
}

export function recreate(storage: DurableObjectStorageLike, generation: Generation): void {
  const { drop, create } = STATE_STATEMENTS[generation];
  storage.transactionSync(() => {
    for (const text of [...drop, ...create]) storage.sql.exec(text);
  });
}
