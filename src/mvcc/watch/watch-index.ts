/**
 * Watchers by the keys that they watch, so that an event finds its watchers without a look at the others. Watchers of
 * the same keys share a spot; there, those of the same shape share their events.
 */
import { bytesToLatin1 } from "../../base/bytes.ts";
import type { Event } from "../../protocol/api/kv.ts";
import { IntervalTree } from "./interval-tree.ts";
import type { WatchShape, Watcher } from "./watcher.ts";

export interface WatchParty {
  readonly shape: WatchShape;
  readonly watchers: Set<Watcher>;
}

export interface WatchSpot {
  readonly start: string;
  readonly end: string | undefined;
  readonly single: boolean;
  readonly parties: WatchParty[];
  /** Filled between the first matching event and the end of the delivery. */
  matched: Event[];
}

export class WatchIndex {
  readonly #singles: Map<string, WatchSpot> = new Map();
  readonly #ranges: IntervalTree<WatchSpot> = new IntervalTree();
  readonly #watchers: Set<Watcher> = new Set();

  get size(): number {
    return this.#watchers.size;
  }

  get watchers(): ReadonlySet<Watcher> {
    return this.#watchers;
  }

  add(watcher: Watcher): void {
    this.#watchers.add(watcher);
    const { parties } = this.#spotOf(watcher) ?? this.#newSpot(watcher);
    const party = parties.find((candidate) => sameShape(candidate.shape, watcher.shape));
    if (party === undefined) parties.push({ shape: watcher.shape, watchers: new Set([watcher]) });
    else party.watchers.add(watcher);
  }

  delete(watcher: Watcher): void {
    const spot = this.#spotOf(watcher);
    if (!this.#watchers.delete(watcher) || spot === undefined) return;
    const at = spot.parties.findIndex((party) => party.watchers.delete(watcher));
    if (spot.parties[at]?.watchers.size !== 0) return;
    spot.parties.splice(at, 1);
    if (spot.parties.length > 0) return;
    if (spot.single) this.#singles.delete(spot.start);
    else this.#ranges.remove(spot);
  }

  /** Adds the event to `matched` of every spot that wants it. Adds each spot that had none yet to `touched`. */
  match(event: Event, key: Uint8Array, touched: WatchSpot[]): void {
    const name = bytesToLatin1(key);
    const mark = (spot: WatchSpot): void => {
      if (spot.matched.push(event) === 1) touched.push(spot);
    };
    const single = this.#singles.get(name);
    if (single !== undefined) mark(single);
    this.#ranges.stab(name, mark);
  }

  #spotOf(watcher: Watcher): WatchSpot | undefined {
    const { start, end } = watcher.keys;
    return end === null ? this.#singles.get(start) : this.#ranges.find(start, end);
  }

  #newSpot(watcher: Watcher): WatchSpot {
    const { start, end } = watcher.keys;
    const spot: WatchSpot = { start, end: end ?? undefined, single: end === null, parties: [], matched: [] };
    if (spot.single) this.#singles.set(start, spot);
    else this.#ranges.insert(spot);
    return spot;
  }
}

function sameShape(one: WatchShape, other: WatchShape): boolean {
  return one.noPut === other.noPut && one.noDelete === other.noDelete && one.prevKv === other.prevKv;
}
