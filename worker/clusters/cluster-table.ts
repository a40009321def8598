/** The rows of the registry: the clusters, and the keys of those that are deleted and not erased yet. */
import type { ClusterRecord } from "../common/cluster-record.ts";

export interface ListedCluster extends ClusterRecord {
  /** Milliseconds since 1970. */
  readonly created: number;
}

const CREATE = [
  `CREATE TABLE IF NOT EXISTS quorate_clusters (name TEXT PRIMARY KEY, id TEXT NOT NULL, size INTEGER NOT NULL,
   locations TEXT NOT NULL, jurisdiction TEXT NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS quorate_deleted (key TEXT PRIMARY KEY) WITHOUT ROWID`,
];
/** Added by later versions. */
const ADDED = ["room", "joins"] as const;
const COLUMNS = "name, id, size, locations, jurisdiction, room, joins, created";

type Row = Record<string, SqlStorageValue> & {
  name: string;
  id: string;
  size: number;
  locations: string;
  jurisdiction: string;
  room: string;
  joins: string;
  created: number;
};

export class ClusterTable {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    for (const text of CREATE) storage.sql.exec(text);
    const columns = storage.sql
      .exec<{ name: string }>("SELECT name FROM pragma_table_info('quorate_clusters')")
      .toArray();
    for (const added of ADDED) {
      if (columns.some(({ name }) => name === added)) continue;
      storage.sql.exec(`ALTER TABLE quorate_clusters ADD COLUMN ${added} TEXT NOT NULL DEFAULT ''`);
    }
  }

  find(name: string): ClusterRecord | undefined {
    const [row] = this.#storage.sql.exec<Row>(`SELECT ${COLUMNS} FROM quorate_clusters WHERE name = ?`, name).toArray();
    if (row === undefined) return undefined;
    const { created: _, ...record } = listed(row);
    return record;
  }

  /** In the order of names, after the given one. */
  list(after: string, limit: number): readonly ListedCluster[] {
    const text = `SELECT ${COLUMNS} FROM quorate_clusters WHERE name > ? ORDER BY name LIMIT ?`;
    return this.#storage.sql.exec<Row>(text, after, limit).toArray().map(listed);
  }

  count(): number {
    return this.#storage.sql.exec<{ n: number }>("SELECT COUNT(*) AS n FROM quorate_clusters").one().n;
  }

  add({ name, id, size, locations, jurisdiction, room, joins = "" }: ClusterRecord, nowMs: number): void {
    const values = [name, id, size, locations, jurisdiction, room, joins, nowMs];
    this.#storage.sql.exec(`INSERT INTO quorate_clusters (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, ...values);
  }

  /** Takes a cluster off the list, and notes that its members are to be erased. */
  remove(key: string, name: string): void {
    this.#storage.transactionSync(() => {
      this.#storage.sql.exec("DELETE FROM quorate_clusters WHERE name = ?", name);
      this.#storage.sql.exec("INSERT OR REPLACE INTO quorate_deleted (key) VALUES (?)", key);
    });
  }

  /** Drawn by lot, so that those which cannot be erased do not keep the others waiting. */
  deleted(limit: number): readonly string[] {
    const text = "SELECT key FROM quorate_deleted ORDER BY RANDOM() LIMIT ?";
    const rows = this.#storage.sql.exec<{ key: string }>(text, limit).toArray();
    return rows.map(({ key }) => key);
  }

  forget(key: string): void {
    this.#storage.sql.exec("DELETE FROM quorate_deleted WHERE key = ?", key);
  }
}

function listed({ joins, ...row }: Row): ListedCluster {
  return joins === "" ? row : { ...row, joins };
}
