/**
 * The keys that a user has permission for: the union of the ranges of all its roles. A request's range is allowed if
 * the union covers all of it. Ranges that touch count as one, and no single role need cover it alone.
 */
import { bytesToLatin1 } from "../base/bytes.ts";
import { SpanTree } from "./span-tree.ts";
import type { Span } from "./span-tree.ts";

/** A range as etcd encodes it: no end means the key alone, the end "\0" all keys from it on. */
export interface KeySpec {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export class KeyUnion {
  /** Sorted, with a gap between any two. */
  readonly #spans: readonly Span[];
  /** In the order in which they were given. */
  readonly #specs: readonly KeySpec[];
  #tree: SpanTree | undefined;

  constructor(specs: readonly KeySpec[]) {
    this.#specs = specs;
    const sorted = specs.map(spanOf).filter((span) => span.end === undefined || span.start < span.end);
    sorted.sort((left, right) => (left.start < right.start ? -1 : left.start > right.start ? 1 : 0));
    const joined: Span[] = [];
    for (const span of sorted) {
      const last = joined[joined.length - 1];
      if (last === undefined || (last.end !== undefined && last.end < span.start)) joined.push(span);
      else joined[joined.length - 1] = { start: last.start, end: laterEnd(last.end, span.end) };
    }
    this.#spans = joined;
  }

  /**
   * Returns whether the union covers the range. A range that ends at or before its key contains no keys. It is covered
   * if the union contains its key, and if etcd's search reaches the node that contains it.
   */
  covers(spec: KeySpec): boolean {
    const { start, end } = spanOf(spec);
    if (end !== undefined && end <= start) {
      this.#tree ??= new SpanTree(this.#specs.map(spanOf));
      return this.#tree.findsBackwards(start, end);
    }
    const span = this.#lastStartingUpTo(start);
    if (span === undefined) return false;
    if (span.end === undefined) return true;
    return start < span.end && end !== undefined && end <= span.end;
  }

  #lastStartingUpTo(key: string): Span | undefined {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#spans[middle] as Span).start <= key) low = middle + 1;
      else high = middle;
    }
    return this.#spans[low - 1];
  }
}

/** Keys as latin1 text, which sorts like their bytes. */
function spanOf({ key, rangeEnd }: KeySpec): Span {
  const start = bytesToLatin1(key);
  if (rangeEnd.length === 0) return { start, end: `${start}\0` };
  if (isFromKey(rangeEnd)) return { start, end: undefined };
  return { start, end: bytesToLatin1(rangeEnd) };
}

export function isFromKey(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

function laterEnd(left: string | undefined, right: string | undefined): string | undefined {
  if (left === undefined || right === undefined) return undefined;
  return left < right ? right : left;
}
