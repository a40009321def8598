/**
 * A tab looks whether it still is the holder of its room's lock before its member does anything.
 *
 * A page that did not run for a while (a stopped process, a laptop that slept, a long task) may have been taken for dead.
 * When it goes on, what waits in line for it is run in no particular order, and the news that the lock is lost may be the
 * last of it. Until then its member believes what it believed before: alone in its room it would respond to a
 * linearizable read with a state that is no longer so.
 *
 * So each input of the member passes here: timers, frames, calls. A look at the browser's locks that found the lock held
 * is valid for a while from the moment it began. Whoever takes the lock over waits longer than that before it begins.
 */

/** Validity of a look, in ms. */
export const VALID_MS = 500;
/** Time between a takeover and the first act of the new holder, in ms. Clocks of one machine run alike. */
export const TAKEOVER_WAIT_MS: number = VALID_MS + 100;
const RETRY_MS = 200;

export interface HolderCheckOptions {
  /** Asks the browser. */
  readonly isHeld: () => Promise<boolean>;
  readonly nowMs: () => number;
  readonly after: (delayMs: number, run: () => void) => void;
  /** The lock is another tab's. Called once. */
  readonly onLost: () => void;
}

export class HolderCheck {
  readonly #options: HolderCheckOptions;
  /** When the last look that found the lock held began. */
  #heldMs: number = Number.NEGATIVE_INFINITY;
  #waiting: { readonly input: () => void; readonly drop: () => void }[] = [];
  #isLooking = false;
  #isOver = false;

  constructor(options: HolderCheckOptions) {
    this.#options = options;
  }

  /** Inputs that wait for a look. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** True if an input may run at once. A look that is soon too old is renewed. */
  get isValid(): boolean {
    if (this.#isOver) return false;
    const ageMs = this.#options.nowMs() - this.#heldMs;
    if (ageMs >= VALID_MS / 2) void this.#look();
    return ageMs < VALID_MS && this.#waiting.length === 0;
  }

  /** Runs the input at once, or once it is known that the lock is held, in order; `drop` instead when it is lost. */
  run(input: () => void, drop: () => void = ignore): void {
    if (this.isValid) input();
    else if (this.#isOver) drop();
    else this.#waiting.push({ input, drop });
  }

  /** Nothing runs any more. */
  end(): void {
    this.#isOver = true;
    for (const { drop } of this.#waiting.splice(0)) drop();
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const sinceMs = this.#options.nowMs();
    let isHeld: boolean | undefined;
    try {
      isHeld = await this.#options.isHeld();
    } catch {
      // A page that is not shown gets no answer. It is asked again.
    }
    this.#isLooking = false;
    if (this.#isOver) return;
    if (isHeld === undefined) return this.#options.after(RETRY_MS, () => void this.#look());
    if (!isHeld) {
      this.end();
      return this.#options.onLost();
    }
    this.#heldMs = sinceMs;
    this.#runWaiting();
  }

  #runWaiting(): void {
    while (this.#waiting.length > 0 && !this.#isOver) {
      // It did not run again meanwhile.
      if (this.#options.nowMs() - this.#heldMs >= VALID_MS) return void this.#look();
      this.#waiting.shift()?.input();
    }
  }
}

function ignore(): void {}
