/**
 * Reads a bbolt file, of ours or of etcd's. It may be damaged or forged, so every reference is checked before it is
 * followed: a page lies within the file and is read once.
 */
import { bytesToLatin1 } from "../../base/bytes.ts";
import { overflowOf, PAGE_HEADER_BYTES, readBucketHeader, readMeta, readPage } from "./bolt-format.ts";
import type { BoltRow, LeafRow, Meta } from "./bolt-format.ts";
import { DecodeError } from "../decode-error.ts";

export interface BoltFile {
  readonly sizeBytes: number;
  /** Reads exactly `length` bytes. They are within the file. */
  readonly read: (at: number, length: number) => Uint8Array;
}

export interface BoltBucket {
  readonly name: string;
  /** In key order. */
  readonly rows: () => Generator<BoltRow, void, void>;
}

const DEPTH_MAX = 32;
const META_PAGE_BYTES = 512;

export class BoltReader {
  readonly #file: BoltFile;
  readonly #meta: Meta;
  #pagesRead: number = 0;

  /** Throws DecodeError if it is not a bbolt file. */
  constructor(file: BoltFile) {
    this.#file = file;
    this.#meta = newestMeta(file);
  }

  get sizeBytes(): number {
    return this.#meta.pageCount * this.#meta.pageBytes;
  }

  /** Returns the buckets in the order of their names. */
  buckets(): readonly BoltBucket[] {
    this.#pagesRead = 0;
    return [...this.#rowsFrom(this.#meta.rootPage, 0)].map(({ key, value, isBucket }) => {
      if (!isBucket) throw new DecodeError("bolt: a row lies outside all buckets");
      return { name: bytesToLatin1(key), rows: () => this.#bucketRows(value) };
    });
  }

  /** Only one pass at a time. */
  *#bucketRows(header: Uint8Array): Generator<BoltRow, void, void> {
    this.#pagesRead = 0;
    const place = readBucketHeader(header);
    const rows = place.type === "paged" ? this.#rowsFrom(place.rootPage, 0) : inlineRows(place.page);
    for (const row of rows) {
      if (row.isBucket) throw new DecodeError("bolt: a bucket lies within a bucket");
      yield row;
    }
  }

  *#rowsFrom(id: number, depth: number): Generator<LeafRow, void, void> {
    if (depth > DEPTH_MAX) throw new DecodeError("bolt: its tree is too deep");
    const page = readPage(this.#page(id));
    if (page.type === "leaf") {
      yield* page.rows;
      return;
    }
    for (const { page: child } of page.rows) yield* this.#rowsFrom(child, depth + 1);
  }

  #page(id: number): Uint8Array {
    const { pageBytes, pageCount } = this.#meta;
    if (id < 2 || id >= pageCount) throw new DecodeError(`bolt: page ${id} is not in the file`);
    const overflow = overflowOf(this.#file.read(id * pageBytes, PAGE_HEADER_BYTES));
    if (id + overflow >= pageCount) throw new DecodeError(`bolt: page ${id} reaches beyond the file`);
    this.#pagesRead += 1 + overflow;
    if (this.#pagesRead > pageCount) throw new DecodeError("bolt: its pages go round in a circle");
    return this.#file.read(id * pageBytes, (1 + overflow) * pageBytes);
  }
}

function inlineRows(bytes: Uint8Array): readonly LeafRow[] {
  const page = readPage(bytes);
  if (page.type !== "leaf") throw new DecodeError("bolt: a small bucket is no leaf");
  return page.rows;
}

/** The second meta page starts after the first one, whose length only a valid one contains. */
function newestMeta(file: BoltFile): Meta {
  const metaAt = (at: number): Meta | undefined =>
    at + META_PAGE_BYTES <= file.sizeBytes ? readMeta(file.read(at, META_PAGE_BYTES)) : undefined;
  const candidates = [metaAt(0)];
  const first = candidates[0];
  if (first !== undefined) candidates.push(metaAt(first.pageBytes));
  else for (let size = 512; size <= 65_536; size *= 2) candidates.push(metaAt(size));
  let newest: Meta | undefined;
  for (const meta of candidates) {
    if (meta !== undefined && (newest === undefined || meta.transaction > newest.transaction)) newest = meta;
  }
  if (newest === undefined) throw new DecodeError("it is no database of etcd's or ours");
  if (newest.pageCount * newest.pageBytes > file.sizeBytes) throw new DecodeError("bolt: the file is cut off");
  return newest;
}
