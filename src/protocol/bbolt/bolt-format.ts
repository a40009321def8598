/**
 * The pages of bbolt, the file format of etcd's database and so of its snapshots. etcd's own tools can restore a file
 * that we write, and we can restore one of etcd's.
 *
 *     page 0, 1   meta: where the root is (the valid one with the higher transaction counts)
 *     page 2      freelist: empty in a file that is written once
 *     ...         leaf: rows of a bucket; branch: first key and page of each child
 *     last page   leaf of the root bucket: one row for each bucket, with the page of its root
 *
 * All numbers are little-endian. A page may be longer than the page size; `overflow` is the number of further pages.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { DecodeError } from "../decode-error.ts";

export const PAGE_BYTES = 4096;
export const PAGE_HEADER_BYTES = 16;
export const ELEMENT_BYTES = 16;

const MAGIC = 0xed0c_daed;
const VERSION = 2;
const META_BYTES = 64;
const CHECKED_BYTES = 56;
const FNV_OFFSET = 0xcbf2_9ce4_8422_2325n;
const FNV_PRIME = 0x0000_0100_0000_01b3n;

const FLAGS = { branch: 0x01, leaf: 0x02, meta: 0x04, freelist: 0x10 } as const;
const BUCKET_ROW = 0x01;
const BUCKET_HEADER_BYTES = 16;

export interface BoltRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface LeafRow extends BoltRow {
  /** The value locates the bucket. */
  readonly isBucket: boolean;
}

export interface BranchRow {
  readonly key: Uint8Array;
  readonly page: number;
}

export interface Meta {
  readonly pageBytes: number;
  readonly rootPage: number;
  readonly pageCount: number;
  readonly transaction: bigint;
}

/** Returns the bytes of a leaf with these rows, without the padding of its last page. */
export function rowBytes({ key, value }: BoltRow): number {
  return ELEMENT_BYTES + key.length + value.length;
}

export function pagesFor(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}

// ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function metaPage(id: 0 | 1, rootPage: number, pageCount: number): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  const view = startPage(page, id, FLAGS.meta, 0);
  const at = PAGE_HEADER_BYTES;
  view.setUint32(at, MAGIC, true);
  view.setUint32(at + 4, VERSION, true);
  view.setUint32(at + 8, PAGE_BYTES, true);
  setUint64(view, at + 16, rootPage);
  setUint64(view, at + 32, 2);
  setUint64(view, at + 40, pageCount);
  setUint64(view, at + 48, id);
  view.setBigUint64(at + CHECKED_BYTES, fnv(page.subarray(at, at + CHECKED_BYTES)), true);
  return page;
}

export function emptyFreelistPage(): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  startPage(page, 2, FLAGS.freelist, 0);
  return page;
}

export function leafPage(id: number, rows: readonly LeafRow[]): Uint8Array {
  const bytes = rows.reduce((sum, row) => sum + rowBytes(row), PAGE_HEADER_BYTES);
  const page = new Uint8Array(pagesFor(bytes) * PAGE_BYTES);
  const view = startPage(page, id, FLAGS.leaf, rows.length);
  let data = PAGE_HEADER_BYTES + rows.length * ELEMENT_BYTES;
  rows.forEach(({ key, value, isBucket }, index) => {
    const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
    view.setUint32(element, isBucket ? BUCKET_ROW : 0, true);
    view.setUint32(element + 4, data - element, true);
    view.setUint32(element + 8, key.length, true);
    view.setUint32(element + 12, value.length, true);
    page.set(key, data);
    page.set(value, data + key.length);
    data += key.length + value.length;
  });
  return page;
}

export function branchPage(id: number, rows: readonly BranchRow[]): Uint8Array {
  const bytes = rows.reduce((sum, { key }) => sum + ELEMENT_BYTES + key.length, PAGE_HEADER_BYTES);
  const page = new Uint8Array(pagesFor(bytes) * PAGE_BYTES);
  const view = startPage(page, id, FLAGS.branch, rows.length);
  let data = PAGE_HEADER_BYTES + rows.length * ELEMENT_BYTES;
  rows.forEach(({ key, page: child }, index) => {
    const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
    view.setUint32(element, data - element, true);
    view.setUint32(element + 4, key.length, true);
    setUint64(view, element + 8, child);
    page.set(key, data);
    data += key.length;
  });
  return page;
}

/** Returns the root bucket's value for a bucket. Without a root page, the bucket is empty and needs none. */
export function bucketHeader(rootPage: number | undefined): Uint8Array {
  if (rootPage === undefined) {
    const inline = new Uint8Array(BUCKET_HEADER_BYTES + PAGE_HEADER_BYTES);
    startPage(inline.subarray(BUCKET_HEADER_BYTES), 0, FLAGS.leaf, 0);
    return inline;
  }
  const header = new Uint8Array(BUCKET_HEADER_BYTES);
  setUint64(new DataView(header.buffer), 0, rootPage);
  return header;
}

function startPage(page: Uint8Array, id: number, flags: number, count: number): DataView {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  setUint64(view, 0, id);
  view.setUint16(8, flags, true);
  view.setUint16(10, count, true);
  view.setUint32(12, Math.max(pagesFor(page.length) - 1, 0), true);
  return view;
}

// ── reading: everything is validated ────────────────────────────────────────────────────────────────────────────────

/** Returns undefined if the page is not a valid meta page. */
export function readMeta(page: Uint8Array): Meta | undefined {
  if (page.length < PAGE_HEADER_BYTES + META_BYTES) return undefined;
  const view = new DataView(page.buffer, page.byteOffset + PAGE_HEADER_BYTES, META_BYTES);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== VERSION) return undefined;
  const checked = page.subarray(PAGE_HEADER_BYTES, PAGE_HEADER_BYTES + CHECKED_BYTES);
  if (fnv(checked) !== view.getBigUint64(CHECKED_BYTES, true)) return undefined;
  const pageBytes = view.getUint32(8, true);
  const isPageSize = pageBytes >= 512 && pageBytes <= 65_536 && (pageBytes & (pageBytes - 1)) === 0;
  if (!isPageSize) return undefined;
  return {
    pageBytes,
    rootPage: getUint64(view, 16),
    pageCount: getUint64(view, 40),
    transaction: view.getBigUint64(48, true),
  };
}

/** Returns how many pages follow that belong to the page that starts with these bytes. */
export function overflowOf(header: Uint8Array): number {
  return viewOf(header).getUint32(12, true);
}

export function readPage(
  page: Uint8Array,
):
  | { readonly type: "leaf"; readonly rows: readonly LeafRow[] }
  | { readonly type: "branch"; readonly rows: readonly BranchRow[] } {
  if (page.length < PAGE_HEADER_BYTES) throw new DecodeError("bolt: a page is cut off");
  const view = viewOf(page);
  const flags = view.getUint16(8, true);
  const count = view.getUint16(10, true);
  if (PAGE_HEADER_BYTES + count * ELEMENT_BYTES > page.length)
    throw new DecodeError("bolt: a page holds less than it says");
  const elements = Array.from({ length: count }, (_, index) => PAGE_HEADER_BYTES + index * ELEMENT_BYTES);
  if (flags === FLAGS.leaf) {
    return { type: "leaf", rows: elements.map((element) => readLeafRow(page, view, element)) };
  }
  if (flags !== FLAGS.branch) throw new DecodeError(`bolt: a page of the kind ${flags} is where rows should be`);
  const rows = elements.map((element) => {
    const key = part(page, element + view.getUint32(element, true), view.getUint32(element + 4, true));
    return { key, page: getUint64(view, element + 8) };
  });
  return { type: "branch", rows };
}

/** Returns the page of the bucket's root, or the rows of one so small that it has none. */
export function readBucketHeader(
  value: Uint8Array,
): { readonly type: "paged"; readonly rootPage: number } | { readonly type: "inline"; readonly page: Uint8Array } {
  if (value.length < BUCKET_HEADER_BYTES) throw new DecodeError("bolt: a bucket is cut off");
  const rootPage = getUint64(viewOf(value), 0);
  if (rootPage !== 0) return { type: "paged", rootPage };
  return { type: "inline", page: value.subarray(BUCKET_HEADER_BYTES) };
}

function readLeafRow(page: Uint8Array, view: DataView, element: number): LeafRow {
  const keyAt = element + view.getUint32(element + 4, true);
  const keyLength = view.getUint32(element + 8, true);
  const valueLength = view.getUint32(element + 12, true);
  return {
    isBucket: (view.getUint32(element, true) & BUCKET_ROW) !== 0,
    key: part(page, keyAt, keyLength),
    value: part(page, keyAt + keyLength, valueLength),
  };
}

function part(page: Uint8Array, at: number, length: number): Uint8Array {
  if (at + length > page.length) throw new DecodeError("bolt: a row reaches beyond its page");
  return length === 0 ? EMPTY_BYTES : page.subarray(at, at + length);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function setUint64(view: DataView, at: number, value: number): void {
  view.setBigUint64(at, BigInt(value), true);
}

function getUint64(view: DataView, at: number): number {
  const value = Number(view.getBigUint64(at, true));
  if (!Number.isSafeInteger(value)) throw new DecodeError("bolt: a number is too large");
  return value;
}

/** FNV-1a, 64 bits. */
function fnv(bytes: Uint8Array): bigint {
  let hash = FNV_OFFSET;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME);
  return hash;
}
