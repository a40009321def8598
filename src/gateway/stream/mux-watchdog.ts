/**
 * Ends a multiplexed connection whose caller is silent, or that has no stream. It looks now and then, and not at all
 * while its server is saved: a timer would keep the server in memory.
 */
import { CARRIER_SILENT_MAX_MS, QUIET_SILENT_MAX_MS } from "../../protocol/mux-frame.ts";
import type { MuxSocket } from "./mux-sender.ts";

export interface WatchdogHost {
  readonly socket: MuxSocket;
  readonly hasStreams: () => boolean;
  /** True if only streams are open that may be silent for long, and the caller knows it. */
  readonly isQuiet: () => boolean;
  readonly onSilent: () => void;
  readonly onUnused: () => void;
}

export interface WatchdogTimes {
  readonly silentAfterMs?: number | undefined;
}

/** Number of checks per `silentAfterMs`. */
const LOOKS = 6;
/** A minute by default. A proxy closes an unused connection earlier. */
const UNUSED_LOOKS_MAX = 40;

export class MuxWatchdog {
  readonly #host: WatchdogHost;
  readonly #everyMs: number;
  readonly #quietLooks: number;
  #timer: ReturnType<typeof setInterval> | undefined;
  #isHeard = true;
  /** Whether a stream was opened since the last check. */
  #isUsed = false;
  /** Consecutive checks without a received frame. */
  #silentLooks = 0;
  #unusedLooks = 0;
  #pingedMs = 0;
  #isOver = false;

  constructor(host: WatchdogHost, { silentAfterMs = CARRIER_SILENT_MAX_MS }: WatchdogTimes) {
    this.#host = host;
    this.#everyMs = silentAfterMs / LOOKS;
    this.#quietLooks = Math.ceil(QUIET_SILENT_MAX_MS / this.#everyMs);
  }

  heard(): void {
    this.#isHeard = true;
  }

  used(): void {
    this.#isUsed = true;
  }

  /** Looks from now on. */
  watch(): void {
    if (!this.#isOver) this.#timer ??= setInterval(() => this.#look(), this.#everyMs);
  }

  /** Looks no more, until `watch` is called. */
  rest(): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
    this.#timer = undefined;
    this.#silentLooks = 0;
  }

  stop(): void {
    this.rest();
    this.#isOver = true;
  }

  #look(): void {
    const { socket, hasStreams, isQuiet, onSilent, onUnused } = this.#host;
    const pingedMs = socket.hibernation?.pingedMs() ?? 0;
    const isHeard = this.#isHeard || pingedMs > this.#pingedMs;
    this.#silentLooks = isHeard ? 0 : this.#silentLooks + 1;
    // The last frame arrived between two checks, so one check less already covers the allowed silence.
    if (this.#silentLooks >= (isQuiet() ? this.#quietLooks : LOOKS) - 1) return onSilent();
    this.#unusedLooks = hasStreams() || this.#isUsed ? 0 : this.#unusedLooks + 1;
    if (this.#unusedLooks >= UNUSED_LOOKS_MAX) return onUnused();
    this.#pingedMs = pingedMs;
    this.#isHeard = false;
    this.#isUsed = false;
  }
}
