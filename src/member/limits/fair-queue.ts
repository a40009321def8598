/**
 * A queue in which callers have turns (deficit round robin, Shreedhar and Varghese 1995): each round gives each caller
 * the same weight to be served, so however much one of them has queued, another waits for one share of it and no more.
 * Items of one caller keep their order, and with one caller it is a plain queue. Pure.
 */
export interface FairQueueOptions<Item> {
  /** Above zero. */
  readonly weightOf: (item: Item) => number;
  /** What a caller is served of in a round; a heavier item takes several rounds. */
  readonly quantum: number;
}

/** Asked for the next item in turn; `ofCaller` of its caller's and `count` in all are chosen by then. */
export type Allow<Item> = (item: Item, caller: string, ofCaller: number, count: number) => boolean;

export class FairQueue<Item> {
  readonly #options: FairQueueOptions<Item>;
  /** In the order of their turns; each has one item at least. */
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

  /** The oldest of the caller's. */
  first(caller: string): Item | undefined {
    return this.#callers.get(caller)?.[0];
  }

  push(caller: string, item: Item): void {
    const own = this.#callers.get(caller);
    if (own === undefined) this.#callers.set(caller, [item]);
    else own.push(item);
    this.#length += 1;
  }

  /** Whose turn it is, as far as `allow` goes; a caller of whom it refuses an item has no more turns. Removes nothing. */
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

  /** What was served: its callers have their next turn after the others. */
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
