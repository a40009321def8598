/**
 * Facts about a Durable Object's store that are not rows of a table: the schema's version, the member's identity, and
 * the applied index of the state. JSON, so that an operator with an SQL prompt can read them.
 */
import type { LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import { isGeneration, type Generation } from "./sql-statements.ts";
import type { SqlLog } from "./sql-log.ts";
import { EMPTY_COUNTERS, type StateCounters } from "./sql-keys.ts";
import { SCHEMA, writeVersion } from "./sql-schema.ts";
import { textOf, type SqlLike } from "./sql.ts";
import { StorageCorruptError, StorageError } from "../storage-error.ts";
import type { Identity } from "../storage.ts";

const TABLE = "quorate_meta";

export const CREATE_META: readonly string[] = [
  "CREATE TABLE quorate_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
];

const EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'quorate_meta'";
const GET = "SELECT value FROM quorate_meta WHERE name = ?";
const PUT = "INSERT OR REPLACE INTO quorate_meta VALUES (?, ?)";

export interface StateMark {
  readonly generation: Generation;
  readonly applied: LogIndex;
  readonly appliedTerm: Term;
  readonly counters: StateCounters;
}

export class MetaTable {
  readonly #sql: SqlLike;

  /** Call it once the store has the current version (sql-schema.ts). */
  constructor(sql: SqlLike) {
    this.#sql = sql;
  }

  static exists(sql: SqlLike): boolean {
    return sql.exec(EXISTS).toArray().length > 0;
  }

  static create(sql: SqlLike): void {
    writeVersion(sql, SCHEMA.version);
    const state: StateMark = { generation: "a", applied: 0, appliedTerm: 0, counters: EMPTY_COUNTERS };
    sql.exec(PUT, "state", JSON.stringify(state));
  }

  readIdentity(): Identity | undefined {
    const stored = this.#read("identity");
    if (stored === undefined) return undefined;
    const { clusterId, memberId, name } = objectOf(stored, "identity");
    const isId = (id: unknown): id is string => typeof id === "string" && /^\d{1,20}$/.test(id);
    if (!isId(clusterId) || !isId(memberId) || typeof name !== "string") {
      throw new StorageCorruptError(TABLE, "identity", "it does not say who the member is");
    }
    return { clusterId: BigInt(clusterId), memberId: BigInt(memberId), name };
  }

  writeIdentity({ clusterId, memberId, name }: Identity): void {
    const stored = { clusterId: clusterId.toString(), memberId: memberId.toString(), name };
    this.#sql.exec(PUT, "identity", JSON.stringify(stored));
  }

  readState(): StateMark {
    const stored = objectOf(this.#read("state"), "state");
    const counters = objectOf(stored["counters"], "state");
    const { generation } = stored;
    if (!isGeneration(generation)) throw new StorageCorruptError(TABLE, "state", "its generation is unknown");
    return {
      generation,
      applied: integerIn(stored, "applied"),
      appliedTerm: integerIn(stored, "appliedTerm"),
      counters: {
        rows: integerIn(counters, "rows"),
        bytes: integerIn(counters, "bytes"),
        listed: integerIn(counters, "listed"),
        compacted: integerIn(counters, "compacted"),
        lastMain: counters["lastMain"] === undefined ? undefined : integerIn(counters, "lastMain"),
      },
    };
  }

  writeState(state: StateMark): void {
    this.#sql.exec(PUT, "state", JSON.stringify(state));
  }

  #read(name: string): unknown {
    const [row] = this.#sql.exec(GET, name).toArray();
    if (row === undefined) return undefined;
    try {
      return JSON.parse(textOf(row, "value", TABLE, name));
    } catch (error) {
      throw error instanceof StorageError ? error : new StorageCorruptError(TABLE, name, "it is no JSON", error);
    }
  }
}

/** The state must meet the log: all entries after the applied index must be present, to be applied again. */
export function checkApplied(state: StateMark, log: SqlLog): void {
  if (state.applied >= log.firstIndex() - 1 && state.applied <= log.lastIndex()) return;
  const range = `[${log.firstIndex()}, ${log.lastIndex()}]`;
  throw new StorageCorruptError(TABLE, "state", `it is applied to ${state.applied}, the log holds ${range}`);
}

function objectOf(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null) return value as Readonly<Record<string, unknown>>;
  throw new StorageCorruptError(TABLE, name, value === undefined ? "it is missing" : "it is no object");
}

function integerIn(value: Readonly<Record<string, unknown>>, property: string): number {
  const found = value[property];
  if (typeof found === "number" && Number.isSafeInteger(found) && found >= 0) return found;
  throw new StorageCorruptError(TABLE, "state", `${property} is no integer`);
}
