/** How often something took how long, in a fixed number of classes: the memory of it does not grow. */

export class Histogram {
  /** Upper bounds, ascending; what lies above the last one counts in the sum and the count alone. */
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

  /** How many were at most as much, for each bound. */
  cumulative(): readonly number[] {
    let sum = 0;
    return this.#counts.map((count) => (sum += count));
  }
}

/** `start`, and then each time twice as much. */
export function doublings(start: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => start * 2 ** at);
}
