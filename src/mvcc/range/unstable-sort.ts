/**
 * Sorts rows and leaves equal ones in the order in which etcd leaves them. etcd sorts with Go's `sort.Sort`, a
 * pattern-defeating quicksort (Orson Peters, https://arxiv.org/pdf/2106.05123), which is not stable: the choice of
 * pivots decides which of two rows of one version comes first. That is deterministic, so clients see it, page by it,
 * and compare by it. The decisions here are therefore Go's, and only those matter.
 */

/** Up to this number of rows, insertion sort is used, which is stable. */
const INSERTION_MAX = 12;
const NINTHER_MIN = 50;
const SHIFTING_MIN = 50;
const SHIFTS_MAX = 5;
/** If every comparison for a ninther finds its pair in the wrong order, the rows are descending. */
const SWAPS_OF_FALLING = 12;

/** Sorts in place. The sort is not stable. */
export function unstableSort<Row>(rows: Row[], order: (left: Row, right: Row) => number): void {
  if (rows.length > 1) new Sorting(rows, order).between(0, rows.length, bitLength(rows.length));
}

class Sorting<Row> {
  readonly #rows: Row[];
  readonly #order: (left: Row, right: Row) => number;

  constructor(rows: Row[], order: (left: Row, right: Row) => number) {
    this.#rows = rows;
    this.#order = order;
  }

  /** `badPivots`: how many bad pivots are allowed before heapsort takes over. */
  between(from: number, to: number, badPivots: number): void {
    let [start, end, left] = [from, to, badPivots];
    let wasBalanced = true;
    let wasPartitioned = true;
    while (end - start > INSERTION_MAX) {
      if (left === 0) return this.#heap(start, end);
      if (!wasBalanced) {
        this.#scatter(start, end);
        left--;
      }
      const chosen = this.#choosePivot(start, end);
      let pivot = chosen.at;
      if (chosen.swaps === SWAPS_OF_FALLING) {
        this.#reverse(start, end);
        pivot = end - 1 - (pivot - start);
      }
      const looksSorted = chosen.swaps === 0 || chosen.swaps === SWAPS_OF_FALLING;
      if (wasBalanced && wasPartitioned && looksSorted && this.#nearlySorted(start, end)) return;
      // No row left of here is greater, so the pivot is the smallest. Its equals go first and are done.
      if (start > 0 && !this.#less(start - 1, pivot)) {
        start = this.#splitEqual(start, end, pivot);
        continue;
      }
      const { middle, wasSplit } = this.#split(start, end, pivot);
      wasPartitioned = wasSplit;
      const smaller = Math.min(middle - start, end - middle);
      wasBalanced = smaller >= Math.floor((end - start) / 8);
      if (middle - start < end - middle) {
        this.between(start, middle, left);
        start = middle + 1;
      } else {
        this.between(middle + 1, end, left);
        end = middle;
      }
    }
    this.#insertion(start, end);
  }

  #less(left: number, right: number): boolean {
    return this.#order(this.#rows[left] as Row, this.#rows[right] as Row) < 0;
  }

  #swap(left: number, right: number): void {
    const row = this.#rows[left] as Row;
    this.#rows[left] = this.#rows[right] as Row;
    this.#rows[right] = row;
  }

  #insertion(start: number, end: number): void {
    for (let next = start + 1; next < end; next++) {
      for (let at = next; at > start && this.#less(at, at - 1); at--) this.#swap(at, at - 1);
    }
  }

  /** Moves rows below the pivot to the left of `middle`, where the pivot ends up. `wasSplit` if nothing had to move. */
  #split(start: number, end: number, pivot: number): { readonly middle: number; readonly wasSplit: boolean } {
    this.#swap(start, pivot);
    let low = start + 1;
    let high = end - 1;
    for (let wasSplit = true; ; wasSplit = false) {
      while (low <= high && this.#less(low, start)) low++;
      while (low <= high && !this.#less(high, start)) high--;
      if (low > high) {
        this.#swap(high, start);
        return { middle: high, wasSplit };
      }
      this.#swap(low++, high--);
    }
  }

  /** Moves rows equal to the pivot to the front. Returns where the greater ones begin. */
  #splitEqual(start: number, end: number, pivot: number): number {
    this.#swap(start, pivot);
    let low = start + 1;
    let high = end - 1;
    for (;;) {
      while (low <= high && !this.#less(start, low)) low++;
      while (low <= high && this.#less(start, high)) high--;
      if (low > high) return low;
      this.#swap(low++, high--);
    }
  }

  /** Swaps a few pairs that are in the wrong order. Returns true if all is sorted then. */
  #nearlySorted(start: number, end: number): boolean {
    let at = start + 1;
    for (let mended = 0; mended < SHIFTS_MAX; mended++) {
      while (at < end && !this.#less(at, at - 1)) at++;
      if (at === end) return true;
      if (end - start < SHIFTING_MIN) return false;
      this.#swap(at, at - 1);
      // Go's shift to the left does not stop at `start`, and need not: no row before it is greater.
      if (at - start >= 2) for (let to = at - 1; to >= 1 && this.#less(to, to - 1); to--) this.#swap(to, to - 1);
      if (end - at >= 2) for (let to = at + 1; to < end && this.#less(to, to - 1); to++) this.#swap(to, to - 1);
    }
    return false;
  }

  #choosePivot(start: number, end: number): { readonly at: number; readonly swaps: number } {
    const quarter = Math.floor((end - start) / 4);
    const median = new Median((left, right) => this.#less(left, right));
    let candidates: [number, number, number] = [start + quarter, start + quarter * 2, start + quarter * 3];
    if (end - start >= NINTHER_MIN) {
      const [first, second, third] = candidates;
      candidates = [median.around(first), median.around(second), median.around(third)];
    }
    return { at: median.of(...candidates), swaps: median.swaps };
  }

  /**
   * Moves three rows of the middle to places that only the length decides, so that no pattern can spoil every pivot.
   */
  #scatter(start: number, end: number): void {
    const length = end - start;
    let random = BigInt(length);
    const mask = (1n << BigInt(bitLength(length))) - 1n;
    const middle = start + Math.floor(length / 4) * 2;
    for (let at = middle - 1; at <= middle + 1; at++) {
      random ^= BigInt.asUintN(64, random << 13n);
      random ^= random >> 7n;
      random ^= BigInt.asUintN(64, random << 17n);
      const other = Number(random & mask);
      this.#swap(at, start + (other >= length ? other - length : other));
    }
  }

  #reverse(start: number, end: number): void {
    for (let [low, high] = [start, end - 1]; low < high; low++, high--) this.#swap(low, high);
  }

  #heap(start: number, end: number): void {
    const length = end - start;
    for (let root = Math.floor((length - 1) / 2); root >= 0; root--) this.#sift(start, root, length);
    for (let last = length - 1; last >= 0; last--) {
      this.#swap(start, start + last);
      this.#sift(start, 0, last);
    }
  }

  #sift(start: number, from: number, length: number): void {
    for (let root = from, child = 2 * root + 1; child < length; child = 2 * root + 1) {
      if (child + 1 < length && this.#less(start + child, start + child + 1)) child++;
      if (!this.#less(start + root, start + child)) return;
      this.#swap(start + root, start + child);
      root = child;
    }
  }
}

/** Returns the one of three places whose row is the median. Counts the pairs in the wrong order. */
class Median {
  swaps = 0;
  readonly #less: (left: number, right: number) => boolean;

  constructor(less: (left: number, right: number) => boolean) {
    this.#less = less;
  }

  of(first: number, second: number, third: number): number {
    const [low, high] = this.#pair(first, second);
    const [middle] = this.#pair(high, third);
    return this.#pair(low, middle)[1];
  }

  around(at: number): number {
    return this.of(at - 1, at, at + 1);
  }

  #pair(left: number, right: number): [number, number] {
    if (!this.#less(right, left)) return [left, right];
    this.swaps++;
    return [right, left];
  }
}

function bitLength(value: number): number {
  return 32 - Math.clz32(value);
}
