/**
 * Puts the events of several watches into the order of their revisions. A txn may write under two prefixes: the watch of
 * one prefix tells its part, and only when the stream's progress says so is it known that the other watches have told
 * theirs. So events wait here, and a reader never sees half a txn. One watch alone tells whole revisions.
 */
import type { Event } from "../../protocol/api/kv.ts";

/** All events of one revision. */
export interface Step {
  readonly revision: number;
  readonly events: readonly Event[];
}

export class Barrier {
  readonly #isAlone: boolean;
  readonly #waiting: Map<number, Event[]> = new Map();
  #bytes = 0;

  constructor(watches: number) {
    this.#isAlone = watches === 1;
  }

  /** True while events wait for the stream's progress. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** Of the keys and values that wait. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  /** Takes the events of a response. Returns the steps that are complete by it. */
  received(events: readonly Event[]): readonly Step[] {
    for (const event of events) {
      const { kv } = event;
      if (kv === undefined) continue;
      const known = this.#waiting.get(kv.modRevision);
      if (known === undefined) this.#waiting.set(kv.modRevision, [event]);
      else known.push(event);
      this.#bytes += kv.key.length + kv.value.length;
    }
    return this.#isAlone ? this.reached(Infinity) : [];
  }

  /** All watches have told everything up to this revision. Returns the steps that are complete by it. */
  reached(revision: number): readonly Step[] {
    const complete = [...this.#waiting.keys()].filter((waiting) => waiting <= revision).sort((one, two) => one - two);
    return complete.map((at) => {
      const events = this.#waiting.get(at) ?? [];
      this.#waiting.delete(at);
      for (const { kv } of events) this.#bytes -= (kv?.key.length ?? 0) + (kv?.value.length ?? 0);
      return { revision: at, events };
    });
  }
}
