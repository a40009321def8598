/** A lock that only this tab asks for, as long as it has the room open: others know by it that the tab is there. */

export class OwnLock {
  readonly #name: string;
  readonly #over: AbortController = new AbortController();

  constructor(name: string) {
    this.#name = name;
  }

  /** Aborted when it is released. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Resolves when it is held. Rejects when the browser gives no locks. */
  acquire(): Promise<void> {
    const { signal } = this.#over;
    const isOver = new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    return new Promise((resolve, reject) => {
      const hold = (): Promise<void> => {
        resolve();
        return isOver;
      };
      navigator.locks.request(this.#name, hold).catch(reject);
    });
  }

  release(): void {
    this.#over.abort();
  }

  /** Whether this page holds that lock too, as the browser says: pages are told apart by what only they hold. */
  async isBesideLock(name: string): Promise<boolean> {
    const { held = [] } = await navigator.locks.query();
    const own = held.find((lock) => lock.name === this.#name)?.clientId;
    return own !== undefined && held.some((lock) => lock.name === name && lock.clientId === own);
  }
}

/** Calls back when nobody holds the lock, unless the signal has aborted. */
export function whenFree(name: string, signal: AbortSignal, free: () => void): void {
  const request = navigator.locks.request(name, { signal }, () => free());
  // It was aborted.
  request.catch(() => {});
}
