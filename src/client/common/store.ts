/** A changing value in the form that `useSyncExternalStore` and similar functions read. */
export class Store<Snapshot> {
  #snapshot: Snapshot;
  readonly #listeners: Set<() => void> = new Set();

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** Returns the same object until the value changes. */
  readonly getSnapshot = (): Snapshot => this.#snapshot;

  /** Calls the listener after each change. Returns a function that unsubscribes it. */
  readonly subscribe = (listener: () => void): (() => void) => {
    // A new function each time, because the same listener may be subscribed twice.
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  };

  set(snapshot: Snapshot): void {
    if (Object.is(snapshot, this.#snapshot)) return;
    this.#snapshot = snapshot;
    for (const listener of this.#listeners) listener();
  }
}
