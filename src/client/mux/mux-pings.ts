/**
 * Finds out that a member is gone. While a call is under way, a ping is sent every two seconds, for the member too: it ends
 * the calls of a caller that is silent. While only watches and keep-alives are open, one every half minute is enough, and
 * as text it does not wake a member that hibernates. When the platform says that it is back (a network, a page that is
 * shown again), one is sent at once.
 */
import { KEEP_ALIVE_PONG } from "../../protocol/keep-alive.ts";
import { CARRIER_PING_EVERY_MS, QUIET_PING_EVERY_MS } from "../../protocol/mux-frame.ts";

export interface PingHost {
  readonly ping: (asText: boolean) => void;
  /** True if only watches and keep-alives are open. */
  readonly isQuiet: () => boolean;
  readonly onSilent: () => void;
}

/** A member may be busy for some seconds. Its callers lose more by a reconnect than by waiting. */
const UNANSWERED_PINGS_MAX = 10;
interface Listening {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

/** After these events of a page its connections may be dead. */
function backEvents(): readonly (readonly [Listening, string])[] {
  const page = globalThis as Listening & { readonly document?: Listening };
  // Other platforms have neither.
  if (page.document === undefined) return [];
  return [
    [page, "online"],
    [page.document, "visibilitychange"],
  ];
}

export class MuxPings {
  readonly #host: PingHost;
  readonly #everyMs: number;
  readonly #onBack = (): void => this.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isHeard = true;
  /** Consecutive pings without a reply. */
  #unanswered = 0;
  /** The member answers pings as text. */
  #takesText = false;

  constructor(host: PingHost, everyMs: number = CARRIER_PING_EVERY_MS) {
    this.#host = host;
    this.#everyMs = everyMs;
  }

  start(): void {
    for (const [target, event] of backEvents()) target.addEventListener?.(event, this.#onBack);
    this.reconsider();
  }

  stop(): void {
    for (const [target, event] of backEvents()) target.removeEventListener?.(event, this.#onBack);
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  /** Returns true for what is not a frame, but the answer to a ping. */
  heard(data: unknown): boolean {
    this.#isHeard = true;
    if (data !== KEEP_ALIVE_PONG) return false;
    if (!this.#takesText) {
      this.#takesText = true;
      this.reconsider();
    }
    return true;
  }

  /** Call it when the first call was made, or the last one has ended. */
  reconsider(): void {
    this.#after(this.#isQuiet ? QUIET_PING_EVERY_MS : this.#everyMs, () => this.now());
  }

  now(): void {
    this.#unanswered = this.#isHeard ? 0 : this.#unanswered + 1;
    if (this.#unanswered === UNANSWERED_PINGS_MAX) return this.#host.onSilent();
    this.#isHeard = false;
    this.#host.ping(this.#takesText);
    // The answer is due soon, however long it is until the next ping.
    this.#after(this.#everyMs, () => (this.#isHeard && this.#isQuiet ? this.reconsider() : this.now()));
  }

  get #isQuiet(): boolean {
    return this.#takesText && this.#host.isQuiet();
  }

  #after(delayMs: number, run: () => void): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#timer = setTimeout(run, delayMs);
  }
}
