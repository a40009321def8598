/**
 * Rows in revision order, for unsynced watchers and for hashing. Compaction leaves holes. When holes outnumber the
 * rows, the arrays are rewritten. So removal costs little, and the memory stays within twice what is kept.
 */
import { assert } from "../../base/assert.ts";

const HOLES_TOLERATED = 1024;

interface Revised {
  readonly main: number;
  readonly sub: number;
}

export class RevisionLog<Row extends Revised> {
  #rows: (Row | undefined)[] = [];
  // Separate from the rows, so that the search can step on holes.
  #mains: number[] = [];
  #subs: number[] = [];
  #live = 0;

  get size(): number {
    return this.#live;
  }

  /** The main revision of the last row, also if that is removed; 0 without rows. */
  get lastMain(): number {
    return this.#mains.at(-1) ?? 0;
  }

  append(row: Row): void {
    const last = this.#mains.length - 1;
    const lastMain = last < 0 ? -1 : (this.#mains[last] as number);
    const ascends = row.main > lastMain || (row.main === lastMain && row.sub > (this.#subs[last] as number));
    assert(ascends, "revisions only grow");
    this.#rows.push(row);
    this.#mains.push(row.main);
    this.#subs.push(row.sub);
    this.#live++;
  }

  remove(main: number, sub: number): void {
    const at = this.#lowerBound(main, sub);
    assert(this.#mains[at] === main && this.#subs[at] === sub, "the row is in the log");
    assert(this.#rows[at] !== undefined, "a row is removed once");
    this.#rows[at] = undefined;
    this.#live--;
    const holes = this.#rows.length - this.#live;
    if (holes > HOLES_TOLERATED && holes > this.#live) this.#rewrite();
  }

  /** Visits rows from (fromMain, fromSub) while main <= toMain. `visit` returns false to stop and must not write. */
  scan(fromMain: number, fromSub: number, toMain: number, visit: (row: Row) => boolean): void {
    for (let at = this.#lowerBound(fromMain, fromSub); at < this.#rows.length; at++) {
      if ((this.#mains[at] as number) > toMain) return;
      const row = this.#rows[at];
      if (row !== undefined && !visit(row)) return;
    }
  }

  #lowerBound(main: number, sub: number): number {
    let low = 0;
    let high = this.#mains.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const midMain = this.#mains[middle] as number;
      if (midMain < main || (midMain === main && (this.#subs[middle] as number) < sub)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Keeps the newest row even as a hole: later revisions are asserted against it. */
  #rewrite(): void {
    const rows: (Row | undefined)[] = [];
    const mains: number[] = [];
    const subs: number[] = [];
    for (let at = 0; at < this.#rows.length; at++) {
      const row = this.#rows[at];
      if (row === undefined && at < this.#rows.length - 1) continue;
      rows.push(row);
      mains.push(this.#mains[at] as number);
      subs.push(this.#subs[at] as number);
    }
    this.#rows = rows;
    this.#mains = mains;
    this.#subs = subs;
  }
}
