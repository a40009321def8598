/**
 * Ids ordered by the time at which they are due. An id may be queued again for a later time: its earlier item is
 * skipped when it comes up. Renewals move deadlines all the time, so they do not touch the queue.
 */
interface Due {
  readonly atMs: number;
  readonly id: bigint;
}

export class LeaseQueue {
  /** A binary heap. */
  readonly #heap: Due[] = [];

  get size(): number {
    return this.#heap.length;
  }

  get first(): Due | undefined {
    return this.#heap[0];
  }

  clear(): void {
    this.#heap.length = 0;
  }

  add(id: bigint, atMs: number): void {
    const heap = this.#heap;
    const added: Due = { id, atMs };
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as Due;
      if (parent.atMs <= atMs) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = added;
  }

  removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && (heap[below + 1] as Due).atMs < (heap[below] as Due).atMs) below += 1;
      const child = heap[below] as Due;
      if (child.atMs >= last.atMs) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
  }
}
