/** Who is told that something has changed. */

export class Listeners {
  readonly #runs: Set<() => void> = new Set();
  readonly #onUsed: (isUsed: boolean) => void;

  /** `onUsed` is called when the first one comes and when the last one goes. */
  constructor(onUsed: (isUsed: boolean) => void) {
    this.#onUsed = onUsed;
  }

  get isUsed(): boolean {
    return this.#runs.size > 0;
  }

  /** Returns a function that removes it. */
  add(listener: () => void): () => void {
    const run = (): void => listener();
    this.#runs.add(run);
    if (this.#runs.size === 1) this.#onUsed(true);
    return () => {
      if (this.#runs.delete(run) && this.#runs.size === 0) this.#onUsed(false);
    };
  }

  /** In turns of their own: one that throws harms no other. */
  notify(): void {
    for (const run of this.#runs) queueMicrotask(run);
  }
}
