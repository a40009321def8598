/**
 * A queue in which callers take turns (deficit round robin, Shreedhar and Varghese 1995). Each round serves the same
 * weight of each caller. So however much one caller has queued, another waits for one share of it and no more. Items of
 * one caller keep their order, and with one caller it is a plain queue. Pure.
 */
export interface FairQueueOptions<Item> {
  /** Weight of an item; above zero. */
  readonly weightOf: (item: Item) => number;
  /** Weight served per caller and round. A heavier item takes several rounds. */
  readonly quantum: number;
}

/** Called for the next item in turn. By then `ofCaller` items of its caller and `count` in all have been selected. */
export type Allow<Item> = (item: Item, caller: string, ofCaller: number, count: number) => boolean;

export class FairQueue<Item> {
  readonly #options: FairQueueOptions<Item>;
  /** In the order of their turns. Each has at least one item. */
  readonly #callers: Map<string, Item[]> = new Map();
  #length = 0;

  constructor(options: FairQueueOptions<Item>) {
    this.#options = options;
  }

  get length(): number {
    return this.#length;
  }

  get callers(): Iterable<string> {
    return this.#callers.keys();
  }

  /** The caller's oldest item. */
  first(caller: string): Item | undefined {
    return this.#callers.get(caller)?.[0];
  }

  push(caller: string, item: Item): void {
    const own = this.#callers.get(caller);
    if (own === undefined) this.#callers.set(caller, [item]);
    else own.push(item);
    this.#length += 1;
  }

  /**
   * Selects items in turn while `allow` returns true. A caller with a refused item gets no further turn. Removes
   * nothing.
   */
  select(allow: Allow<Item>): Item[] {
    const { weightOf, quantum } = this.#options;
    const chosen: Item[] = [];
    let turns = [...this.#callers].map(([caller, items]) => ({ caller, items, at: 0, credit: 0 }));
    while (turns.length > 0) {
      turns = turns.filter((turn) => {
        turn.credit += quantum;
        for (let item = turn.items[turn.at]; item !== undefined; item = turn.items[turn.at]) {
          if (turns.length > 1 && weightOf(item) > turn.credit) return true;
          if (!allow(item, turn.caller, turn.at, chosen.length)) return false;
          turn.credit -= weightOf(item);
          turn.at += 1;
          chosen.push(item);
        }
        return false;
      });
    }
    return chosen;
  }

  /** Removes served items. Their callers have their next turn after the others. */
  remove(served: readonly Item[]): void {
    if (served.length === 0) return;
    const gone = new Set(served);
    for (const [caller, items] of [...this.#callers]) {
      const left = items.filter((item) => !gone.has(item));
      if (left.length === items.length) continue;
      this.#length -= items.length - left.length;
      this.#callers.delete(caller);
      if (left.length > 0) this.#callers.set(caller, left);
    }
  }
}
