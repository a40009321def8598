/** What every store of a replica does. `open` opens the same store each time, as another tab of the profile would. */
import { describe, expect, test } from "vitest";
import { ReplicaCopy } from "../../src/replica/copy/replica-copy.ts";
import type { CopyMark, ReplicaStore, StoredCopy } from "../../src/replica/store/replica-store.ts";
import { keyValue } from "../../src/protocol/api/kv.ts";
import type { KeyValue } from "../../src/protocol/api/kv.ts";

const LIMITS = { sizeBytesMax: 1_000_000, holds: () => true };

export function pair(key: string, value: string, modRevision: number, version: number = 1): KeyValue {
  const encoder = new TextEncoder();
  const createRevision = modRevision - version + 1;
  return keyValue({
    key: encoder.encode(key),
    value: encoder.encode(value),
    createRevision,
    modRevision,
    version,
    lease: -5n,
  });
}

export function markAt(revision: number, set: Partial<CopyMark> = {}): CopyMark {
  return { cluster: 7n, revision, denied: [], currentAtMs: 1_000 + revision, ...set };
}

const FIRST: StoredCopy = { mark: markAt(10), pairs: [pair("a", "one", 4), pair("b", "two", 9, 3)] };

export function describeReplicaStore(name: string, newProfile: () => Promise<() => Promise<ReplicaStore>>): void {
  describe(`the store of a replica: ${name}`, () => {
    async function opened(): Promise<{ readonly store: ReplicaStore; readonly open: () => Promise<ReplicaStore> }> {
      const open = await newProfile();
      return { store: await open(), open };
    }

    /** The rows after `from`, of a copy that grew to `to`. */
    function changes(copy: StoredCopy, to: number, events: readonly (KeyValue | string)[]): ReplicaCopy {
      const grown = new ReplicaCopy(copy.mark.cluster, copy.mark.revision, copy.pairs);
      const all = events.map((event) =>
        typeof event === "string"
          ? ({ type: "DELETE", kv: { ...pair(event, "", to, 1), version: 0 }, prevKv: undefined } as const)
          : ({ type: "PUT", kv: event, prevKv: undefined } as const),
      );
      grown.apply(to, all);
      return grown;
    }

    test("RS1 an empty store has no copy, and a written change says that it is behind", async () => {
      const { store } = await opened();
      expect(await store.read(LIMITS)).toBeUndefined();
      expect(await store.write({ from: 3, mark: markAt(4), rows: [] })).toBe("behind");
      expect(await store.read(LIMITS)).toBeUndefined();
    });

    test("RS2 what was stored is there for another page, in the order of keys", async () => {
      const { store, open } = await opened();
      await store.replace({ ...FIRST, pairs: FIRST.pairs.toReversed() }, false);
      store.close();
      expect(await (await open()).read(LIMITS)).toMatchObject(FIRST);
    });

    test("RS3 a change is written over its beginning, and what it deletes is gone", async () => {
      const { store, open } = await opened();
      await store.replace(FIRST, false);
      const grown = changes(FIRST, 12, [pair("c", "three", 12), pair("a", "new", 12, 2), "b"]);
      expect(await store.write({ from: 10, mark: markAt(12), rows: grown.changesSince(10) })).toBe("written");
      const read = await (await open()).read(LIMITS);
      expect(read?.mark).toMatchObject(markAt(12));
      expect(read?.pairs).toEqual(grown.pairs());
    });

    test("RS4 a tab that is slower changes nothing, and neither do its old rows", async () => {
      const { store, open } = await opened();
      const slow = await open();
      await store.replace(FIRST, false);
      const grown = changes(FIRST, 12, [pair("a", "newest", 12, 2)]);
      await store.write({ from: 10, mark: markAt(12), rows: grown.changesSince(10) });
      const old = changes(FIRST, 11, [pair("a", "older", 11, 2)]);
      expect(await slow.write({ from: 10, mark: markAt(11), rows: old.changesSince(10) })).toBe("written");
      await slow.replace(FIRST, false);
      expect((await store.read(LIMITS))?.pairs).toEqual(grown.pairs());
    });

    test("RS5 a change whose beginning is not stored says that it is behind", async () => {
      const { store } = await opened();
      await store.replace(FIRST, false);
      expect(await store.write({ from: 11, mark: markAt(12), rows: [] })).toBe("behind");
      expect((await store.read(LIMITS))?.mark.revision).toBe(10);
    });

    test("RS6 a copy of another cluster or of other prefixes is not changed, but replaced", async () => {
      const { store } = await opened();
      await store.replace(FIRST, false);
      expect(await store.write({ from: 10, mark: markAt(12, { cluster: 8n }), rows: [] })).toBe("other");
      expect(await store.write({ from: 10, mark: markAt(12, { denied: ["x/"] }), rows: [] })).toBe("other");
      const other = { mark: markAt(3, { cluster: 8n }), pairs: [pair("z", "other", 2)] };
      await store.replace(other, false);
      expect(await store.read(LIMITS)).toMatchObject(other);
    });

    test("RS7 a forced copy replaces a later one of the same", async () => {
      const { store } = await opened();
      await store.replace(FIRST, false);
      const earlier = { mark: markAt(3), pairs: [pair("z", "restored", 2)] };
      await store.replace(earlier, false);
      expect((await store.read(LIMITS))?.mark.revision).toBe(10);
      await store.replace(earlier, true);
      expect(await store.read(LIMITS)).toMatchObject(earlier);
    });

    test("RS8 a copy that is larger than it may be is not read", async () => {
      const { store } = await opened();
      await store.replace(FIRST, false);
      expect(await store.read({ ...LIMITS, sizeBytesMax: 7 })).toBeUndefined();
      expect(await store.read({ ...LIMITS, sizeBytesMax: 8 })).toMatchObject(FIRST);
    });

    test("RS9 a copy with a key that is none of the replica's is not read", async () => {
      const { store } = await opened();
      await store.replace(FIRST, false);
      const holds = (key: Uint8Array): boolean => key[0] !== 98;
      expect(await store.read({ ...LIMITS, holds })).toBeUndefined();
    });

    test("RS10 nothing is left of what is erased", async () => {
      const { store, open } = await opened();
      await store.replace(FIRST, false);
      await store.erase();
      expect(await (await open()).read(LIMITS)).toBeUndefined();
      const other = { mark: markAt(20), pairs: [] };
      await store.replace(other, false);
      expect(await store.read(LIMITS)).toMatchObject(other);
    });

    test("RS11 whoever has the store open hears that it is deleted", async () => {
      const { store, open } = await opened();
      const other = await open();
      const lost = new Promise<string>((resolve) => {
        other.onLost = resolve;
      });
      await store.replace(FIRST, false);
      await store.delete();
      expect(await lost).toContain("deleted");
      expect(await (await open()).read(LIMITS)).toBeUndefined();
    });
  });
}
