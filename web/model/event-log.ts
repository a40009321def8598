/**
 * The latest events of all keys, bounded in number and in bytes: of a value only the beginning is kept. While it is
 * paused it shows the same events and counts the new ones.
 */
import type { WatchEvent } from "../../src/client/common/types.ts";
import { keyText, previewOf } from "./bytes-text.ts";
import type { Shown } from "./bytes-text.ts";

export interface LoggedEvent {
  readonly serial: number;
  readonly type: "PUT" | "DELETE";
  readonly revision: number;
  readonly key: string;
  readonly value: Shown | undefined;
}

const MAX_EVENTS = 100;

export class EventLog {
  #events: readonly LoggedEvent[] = [];
  #serial = 0;
  #missed = 0;
  #isPaused = false;

  /** Newest first. */
  get events(): readonly LoggedEvent[] {
    return this.#events;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Events that came while it was paused. */
  get missed(): number {
    return this.#missed;
  }

  add(events: readonly WatchEvent[]): void {
    if (this.#isPaused) {
      this.#missed += events.length;
      return;
    }
    const fresh = events.slice(-MAX_EVENTS).map(({ type, kv }): LoggedEvent => {
      this.#serial += 1;
      return {
        serial: this.#serial,
        type,
        revision: kv.modRevision,
        key: keyText(kv.key),
        value: type === "PUT" ? previewOf(kv.value) : undefined,
      };
    });
    this.#events = [...fresh.reverse(), ...this.#events].slice(0, MAX_EVENTS);
  }

  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
    this.#missed = 0;
  }

  clear(): void {
    this.#events = [];
    this.#missed = 0;
  }
}
