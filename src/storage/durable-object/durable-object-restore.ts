/**
 * Replaces state and identity in a Durable Object's store that is not open. The new state is built beside the old one,
 * and one transaction switches to it. Until then a crash leaves the store as it was.
 */
import { assert } from "../../base/assert.ts";
import type { LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import { SqlLog } from "../sqlite/sql-log.ts";
import { MetaTable } from "../sqlite/sql-meta.ts";
import { EMPTY_COUNTERS } from "../sqlite/sql-keys.ts";
import { otherGeneration, STATE_STATEMENTS } from "../sqlite/sql-statements.ts";
import { SqlStateTables } from "../sqlite/sql-tables.ts";
import type { DurableObjectStorageLike } from "../sqlite/sql.ts";
import type { Identity } from "../storage.ts";

const BYTES_PER_WRITE = 512 * 1024;

export class DurableObjectRestore {
  readonly #storage: DurableObjectStorageLike;
  readonly #tables: SqlStateTables;
  #ended: boolean = false;

  /** Call only if the store was opened before, so that it has its tables, and is closed. */
  constructor(storage: DurableObjectStorageLike) {
    this.#storage = storage;
    const generation = otherGeneration(new MetaTable(storage.sql).readState().generation);
    const { drop, create } = STATE_STATEMENTS[generation];
    storage.transactionSync(() => {
      for (const text of [...drop, ...create]) storage.sql.exec(text);
    });
    this.#tables = new SqlStateTables(storage.sql, generation, EMPTY_COUNTERS, () => this.#grown());
  }

  /** Rows are appended in revision order. They are written as they arrive. */
  get tables(): StateTables {
    return this.#tables;
  }

  /** Switches to the new state. The log starts after `applied`. `also` runs in the same transaction. */
  commit(identity: Identity, applied: { readonly index: LogIndex; readonly term: Term }, also: () => void): void {
    assert(!this.#ended, "a restore ends once");
    this.#ended = true;
    const { sql } = this.#storage;
    this.#storage.transactionSync(() => {
      this.#tables.mark();
      const counters = this.#tables.flush();
      const log = new SqlLog(sql, 0);
      log.restart(applied.index, applied.term);
      log.setHardState({ term: applied.term, vote: 0n, commit: applied.index });
      log.write();
      const meta = new MetaTable(sql);
      meta.writeIdentity(identity);
      const { generation } = this.#tables;
      meta.writeState({ generation, applied: applied.index, appliedTerm: applied.term, counters });
      also();
    });
  }

  /** Abandons what was built. It is dropped when the store is opened again. */
  abandon(): void {
    this.#ended = true;
  }

  #grown(): void {
    if (this.#ended || this.#tables.pendingBytes < BYTES_PER_WRITE) return;
    this.#tables.mark();
    this.#storage.transactionSync(() => this.#tables.flush());
  }
}
