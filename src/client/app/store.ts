/** A value that changes, as `useSyncExternalStore` and its like read it. */
export class Store<Snapshot> {
  #snapshot: Snapshot;
  readonly #listeners: Set<() => void> = new Set();

  constructor(snapshot: Snapshot) {
    this.#snapshot = snapshot;
  }

  /** The same object until something changes. */
  readonly getSnapshot = (): Snapshot => this.#snapshot;

  /** Calls the listener after each change. Returns what takes it back. */
  readonly subscribe = (listener: () => void): (() => void) => {
    // A listener of its own each time: the same function may subscribe twice.
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
