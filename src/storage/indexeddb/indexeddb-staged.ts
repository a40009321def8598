/** A state that is streamed to a tab, until it is installed or dropped. */
import { assert } from "../../base/assert.ts";
import { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import { ROW_OVERHEAD_BYTES } from "../../mvcc/tables/tables.ts";
import type { RevisionRow } from "../../mvcc/tables/tables.ts";
import { ChangeTracker } from "../common/change-set.ts";
import { StateImage } from "./state-image.ts";
import type { StateWrite } from "./state-image.ts";
import type { StagedState } from "../storage.ts";

const STAGED_BYTES_PER_WRITE = 1024 * 1024;

/**
 * Rows are in memory at once, as all state of a tab is. They are written as they arrive, so that the switch is small.
 */
export class IdbStagedState implements StagedState {
  readonly generation: number;
  readonly tracker: StagedTracker;
  readonly tables: MemoryTables;
  readonly image: StateImage = new StateImage();
  #life: "staging" | "installed" | "aborted" = "staging";
  readonly #schedule: () => void;

  constructor(generation: number, schedule: () => void) {
    this.generation = generation;
    this.#schedule = schedule;
    this.tracker = new StagedTracker(() => {
      if (this.isStaging) schedule();
    });
    this.tables = new MemoryTables(this.tracker);
  }

  get isStaging(): boolean {
    return this.#life === "staging";
  }

  get isHeavy(): boolean {
    return this.tracker.unwrittenBytes >= STAGED_BYTES_PER_WRITE;
  }

  takeWrites(): readonly StateWrite[] {
    this.tracker.mark(this.tables);
    this.tracker.unwrittenBytes = 0;
    return this.image.takeWrites(this.tracker.take(), this.tables, true);
  }

  install(): void {
    assert(this.isStaging, `the staged state was ${this.#life}`);
    this.#life = "installed";
    this.tracker.mark(this.tables);
  }

  abort(): void {
    if (!this.isStaging) return;
    this.#life = "aborted";
    this.#schedule();
  }
}

class StagedTracker extends ChangeTracker {
  unwrittenBytes: number = 0;
  readonly #heavy: () => void;

  constructor(heavy: () => void) {
    super();
    this.#heavy = heavy;
  }

  override rowAppended(row: RevisionRow): void {
    super.rowAppended(row);
    this.unwrittenBytes += row.key.length + row.value.length + ROW_OVERHEAD_BYTES;
    if (this.unwrittenBytes >= STAGED_BYTES_PER_WRITE) this.#heavy();
  }
}
