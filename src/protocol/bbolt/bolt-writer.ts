/**
 * Writes a bbolt file from front to back. The file may be larger than memory. Its first page must contain the position
 * of the last one, and the reader needs the size beforehand. So the rows are read twice: once to measure, once to
 * write.
 *
 * Memory holds only the branch pages between the two: one entry per leaf.
 */
import { assert } from "../../base/assert.ts";
import { latin1ToBytes } from "../../base/bytes.ts";
import {
  branchPage,
  bucketHeader,
  ELEMENT_BYTES,
  emptyFreelistPage,
  leafPage,
  metaPage,
  PAGE_BYTES,
  PAGE_HEADER_BYTES,
  pagesFor,
  rowBytes,
} from "./bolt-format.ts";
import type { BoltRow, BranchRow } from "./bolt-format.ts";

export interface BoltSource {
  readonly name: string;
  /** Called twice. Both cursors must return the same rows. */
  readonly open: () => RowCursor;
}

/** Reads the rows of a bucket in key order, leaf by leaf. */
export interface RowCursor {
  /** Returns rows of about this many bytes in total, at least one; none at the end. */
  next(bytes: number): readonly BoltRow[];
}

interface Bucket {
  readonly name: string;
  readonly open: () => RowCursor;
  readonly firstPage: number;
  readonly leaves: BranchRow[];
  branches: readonly Uint8Array[];
  rootPage: number | undefined;
}

/** The longer the leaves, the fewer of them must be kept in memory. */
const LEAF_BYTES = 64 * 1024;
const BRANCH_BYTES = 16 * 1024;
const ROWS_PER_PAGE_MAX = 0xfff0;
const FIRST_FREE_PAGE = 3;

export class BoltWriter {
  readonly #sources: readonly BoltSource[];
  readonly #measured: Bucket[] = [];
  #cursor: RowCursor | undefined;
  #nextPage: number = FIRST_FREE_PAGE;
  #rootLeaf: Uint8Array | undefined;

  /** Sorted by name, as bbolt stores them. */
  constructor(sources: readonly BoltSource[]) {
    this.#sources = [...sources].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  /** Measures one leaf. Returns whether there is more to do. */
  measure(): boolean {
    assert(this.#rootLeaf === undefined, "a file is measured once");
    let bucket = this.#measured.at(-1);
    if (bucket === undefined || this.#cursor === undefined) {
      const source = this.#sources[this.#measured.length];
      if (source === undefined) return this.#measuredAll();
      bucket = { ...source, firstPage: this.#nextPage, leaves: [], branches: [], rootPage: undefined };
      this.#measured.push(bucket);
      this.#cursor = source.open();
    }
    const rows = this.#cursor.next(LEAF_BYTES);
    const [first] = rows;
    if (first !== undefined) {
      assert(rows.length <= ROWS_PER_PAGE_MAX, "a page counts its rows in 16 bits");
      bucket.leaves.push({ key: first.key.slice(), page: this.#nextPage });
      this.#nextPage += leafPages(rows);
    } else {
      this.#cursor = undefined;
      this.#branch(bucket);
    }
    return true;
  }

  get sizeBytes(): number {
    assert(this.#rootLeaf !== undefined, "the size is known once all is measured");
    return this.#nextPage * PAGE_BYTES;
  }

  /** Returns the file's bytes from its start, a page or a few at a time. */
  *pages(): Generator<Uint8Array, void, void> {
    const rootLeaf = this.#rootLeaf;
    assert(rootLeaf !== undefined, "a file is measured before it is written");
    const rootPage = this.#nextPage - rootLeaf.length / PAGE_BYTES;
    yield metaPage(0, rootPage, this.#nextPage);
    yield metaPage(1, rootPage, this.#nextPage);
    yield emptyFreelistPage();
    for (const bucket of this.#measured) {
      yield* leavesOf(bucket);
      yield* bucket.branches;
    }
    yield rootLeaf;
  }

  /** Builds level upon level until one page is left: the root. */
  #branch(bucket: Bucket): void {
    const pages: Uint8Array[] = [];
    let level: readonly BranchRow[] = bucket.leaves;
    while (level.length > 1) {
      level = grouped(level).map((rows) => {
        const id = this.#nextPage;
        const page = branchPage(id, rows);
        pages.push(page);
        this.#nextPage += page.length / PAGE_BYTES;
        return { key: (rows[0] as BranchRow).key, page: id };
      });
    }
    bucket.branches = pages;
    bucket.rootPage = level[0]?.page;
  }

  #measuredAll(): false {
    const rows = this.#measured.map(({ name, rootPage }) => {
      return { key: latin1ToBytes(name), value: bucketHeader(rootPage), isBucket: true };
    });
    this.#rootLeaf = leafPage(this.#nextPage, rows);
    this.#nextPage += this.#rootLeaf.length / PAGE_BYTES;
    return false;
  }
}

function* leavesOf({ open, leaves }: Bucket): Generator<Uint8Array, void, void> {
  const cursor = open();
  for (const [at, { page }] of leaves.entries()) {
    const rows = cursor.next(LEAF_BYTES);
    const next = leaves[at + 1]?.page;
    const isAsMeasured = rows.length > 0 && (next === undefined || page + leafPages(rows) === next);
    assert(isAsMeasured, "the rows are the same when they are written as when they were measured");
    yield leafPage(
      page,
      rows.map((row) => ({ ...row, isBucket: false })),
    );
  }
  assert(cursor.next(LEAF_BYTES).length === 0, "no row came in after the measuring");
}

function leafPages(rows: readonly BoltRow[]): number {
  return pagesFor(rows.reduce((sum, row) => sum + rowBytes(row), PAGE_HEADER_BYTES));
}

function grouped(rows: readonly BranchRow[]): readonly (readonly BranchRow[])[] {
  const groups: BranchRow[][] = [];
  let bytes = Infinity;
  for (const row of rows) {
    // A branch has at least two children, or the levels would never end.
    if (bytes >= BRANCH_BYTES && (groups.at(-1)?.length ?? 2) > 1) {
      groups.push([]);
      bytes = 0;
    }
    (groups.at(-1) as BranchRow[]).push(row);
    bytes += ELEMENT_BYTES + row.key.length;
  }
  return groups;
}
