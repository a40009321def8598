/** A histogram with a fixed number of buckets, so that its memory does not grow. */

export class Histogram {
  /** Upper bounds, ascending. A value above the last one counts in the sum and the count only. */
  readonly bounds: readonly number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  observe(value: number): void {
    this.#count += 1;
    this.#sum += value;
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] as number)) at += 1;
    if (at < this.bounds.length) this.#counts[at] = (this.#counts[at] as number) + 1;
  }

  /** Returns the number of observations at or below each bound. */
  cumulative(): readonly number[] {
    let sum = 0;
    return this.#counts.map((count) => (sum += count));
  }
}

/** Returns `count` bounds: `start`, then each the double of the previous one. */
export function doublings(start: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => start * 2 ** at);
}
