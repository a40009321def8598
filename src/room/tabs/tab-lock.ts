/**
 * One member per browser profile and room: two tabs that open the same store would write one log with two hands.
 *
 *     ask ──► granted ──► held ──► lost (taken over)
 *       └───► waiting ──► granted when the holder is gone
 *                 └─────► taken over when the holder is silent, or a person says so
 *
 * A tab that is closed or crashes loses the lock at once. One that is frozen gives it back first (room-session.ts). One
 * whose process is stopped, or which hangs, keeps it and responds to nobody. Whoever waits therefore asks the holder
 * again and again, and takes the lock over after some questions without a response. Questions are counted and not time,
 * so a tab that did not run itself takes nothing over.
 *
 * The former holder may go on before it learns of this. The new one therefore waits until no check of the former is
 * valid any more (holder-check.ts) before it begins.
 */
import { TAKEOVER_WAIT_MS } from "./holder-check.ts";
import type { TabMessage } from "./tab-message.ts";

/** The part of navigator.locks that is needed. */
export interface LockManagerLike {
  request(
    name: string,
    options: { readonly ifAvailable?: boolean; readonly steal?: boolean; readonly signal?: AbortSignal },
    hold: (lock: object | null) => Promise<void>,
  ): Promise<unknown>;
}

export interface TabLockOptions {
  readonly name: string;
  /** Id of this tab. */
  readonly tab: string;
  readonly locks: LockManagerLike;
  /** To all other tabs of the profile. */
  readonly send: (message: TabMessage) => void;
  /** The returned function ends it. */
  readonly every: (intervalMs: number, run: () => void) => () => void;
  readonly after: (delayMs: number, run: () => void) => () => void;
  /** Another tab has it. */
  readonly onWaiting: () => void;
  /** Another tab has said that it has it; called once for each holder. */
  readonly onHolder: (tab: string) => void;
  readonly onHeld: () => void;
  /** Another tab took it over: whatever the lock protects must stop at once. */
  readonly onLost: () => void;
}

/** Hidden tabs have their timers throttled; questions are answered at once, unless the tab does not run. */
const ASK_EVERY_MS = 400;
/** Questions without a response after which the holder is silent. */
export const UNANSWERED_MAX = 4;

export class TabLock {
  readonly #options: TabLockOptions;
  #state: "asking" | "waiting" | "settling" | "held" | "over" = "asking";
  #release: (() => void) | undefined;
  readonly #waiting: AbortController = new AbortController();
  #stopTimer: (() => void) | undefined;
  #unanswered = 0;
  #holder: string | undefined;
  readonly #requests: Set<Promise<unknown>> = new Set();

  constructor(options: TabLockOptions) {
    this.#options = options;
  }

  /** Also while it waits before it begins. */
  get isHolder(): boolean {
    return this.#state === "held" || this.#state === "settling";
  }

  isWaitingFor(holder: string): boolean {
    return this.#state === "waiting" && this.#holder === holder;
  }

  /** `onHolder` is called for it once more. */
  forgetHolder(): void {
    this.#holder = undefined;
  }

  /** Rejects when the browser gives no locks at all. */
  async acquire(): Promise<void> {
    const isTaken = await this.#request({ ifAvailable: true });
    if (!isTaken || this.#state !== "asking") return;
    this.#state = "waiting";
    this.#options.onWaiting();
    this.#stopTimer = this.#options.every(ASK_EVERY_MS, () => this.#ask());
    this.#ask();
    this.#request({ signal: this.#waiting.signal }).catch(ignore);
  }

  /** Takes the lock away from a holder that is silent, or that a person cannot find. */
  takeOver(): void {
    if (this.#state !== "waiting") return;
    this.#waiting.abort();
    this.#request({ steal: true }).catch(ignore);
  }

  /** At once; resolves when the browser has the lock back. */
  async release(): Promise<void> {
    this.#state = "over";
    this.#waiting.abort();
    this.#stopTimer?.();
    this.#release?.();
    await Promise.allSettled(this.#requests);
  }

  heard(message: TabMessage): void {
    if (message.type === "ask" && this.isHolder) {
      this.#options.send({ type: "held", tab: this.#options.tab });
    } else if (message.type === "held" && this.#state === "waiting") {
      this.#unanswered = 0;
      if (this.#holder === message.tab) return;
      this.#holder = message.tab;
      this.#options.onHolder(message.tab);
    }
  }

  /** True when somebody else has it. What comes of a lock that was got is told by onLost alone. */
  async #request(how: {
    readonly ifAvailable?: boolean;
    readonly steal?: boolean;
    readonly signal?: AbortSignal;
  }): Promise<boolean> {
    let isGranted = false;
    return new Promise((resolve, reject) => {
      const { name, locks } = this.#options;
      const hold = (lock: object | null): Promise<void> => {
        isGranted = lock !== null;
        resolve(!isGranted);
        return isGranted ? this.#hold(how.steal === true) : Promise.resolve();
      };
      const request = locks.request(name, how, hold);
      this.#requests.add(request);
      request.catch((error: unknown) => {
        reject(error instanceof Error ? error : new Error(String(error)));
        // A lock that we have fails only by being stolen.
        if (isGranted) this.lost();
      });
    });
  }

  /** Also for one who found out in another way (holder-check.ts). */
  lost(): void {
    if (!this.isHolder) return;
    this.#state = "over";
    this.#stopTimer?.();
    // Whoever holds it now is not concerned.
    this.#release?.();
    this.#options.onLost();
  }

  #hold(isStolen: boolean): Promise<void> {
    if (this.#state === "over") return Promise.resolve();
    this.#stopTimer?.();
    // Whoever took it from a silent holder may have crashed right after.
    const mayRun = isStolen || this.#unanswered > 1;
    this.#state = mayRun ? "settling" : "held";
    return new Promise((resolve) => {
      this.#release = resolve;
      if (!mayRun) return this.#options.onHeld();
      this.#stopTimer = this.#options.after(TAKEOVER_WAIT_MS, () => {
        if (this.#state !== "settling") return;
        this.#state = "held";
        this.#options.onHeld();
      });
    });
  }

  #ask(): void {
    if (this.#unanswered >= UNANSWERED_MAX) return this.takeOver();
    this.#unanswered += 1;
    this.#options.send({ type: "ask", tab: this.#options.tab });
  }
}

function ignore(): void {}
