/** A state that is streamed to a Durable Object, until it is installed or dropped. */
import { assert } from "../../base/assert.ts";
import { EMPTY_COUNTERS } from "../sqlite/sql-keys.ts";
import type { Generation } from "../sqlite/sql-statements.ts";
import { SqlStateTables } from "../sqlite/sql-tables.ts";
import type { DurableObjectStorageLike } from "../sqlite/sql.ts";
import type { StagedState } from "../storage.ts";

const STAGED_BYTES_PER_WRITE = 512 * 1024;

/** Written as it grows, because a snapshot may be larger than memory. It is invisible before it is installed. */
export class SqlStagedState implements StagedState {
  readonly tables: SqlStateTables;
  readonly #storage: DurableObjectStorageLike;
  readonly #aborted: () => void;
  #life: "staging" | "installed" | "aborted" = "staging";

  constructor(storage: DurableObjectStorageLike, generation: Generation, aborted: () => void) {
    this.#storage = storage;
    this.#aborted = aborted;
    this.tables = new SqlStateTables(storage.sql, generation, EMPTY_COUNTERS, () => this.#grown());
  }

  get isStaging(): boolean {
    return this.#life === "staging";
  }

  abort(): void {
    if (this.#life !== "staging") return;
    this.#life = "aborted";
    this.#aborted();
  }

  /** The transaction that installs the state also writes the rows that are not written yet. */
  install(): SqlStateTables {
    assert(this.#life === "staging", `the staged state was ${this.#life}`);
    this.#life = "installed";
    this.tables.mark();
    return this.tables;
  }

  #grown(): void {
    if (this.#life !== "staging" || this.tables.pendingBytes < STAGED_BYTES_PER_WRITE) return;
    this.tables.mark();
    this.#storage.transactionSync(() => this.tables.flush());
  }
}
