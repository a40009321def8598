/** The store of a replica in memory, shared by the pages of one browser profile: what IndexedDB does, without a browser. */
import { isSameSource, StoreError, verdictOn } from "../../../src/replica/store/replica-store.ts";
import type {
  CopyLimits,
  CopyMark,
  ReplicaStore,
  StoredCopy,
  Written,
} from "../../../src/replica/store/replica-store.ts";
import { pairOf } from "../../../src/replica/copy/replica-copy.ts";
import { sizeOfPair } from "../../../src/replica/store/stored-copy.ts";
import type { KeyValue } from "../../../src/protocol/api/kv.ts";
import { bytesToLatin1, compareBytes } from "../../../src/base/bytes.ts";

/** What one profile has on its disk. */
export class Disk {
  mark: CopyMark | undefined;
  pairs: Map<string, KeyValue> = new Map();
  isFull = false;
  writes = 0;
  replaces = 0;
  readonly #open: Set<ReplicaStore> = new Set();

  open(): ReplicaStore {
    const store: ReplicaStore = {
      onLost: undefined,
      read: async ({ sizeBytesMax, holds }: CopyLimits): Promise<StoredCopy | undefined> => {
        const { mark } = this;
        const pairs = [...this.pairs.values()].sort((one, two) => compareBytes(one.key, two.key));
        const bytes = pairs.reduce((sum, pair) => sum + sizeOfPair(pair), 0);
        return mark === undefined || bytes > sizeBytesMax || !pairs.every(({ key }) => holds(key))
          ? undefined
          : { mark, pairs };
      },
      write: async (change): Promise<Written> => {
        const verdict = verdictOn(this.mark, change);
        if (verdict !== "write") return verdict;
        this.#count();
        this.mark = change.mark;
        for (const row of change.rows) {
          if (row.version === 0) this.pairs.delete(bytesToLatin1(row.key));
          else this.pairs.set(bytesToLatin1(row.key), pairOf(row));
        }
        return "written";
      },
      replace: async ({ mark, pairs }, isForced) => {
        const stored = this.mark;
        const isKnown = stored !== undefined && isSameSource(stored, mark) && stored.revision >= mark.revision;
        if (isKnown && !isForced) return;
        this.#empty();
        this.#count();
        this.replaces++;
        this.mark = mark;
        this.pairs = new Map(pairs.map((pair) => [bytesToLatin1(pair.key), pair]));
      },
      erase: async () => this.#empty(),
      delete: async () => {
        this.#empty();
        this.#open.delete(store);
        for (const other of this.#open) other.onLost?.("the replica's database was deleted");
      },
      close: () => void this.#open.delete(store),
    };
    this.#open.add(store);
    return store;
  }

  keys(): readonly string[] {
    return [...this.pairs.keys()].toSorted();
  }

  #empty(): void {
    this.mark = undefined;
    this.pairs = new Map();
  }

  #count(): void {
    if (this.isFull) throw new StoreError("full", "the disk is full");
    this.writes++;
  }
}
