/**
 * A simple model of the store: the whole state of every revision, kept forever. It shares no code with the real store.
 * store-model.test.ts compares the two.
 */

export interface ModelPair {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
}

export interface ModelEvent {
  readonly type: "PUT" | "DELETE";
  readonly key: string;
  readonly value: string;
  readonly mod: number;
}

export type ModelOp =
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "delete"; readonly key: string; readonly end: string }
  | { readonly type: "txn"; readonly ops: readonly ModelOp[] };

export interface ModelRange {
  readonly key: string;
  readonly end: string;
  readonly revision: number;
  readonly limit: number;
  readonly order: "NONE" | "ASCEND" | "DESCEND";
  readonly target: "KEY" | "VERSION" | "CREATE" | "MOD" | "VALUE";
  readonly minMod: number;
  readonly maxMod: number;
  readonly minCreate: number;
  readonly maxCreate: number;
}

export interface ModelAnswer {
  readonly pairs: readonly ModelPair[];
  readonly more: boolean;
  readonly count: number;
}

type State = readonly ModelPair[];

export function covers(key: string, end: string, candidate: string): boolean {
  if (end === "") return candidate === key;
  return candidate >= key && (end === "\0" || candidate < end);
}

export class StoreModel {
  revision = 1;
  compactRevision = -1;
  /** states[r] holds what is live at revision r. */
  readonly states: State[] = [[], []];
  /** events[r] holds the events of revision r. */
  readonly events: ModelEvent[][] = [[], []];

  write(op: ModelOp): readonly ModelEvent[] {
    const events: ModelEvent[] = [];
    const state = this.#apply(this.states[this.revision] ?? [], op, this.revision + 1, events);
    if (events.length === 0) return events;
    this.revision++;
    this.states[this.revision] = state;
    this.events[this.revision] = events;
    return events;
  }

  range(range: ModelRange): ModelAnswer | "compacted" | "future" {
    if (range.revision > this.revision) return "future";
    const at = range.revision <= 0 ? this.revision : range.revision;
    if (at < this.compactRevision) return "compacted";
    const all = (this.states[at] ?? []).filter((pair) => covers(range.key, range.end, pair.key));
    const filters = range.minMod !== 0 || range.maxMod !== 0 || range.minCreate !== 0 || range.maxCreate !== 0;
    let pairs = [...all].sort((left, right) => (left.key < right.key ? -1 : 1));
    if (!filters && range.order === "NONE" && range.limit > 0) pairs = pairs.slice(0, range.limit + 1);
    pairs = pairs.filter(
      (pair) =>
        (range.minMod === 0 || pair.mod >= range.minMod) &&
        (range.maxMod === 0 || pair.mod <= range.maxMod) &&
        (range.minCreate === 0 || pair.create >= range.minCreate) &&
        (range.maxCreate === 0 || pair.create <= range.maxCreate),
    );
    pairs = sorted(pairs, range);
    const more = range.limit > 0 && pairs.length > range.limit;
    return { pairs: more ? pairs.slice(0, range.limit) : pairs, more, count: all.length };
  }

  #apply(state: State, op: ModelOp, revision: number, events: ModelEvent[]): State {
    if (op.type === "txn") return op.ops.reduce((next, inner) => this.#apply(next, inner, revision, events), state);
    if (op.type === "delete") {
      const gone = state.filter((pair) => covers(op.key, op.end, pair.key)).map((pair) => pair.key);
      for (const key of gone.sort()) events.push({ type: "DELETE", key, value: "", mod: revision });
      return state.filter((pair) => !gone.includes(pair.key));
    }
    const former = state.find((pair) => pair.key === op.key);
    events.push({ type: "PUT", key: op.key, value: op.value, mod: revision });
    const pair = {
      key: op.key,
      value: op.value,
      create: former?.create ?? revision,
      mod: revision,
      version: (former?.version ?? 0) + 1,
    };
    return [...state.filter((other) => other.key !== op.key), pair];
  }
}

function sorted(pairs: readonly ModelPair[], range: ModelRange): ModelPair[] {
  if (range.order === "NONE" && range.target === "KEY") return [...pairs];
  const by = (pair: ModelPair): string | number => {
    switch (range.target) {
      case "KEY":
        return pair.key;
      case "VERSION":
        return pair.version;
      case "CREATE":
        return pair.create;
      case "MOD":
        return pair.mod;
      case "VALUE":
        return pair.value;
    }
  };
  const sign = range.order === "DESCEND" ? -1 : 1;
  return [...pairs].sort((left, right) => {
    if (by(left) === by(right)) return left.key < right.key ? -1 : 1;
    return by(left) < by(right) ? -sign : sign;
  });
}
