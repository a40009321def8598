/**
 * Rows that compaction has dropped and that are still in SQLite, hidden by a bound per key. They may only be deleted
 * together with the applied index of the compaction. Otherwise a crash would reveal the previous state with holes.
 */
import { bytesToLatin1, copyBytes } from "../../base/bytes.ts";
import { compareRevisions, type RevisionId } from "./sql-overlay.ts";

/** Rows of a key up to and including the bound are hidden from readers. */
interface Removal {
  readonly key: Uint8Array;
  readonly bound: RevisionId;
}

export class SqlRemovals {
  /** By latin1 key. */
  readonly #all: Map<string, Removal> = new Map();
  /** Since the last mark. */
  readonly #open: Set<string> = new Set();
  #marked: Map<string, Removal> = new Map();
  /** Those that are being written. */
  #frozen: Map<string, Removal> = new Map();
  #hiddenBelow: number = 0;

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  get markedCount(): number {
    return this.#marked.size;
  }

  /** Returns whether a read at this revision must check the bounds. */
  concerns(atRevision: number): boolean {
    return atRevision < this.#hiddenBelow;
  }

  boundOf(name: string): RevisionId | undefined {
    return this.#all.get(name)?.bound;
  }

  hides(name: string, row: RevisionId): boolean {
    const removal = this.#all.get(name);
    return removal !== undefined && compareRevisions(row, removal.bound) <= 0;
  }

  /** Records a bound, of a compaction at `revision`. */
  add(name: string, key: Uint8Array, bound: RevisionId, revision: number): void {
    this.#all.set(name, { key: copyBytes(key), bound });
    this.#open.add(name);
    this.#hiddenBelow = Math.max(this.#hiddenBelow, revision);
  }

  mark(): void {
    for (const name of this.#open) {
      const removal = this.#all.get(name);
      if (removal !== undefined) this.#marked.set(name, removal);
    }
    this.#open.clear();
  }

  /** Selects the marked bounds for the next flush. */
  freeze(): void {
    this.#frozen = this.#marked;
    this.#marked = new Map();
  }

  /** Such a row need not be written first: the same flush would delete it. */
  hidesFrozen(row: RevisionId & { readonly key: Uint8Array }): boolean {
    if (this.#frozen.size === 0) return false;
    const removal = this.#frozen.get(bytesToLatin1(row.key));
    return removal !== undefined && compareRevisions(row, removal.bound) <= 0;
  }

  /** `remove` deletes the rows of each frozen key from SQLite. */
  flush(remove: (name: string, key: Uint8Array, bound: RevisionId) => void): void {
    for (const [name, removal] of this.#frozen) {
      remove(name, removal.key, removal.bound);
      if (this.#all.get(name) === removal) this.#all.delete(name);
    }
    this.#frozen = new Map();
    if (this.#all.size === 0) this.#hiddenBelow = 0;
  }
}
