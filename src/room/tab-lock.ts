/**
 * One member per browser profile and room: two tabs that open the same store would write one log with two hands.
 *
 *     ask ──► granted ──► held ──► lost (taken over by force)
 *       └───► waiting ──► granted when the holder is gone
 *                 └─────► by force, when a person says so
 *
 * A frozen tab keeps its lock and answers nobody, for hours. Whoever waits therefore asks the holder again and again
 * whether it lives; after a long silence the page offers to take over, and never does it by itself.
 */

/** The part of navigator.locks that is needed. */
export interface LockManagerLike {
  request(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly steal?: boolean; readonly signal?: AbortSignal },
    hold: (lock: object | null) => Promise<void>,
  ): Promise<unknown>;
}

/** The part of a BroadcastChannel that is needed. */
export interface BroadcastLike {
  say(message: string): void;
  close(): void;
}

export interface TabLockOptions {
  readonly name: string;
  readonly locks: LockManagerLike;
  /** To all tabs of the profile, and from them. */
  readonly broadcast: (name: string, heard: (message: unknown) => void) => BroadcastLike;
  readonly nowMs: () => number;
  readonly every: (intervalMs: number, run: () => void) => () => void;
  /** Another tab has it; told again when the holder falls silent or speaks again. */
  readonly onWaiting: (isHolderSilent: boolean) => void;
  readonly onHeld: () => void;
  /** Another tab took it by force: whatever the lock protects must stop at once. */
  readonly onLost: () => void;
}

/** Hidden tabs have their timers throttled to one a minute; messages are answered at once, unless the tab is frozen. */
export const SILENT_AFTER_MS: number = 75_000;
const ASK_EVERY_MS = 5_000;

export class TabLock {
  readonly #options: TabLockOptions;
  readonly #channel: BroadcastLike;
  #state: "asking" | "waiting" | "held" | "over" = "asking";
  #release: (() => void) | undefined;
  #waiting: AbortController = new AbortController();
  #stopAsking: (() => void) | undefined;
  #heardMs = 0;
  readonly #requests: Set<Promise<unknown>> = new Set();

  constructor(options: TabLockOptions) {
    this.#options = options;
    this.#channel = options.broadcast(options.name, (message) => this.#heard(message));
  }

  /** Rejects when the browser gives no locks at all. */
  async acquire(): Promise<void> {
    const isTaken = await this.#request({ ifAvailable: true });
    if (!isTaken || this.#state === "over") return;
    this.#state = "waiting";
    this.#heardMs = this.#options.nowMs();
    this.#options.onWaiting(false);
    this.#stopAsking = this.#options.every(ASK_EVERY_MS, () => this.#ask());
    this.#ask();
    this.#request({ signal: this.#waiting.signal }).catch(ignore);
  }

  /** For a person to decide, when the holder is silent. */
  takeOver(): void {
    if (this.#state !== "waiting") return;
    this.#waiting.abort();
    this.#request({ steal: true }).catch(ignore);
  }

  /** At once; resolves when the browser has the lock back. */
  async release(): Promise<void> {
    this.#state = "over";
    this.#waiting.abort();
    this.#stopAsking?.();
    this.#release?.();
    this.#channel.close();
    await Promise.allSettled(this.#requests);
  }

  /** True when somebody else has it. What comes of a lock that was got is told by onLost alone. */
  async #request(how: {
    readonly ifAvailable?: boolean;
    readonly steal?: boolean;
    readonly signal?: AbortSignal;
  }): Promise<boolean> {
    let isGranted = false;
    return new Promise((resolve, reject) => {
      const { name, locks, onLost } = this.#options;
      const hold = (lock: object | null): Promise<void> => {
        isGranted = lock !== null;
        resolve(!isGranted);
        return isGranted ? this.#hold() : Promise.resolve();
      };
      const request = locks.request(name, how, hold);
      this.#requests.add(request);
      request.catch((error: unknown) => {
        reject(error instanceof Error ? error : new Error(String(error)));
        // A lock that we have fails only by being stolen.
        if (!isGranted || this.#state !== "held") return;
        this.#state = "over";
        onLost();
      });
    });
  }

  #hold(): Promise<void> {
    if (this.#state === "over") return Promise.resolve();
    this.#state = "held";
    this.#stopAsking?.();
    return new Promise((resolve) => {
      this.#release = resolve;
      this.#options.onHeld();
    });
  }

  #ask(): void {
    this.#channel.say("who holds it?");
    this.#options.onWaiting(this.#options.nowMs() - this.#heardMs >= SILENT_AFTER_MS);
  }

  #heard(message: unknown): void {
    if (message === "who holds it?" && this.#state === "held") this.#channel.say("I do");
    else if (message === "I do" && this.#state === "waiting") {
      this.#heardMs = this.#options.nowMs();
      this.#options.onWaiting(false);
    }
  }
}

function ignore(): void {}
