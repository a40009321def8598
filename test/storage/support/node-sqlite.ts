/**
 * A Durable Object's storage on Node's own SQLite, for the fast tests. Writes since the last sync() are in an open
 * transaction, so that a crash loses all of them. In test/worker the same suites run in the real runtime.
 */
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import type { DurableObjectStorageLike, SqlRow } from "../../../src/storage/sqlite/sql.ts";

export interface NodeSqlite extends DurableObjectStorageLike {
  /** Drops everything that was not synced. The disk can be opened again at once. */
  crash(): void;
  /** Rejects every write from now on with this text. */
  failWrites(text: string | undefined): void;
  readonly statementCount: number;
}

export function nodeSqlite(): NodeSqlite {
  const database = new DatabaseSync(":memory:");
  const statements = new Map<string, StatementSync>();
  let inTransaction = false;
  let failure: string | undefined;
  const commit = (): void => {
    if (inTransaction) database.exec("COMMIT");
    inTransaction = false;
  };
  return {
    sql: {
      exec(query, ...bindings) {
        if (!inTransaction) database.exec("BEGIN");
        inTransaction = true;
        if (failure !== undefined && !/^\s*(SELECT|WITH)/.test(query)) throw new Error(failure);
        let statement = statements.get(query);
        if (statement === undefined) {
          statement = database.prepare(query);
          statements.set(query, statement);
        }
        const rows = statement.all(...(bindings as SQLInputValue[])).map(toWorkerdRow);
        return { toArray: () => rows };
      },
      get databaseSize(): number {
        const pages = database.prepare("PRAGMA page_count").get()?.["page_count"];
        return Number(pages) * 4096;
      },
    },
    transactionSync(closure) {
      if (!inTransaction) database.exec("BEGIN");
      inTransaction = true;
      database.exec("SAVEPOINT closure");
      try {
        const result = closure();
        database.exec("RELEASE closure");
        return result;
      } catch (error) {
        database.exec("ROLLBACK TO closure");
        throw error;
      }
    },
    async sync() {
      commit();
    },
    crash() {
      if (inTransaction) database.exec("ROLLBACK");
      inTransaction = false;
    },
    failWrites(text) {
      failure = text;
    },
    get statementCount() {
      return statements.size;
    },
  };
}

function toWorkerdRow(row: Record<string, unknown>): SqlRow {
  const converted: SqlRow = {};
  for (const [column, value] of Object.entries(row)) {
    converted[column] = value instanceof Uint8Array ? Uint8Array.from(value).buffer : (value as SqlRow[string] & {});
  }
  return converted;
}
