/** Virtual time: events in order of their time, and of their creation if times are equal. A binary heap. */

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

export class EventQueue {
  readonly #heap: Event[] = [];
  #order = 0;
  #nowMs = 0;
  #deferred: (() => void)[] = [];
  /** Number of events run so far. */
  steps = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, run, cancelled: false };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** Runs at the end of the current event, before the next one. */
  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  /** Runs events up to `endMs`, and `afterEach` after each of them. */
  runUntil(endMs: number, afterEach: () => void): void {
    while (this.#runNext(endMs)) {
      while (this.runDeferred());
      afterEach();
    }
    this.#nowMs = endMs;
  }

  /** The same, where events also settle promises: all that follows from an event happens before the next one. */
  async runUntilSettled(endMs: number, afterEach: () => void): Promise<void> {
    while (this.#runNext(endMs)) {
      do {
        while (this.runDeferred());
        await microtasks();
      } while (this.#deferred.length > 0);
      afterEach();
    }
    this.#nowMs = endMs;
  }

  /** Returns whether there was anything. */
  runDeferred(): boolean {
    const deferred = this.#deferred;
    if (deferred.length === 0) return false;
    this.#deferred = [];
    for (const run of deferred) run();
    return true;
  }

  #runNext(endMs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) return false;
      this.#pop();
      if (next.cancelled) continue;
      this.#nowMs = next.atMs;
      this.steps++;
      next.run();
      return true;
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
  }
}

function before(left: Event, right: Event): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order);
}

/** Resolves when no promise is left that could be settled now. Nothing here waits for anything else. */
function microtasks(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
