/**
 * What a tab's store holds, in memory as a whole, and how much of it is on disk. It computes the requests of each
 * transaction; when they are issued is decided in indexeddb.ts.
 */
import { assert } from "../../base/assert.ts";
import type { HardState, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import type { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import type { ChangeTracker } from "../common/change-set.ts";
import {
  generationDeletes,
  identityWrite,
  logWrites,
  rowWrites,
  stateWrites,
  type Database,
  type StateMark,
  type Writing,
} from "./indexeddb-database.ts";
import { checkUnchanged, type Loaded } from "./indexeddb-load.ts";
import type { Request } from "./indexeddb-writing.ts";
import { IdbStagedState } from "./indexeddb-staged.ts";
import type { LogImage } from "./log-image.ts";
import type { StateImage } from "./state-image.ts";
import type { Identity, LogBatch } from "../storage.ts";

/** The requests of one transaction. */
export interface ContentWrite {
  readonly requests: readonly Request[];
  /** Call it when the transaction is durable. */
  readonly confirm: () => void;
}

export class IdbContent {
  readonly log: LogImage;
  identity: Identity | undefined;
  tables: MemoryTables;
  tracker: ChangeTracker;
  /** How far the changes go that the next write of the state includes. */
  marked: StateMark;
  #image: StateImage;
  #durable: StateMark;
  #staged: IdbStagedState | undefined;
  #newestGeneration: number;
  #stateWrite: number;
  /** The newest record of the log that is known to be on disk. */
  #durableSeq: number;
  /** True if an aborted or a replaced generation is still on disk. */
  #leftovers: boolean = false;

  constructor({ identity, log, tables, tracker, image, state, stateWrite }: Loaded) {
    this.identity = identity;
    this.log = log;
    this.tables = tables;
    this.tracker = tracker;
    this.marked = state;
    this.#image = image;
    this.#durable = state;
    this.#newestGeneration = state.generation;
    this.#stateWrite = stateWrite;
    this.#durableSeq = log.seq;
  }

  get durable(): StateMark {
    return this.#durable;
  }

  /** True if the next write of the state would write something. */
  get isStateDirty(): boolean {
    return this.tracker.markedCount > 0 || this.marked.applied !== this.#durable.applied;
  }

  append({ hardState, entries }: LogBatch): void {
    this.log.append(entries);
    if (hardState !== undefined) this.log.setHardState(hardState);
  }

  setHardState(hardState: HardState): void {
    this.log.setHardState(hardState);
  }

  mark(applied: LogIndex, appliedTerm: Term): void {
    assert(applied >= this.marked.applied, "applied never falls");
    assert(applied <= this.log.window.lastIndex(), `entry ${applied} is in the log`);
    this.tracker.mark(this.tables);
    this.marked = { generation: this.marked.generation, applied, appliedTerm };
  }

  /** `schedule` is called when there is something to write of it. */
  stage(schedule: () => void): IdbStagedState {
    if (this.#staged !== undefined) this.#leftovers = true;
    this.#staged?.abort();
    this.#staged = new IdbStagedState(++this.#newestGeneration, schedule);
    return this.#staged;
  }

  /** The staged state is the state from now on, and the log begins after it. The next write is takeWhole(). */
  install({ snapshot, staged }: NonNullable<LogBatch["install"]>): void {
    assert(staged === this.#staged && staged instanceof IdbStagedState, "what is installed was staged here");
    this.#staged = undefined;
    staged.install();
    this.tables = staged.tables;
    this.tracker = staged.tracker;
    this.#image = staged.image;
    this.marked = { generation: staged.generation, applied: snapshot.index, appliedTerm: snapshot.term };
    this.log.restart(snapshot.index, snapshot.term);
  }

  takeLog(transaction: Writing): ContentWrite {
    const requests = logWrites(transaction, this.log.takeWrites());
    const { seq } = this.log;
    return {
      requests,
      confirm: () => {
        this.#durableSeq = seq;
      },
    };
  }

  takeState(transaction: Writing): ContentWrite {
    const mark = this.marked;
    return {
      requests: this.#stateRequests(transaction, mark),
      confirm: () => {
        this.#durable = mark;
      },
    };
  }

  /** The identity, the log and the state. */
  takeWhole(transaction: Writing): ContentWrite {
    const mark = this.marked;
    const requests = [
      ...(this.identity === undefined ? [] : [identityWrite(transaction, this.identity)]),
      ...logWrites(transaction, this.log.takeWrites(true)),
      ...this.#stateRequests(transaction, mark),
    ];
    const { seq } = this.log;
    return {
      requests,
      confirm: () => {
        this.#leftovers ||= mark.generation !== this.#durable.generation;
        this.#durableSeq = seq;
        this.#durable = mark;
      },
    };
  }

  /** Rows that do not count yet, and rows that do not count any more. Undefined: there are none. */
  get background(): ((transaction: Writing) => readonly Request[]) | undefined {
    const staged = this.#staged;
    if (staged?.isStaging === true) {
      if (!staged.isHeavy) return undefined;
      return (transaction) => rowWrites(transaction, staged.generation, staged.takeWrites());
    }
    if (!this.#leftovers && staged === undefined) return undefined;
    return (transaction) => {
      this.#leftovers = false;
      this.#staged = undefined;
      return generationDeletes(transaction, this.#durable.generation);
    };
  }

  /** Rejects if the database does not hold the last confirmed write. */
  check(database: Database): Promise<void> {
    return checkUnchanged(database, this.#durableSeq, this.#durable);
  }

  #stateRequests(transaction: Writing, mark: StateMark): readonly Request[] {
    const changes = this.tracker.take();
    const rows = this.#image.takeWrites(changes, this.tables, this.tracker.settled);
    return stateWrites(transaction, rows, mark, ++this.#stateWrite);
  }
}
