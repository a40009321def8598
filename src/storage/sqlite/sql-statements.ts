/**
 * The state's tables, twice: one generation is the state, the other one is empty or being staged, and an install
 * switches them. The texts are built once per generation and never change, because workerd caches prepared statements
 * by text.
 *
 *     quorate_rows       key main sub │ created version lease value     a put is one row here: clustered by key
 *     quorate_revisions  main sub │ list of (main, sub, key)            one row per flush: finds the rows of a revision
 *     quorate_buckets    bucket key │ value
 *
 * An index over (main, sub) would be billed as one more row per put. A list that is written once per flush finds the
 * same rows and costs a fraction of that.
 */

export type Generation = "a" | "b";

export interface StateStatements {
  readonly create: readonly string[];
  readonly drop: readonly string[];
  readonly isEmpty: string;
  readonly putRow: string;
  /** Inserts ROWS_AT_ONCE rows. */
  readonly putRows: string;
  readonly deleteRows: string;
  readonly newestRow: string;
  readonly newestHead: string;
  readonly row: string;
  readonly value: string;
  readonly rowExists: string;
  readonly measure: string;
  readonly scan: string;
  readonly scanToEnd: string;
  readonly count: string;
  readonly countToEnd: string;
  readonly listAt: string;
  readonly listAfter: string;
  readonly putList: string;
  readonly deleteList: string;
  readonly getBucket: string;
  readonly putBucket: string;
  readonly deleteBucket: string;
  readonly scanBucket: string;
  readonly scanBucketTo: string;
}

const ROW = "(?, ?, ?, ?, ?, ?, ?)";
/**
 * A statement costs more than a row in it. But for a statement of several rows SQLite keeps a copy of each page that it
 * touches, to undo it, and once it has touched 15 pages it writes these copies to a file, from then on for all statements of
 * the transaction. So a statement stays well below that: rows touch one or two pages each.
 */
export const ROWS_AT_ONCE = 4;

export const STATE_STATEMENTS: Readonly<Record<Generation, StateStatements>> = {
  a: statementsOf("a"),
  b: statementsOf("b"),
};

export function isGeneration(value: unknown): value is Generation {
  return value === "a" || value === "b";
}

export function otherGeneration(generation: Generation): Generation {
  return generation === "a" ? "b" : "a";
}

function statementsOf(generation: Generation): StateStatements {
  const rows = `quorate_rows_${generation}`;
  const revisions = `quorate_revisions_${generation}`;
  const buckets = `quorate_buckets_${generation}`;
  const newest = "ORDER BY main DESC, sub DESC LIMIT 1";
  return {
    create: [
      `CREATE TABLE ${rows} (
        key BLOB NOT NULL, main INTEGER NOT NULL, sub INTEGER NOT NULL,
        created INTEGER NOT NULL, version INTEGER NOT NULL, lease TEXT, value BLOB NOT NULL,
        PRIMARY KEY (key, main, sub)
      ) WITHOUT ROWID`,
      `CREATE TABLE ${revisions} (
        main INTEGER NOT NULL, sub INTEGER NOT NULL, list BLOB NOT NULL, PRIMARY KEY (main, sub)
      ) WITHOUT ROWID`,
      `CREATE TABLE ${buckets} (
        bucket TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (bucket, key)
      ) WITHOUT ROWID`,
    ],
    drop: [`DROP TABLE ${rows}`, `DROP TABLE ${revisions}`, `DROP TABLE ${buckets}`],
    isEmpty: `SELECT NOT EXISTS (SELECT 1 FROM ${rows}) AND NOT EXISTS (SELECT 1 FROM ${buckets}) AS empty`,
    putRow: `INSERT OR REPLACE INTO ${rows} VALUES ${ROW}`,
    putRows: `INSERT OR REPLACE INTO ${rows} VALUES ${Array.from({ length: ROWS_AT_ONCE }, () => ROW).join(", ")}`,
    deleteRows: `DELETE FROM ${rows} WHERE key = ? AND (main, sub) <= (?, ?)`,
    // `+?`: for a bare `key = ?` SQLite plans the ORDER BY around the value, and prepares the statement again for each
    // value, which takes five times as long as running it.
    newestRow: `SELECT main, sub, created, version, lease, value FROM ${rows} WHERE key = +? AND main <= ? ${newest}`,
    newestHead: `SELECT main, sub, version, length(value) AS size FROM ${rows} WHERE key = +? AND main <= ? ${newest}`,
    row: `SELECT main, sub, created, version, lease, value FROM ${rows} WHERE key = ? AND main = ? AND sub = ?`,
    value: `SELECT value FROM ${rows} WHERE key = ? AND main = ? AND sub = ?`,
    rowExists: `SELECT 1 FROM ${rows} WHERE key = ? AND main = ? AND sub = ?`,
    measure: `SELECT count(*) AS rows, coalesce(sum(length(value)), 0) AS bytes
      FROM ${rows} WHERE key = ?1 AND (main, sub) > (?2, ?3) AND main <= ?4`,
    scan: scanOf(rows, "AND key < ?5"),
    scanToEnd: scanOf(rows, ""),
    count: countOf(rows, "AND key < ?4"),
    countToEnd: countOf(rows, ""),
    listAt: `SELECT main, sub, list FROM ${revisions} WHERE (main, sub) <= (?, ?) ${newest}`,
    listAfter: `SELECT main, sub, list FROM ${revisions} WHERE (main, sub) > (?, ?) ORDER BY main, sub LIMIT 1`,
    putList: `INSERT OR REPLACE INTO ${revisions} VALUES (?, ?, ?)`,
    deleteList: `DELETE FROM ${revisions} WHERE main = ? AND sub = ?`,
    getBucket: `SELECT value FROM ${buckets} WHERE bucket = ? AND key = ?`,
    putBucket: `INSERT OR REPLACE INTO ${buckets} VALUES (?, ?, ?)`,
    deleteBucket: `DELETE FROM ${buckets} WHERE bucket = ? AND key = ?`,
    scanBucket: `SELECT key, value FROM ${buckets} WHERE bucket = ?1 AND key >= ?2 ORDER BY key LIMIT ?3`,
    scanBucketTo: `SELECT key, value FROM ${buckets} WHERE bucket = ?1 AND key >= ?2 AND key < ?4 ORDER BY key LIMIT ?3`,
  };
}

/**
 * Returns at most ?3 keys from ?1 on, each with its newest row at or below revision ?2 (or none), and values up to ?4
 * bytes. It hops from key to key through the primary key, so a key with a thousand versions costs as much as one with a
 * single one. A plain range scan with a filter reads all of them.
 */
function scanOf(rows: string, beforeEnd: string): string {
  return `WITH RECURSIVE names (key) AS (
      SELECT * FROM (SELECT key FROM ${rows} WHERE key >= ?1 ${beforeEnd} ORDER BY key LIMIT 1)
      UNION ALL
      SELECT (SELECT key FROM ${rows} WHERE key > names.key ${beforeEnd} ORDER BY key LIMIT 1)
      FROM names WHERE names.key IS NOT NULL LIMIT ?3
    )
    SELECT names.key AS key, r.main AS main, r.sub AS sub, r.created AS created, r.version AS version, r.lease AS lease,
      length(r.value) AS size, CASE WHEN length(r.value) <= ?4 THEN r.value END AS value
    FROM names LEFT JOIN ${rows} r ON r.key = names.key AND (r.main, r.sub) = (
      SELECT main, sub FROM ${rows} WHERE key = names.key AND main <= ?2 ORDER BY main DESC, sub DESC LIMIT 1
    )
    WHERE names.key IS NOT NULL`;
}

/** Looks at at most ?3 keys from ?1 on, and counts those that are live at revision ?2. -1: at all. */
function countOf(rows: string, beforeEnd: string): string {
  return `WITH RECURSIVE names (key) AS (
      SELECT * FROM (SELECT key FROM ${rows} WHERE key >= ?1 ${beforeEnd} ORDER BY key LIMIT 1)
      UNION ALL
      SELECT (SELECT key FROM ${rows} WHERE key > names.key ${beforeEnd} ORDER BY key LIMIT 1)
      FROM names WHERE names.key IS NOT NULL LIMIT ?3
    )
    SELECT count(*) AS seen, max(names.key) AS last, coalesce(sum((
      SELECT version FROM ${rows} WHERE key = names.key AND main <= ?2 ORDER BY main DESC, sub DESC LIMIT 1
    ) > 0), 0) AS live FROM names WHERE names.key IS NOT NULL`;
}
