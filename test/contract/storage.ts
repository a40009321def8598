/**
 * The contract of storage, which each backend runs in its real runtime. A backend is one disk. Each visit opens the
 * store on it and ends with a close or a crash. Acknowledged writes are there afterwards. Of other writes, each is
 * there completely or not at all.
 */
import { describe, expect, test } from "vitest";
import { EMPTY_BYTES } from "../../src/base/bytes.ts";
import { Prng } from "../../src/base/prng.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import { MemoryTables } from "../../src/mvcc/tables/memory-tables.ts";
import { CompactedError } from "../../src/raft/log/log-reader.ts";
import type { Storage } from "../../src/storage/storage.ts";
import {
  IDENTITY,
  append,
  apply,
  applyTo,
  batchOf,
  bootstrap,
  dump,
  entriesOf,
  entry,
  flush,
  logOf,
  rowOf,
  snapshotAt,
  type StorageHome,
} from "./storage-kit.ts";

export function storageContract(name: string, newHome: () => Promise<StorageHome> | StorageHome): void {
  describe(`${name} as a store`, () => {
    beginnings(newHome);
    logWrites(newHome);
    logCompaction(newHome);
    stateBehind(newHome);
    installs(newHome);
    sizes(newHome);
    crashes(newHome);
  });
}

type NewHome = () => Promise<StorageHome> | StorageHome;

async function bootstrapped(newHome: NewHome): Promise<StorageHome> {
  const home = await newHome();
  await home.visit("crash", (storage) => bootstrap(storage));
  return home;
}

function beginnings(newHome: NewHome): void {
  test("a fresh store has no identity, no log and an empty state", async () => {
    const home = await newHome();
    for (const ending of ["close", "crash"] as const) {
      await home.visit(ending, (storage) => {
        expect(storage.identity).toBeUndefined();
        expect([storage.log.firstIndex(), storage.log.lastIndex(), storage.log.term(0)]).toEqual([1, 0, 0]);
        expect(storage.hardState).toEqual({ term: 0, vote: 0n, commit: 0 });
        expect([storage.appliedAtOpen, storage.durableApplied]).toEqual([0, 0]);
        expect(dump(storage.tables)).toEqual(dump(new MemoryTables()));
      });
    }
  });

  test("a bootstrap keeps identity and tables together, once", async () => {
    const home = await newHome();
    const before = await home.visit("crash", async (storage) => {
      storage.tables.bucket("members").set(utf8Encode("1"), utf8Encode("first"));
      await bootstrap(storage);
      expect(storage.identity).toEqual(IDENTITY);
      expect(() => storage.bootstrap(IDENTITY, () => {})).toThrow("once");
      return dump(storage.tables);
    });
    await home.visit("crash", (storage) => {
      expect(storage.identity).toEqual(IDENTITY);
      expect(dump(storage.tables)).toEqual(before);
      expect(() => storage.bootstrap(IDENTITY, () => {})).toThrow("once");
    });
  });

  test("a fresh store rejects a log before its bootstrap", async () => {
    const home = await newHome();
    await home.visit("crash", (storage) => {
      expect(() => storage.append(batchOf([entry(1, 1)]), () => {})).toThrow("bootstrap");
    });
  });
}

function logWrites(newHome: NewHome): void {
  test("acknowledged entries, term and vote survive a crash", async () => {
    const home = await bootstrapped(newHome);
    const hardState = { term: 3, vote: 0xffff_ffff_ffff_ffffn, commit: 1 };
    await home.visit("crash", (storage) => append(storage, batchOf(entriesOf(1, 3, 3), hardState)));
    await home.visit("crash", async (storage) => {
      expect(storage.hardState).toEqual(hardState);
      expect(logOf(storage)).toEqual(entriesOf(1, 3, 3));
      await append(storage, batchOf([], { term: 4, vote: 0n, commit: 1 }));
    });
    await home.visit("crash", (storage) => {
      expect(storage.hardState).toEqual({ term: 4, vote: 0n, commit: 1 });
      expect(logOf(storage)).toEqual(entriesOf(1, 3, 3));
    });
  });

  test("the newest of many hard states is the one that counts, with entries or without", async () => {
    const home = await bootstrapped(newHome);
    let term = 0;
    for (const withEntry of [true, false, true, true, false, false]) {
      term++;
      const hardState = { term, vote: BigInt(term), commit: 0 };
      const index = await home.visit("crash", async (storage) => {
        const next = storage.log.lastIndex() + 1;
        await append(storage, batchOf(withEntry ? [entry(next, term)] : [], hardState));
        return storage.log.lastIndex();
      });
      await home.visit("crash", (storage) => {
        expect(storage.hardState).toEqual(hardState);
        expect(storage.log.lastIndex()).toBe(index);
      });
    }
  });

  test("a commit index is durable with its batch, also alone: a configuration change is exposed because of that", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 2, 1), { term: 1, vote: 1n, commit: 0 }));
      await append(storage, batchOf([], { term: 1, vote: 1n, commit: 2 }));
    });
    await home.visit("crash", (storage) => expect(storage.hardState).toEqual({ term: 1, vote: 1n, commit: 2 }));
  });

  test("entries replace everything from their first index on", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 5, 1)));
      await append(storage, batchOf(entriesOf(6, 9, 1)));
      await append(storage, batchOf(entriesOf(4, 6, 2)));
      expect(logOf(storage)).toEqual([...entriesOf(1, 3, 1), ...entriesOf(4, 6, 2)]);
      expect([3, 4, 6, 7].map((index) => storage.log.term(index))).toEqual([1, 2, 2, undefined]);
    });
    await home.visit("crash", async (storage) => {
      expect(logOf(storage)).toEqual([...entriesOf(1, 3, 1), ...entriesOf(4, 6, 2)]);
      await append(storage, batchOf([entry(1, 3)]));
    });
    await home.visit("crash", (storage) => expect(logOf(storage)).toEqual([entry(1, 3)]));
  });

  test("entries of both types are read back as written, empty data too", async () => {
    const home = await bootstrapped(newHome);
    const entries = [
      entry(1, 1, EMPTY_BYTES),
      { ...entry(2, 1), type: "conf-change" as const },
      entry(
        3,
        2,
        Uint8Array.from({ length: 256 }, (_, byte) => byte),
      ),
    ];
    await home.visit("crash", (storage) => append(storage, batchOf(entries)));
    await home.visit("close", (storage) => expect(logOf(storage)).toEqual(entries));
  });

  test("writes are acknowledged in their order and never before the call returned", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      const order: number[] = [];
      let calling = true;
      const writes = Array.from({ length: 20 }, (_, at) => {
        const write = at % 5 === 4 ? flush(storage) : append(storage, batchOf([entry(storage.log.lastIndex() + 1, 1)]));
        return write.then(() => order.push(at));
      });
      storage.append(batchOf([entry(17, 1)]), () => expect(calling).toBe(false));
      calling = false;
      await Promise.all(writes);
      expect(order).toEqual(Array.from({ length: 20 }, (_, at) => at));
    });
    await home.visit("crash", (storage) => expect(logOf(storage).slice(0, 16)).toEqual(entriesOf(1, 16, 1)));
  });

  test("writes of one turn are batched, the later ones replacing the earlier", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      storage.append(batchOf(entriesOf(1, 4, 1), { term: 1, vote: 1n, commit: 0 }), () => {});
      storage.append(batchOf(entriesOf(3, 6, 2), { term: 2, vote: 2n, commit: 0 }), () => {});
      storage.append(batchOf(entriesOf(2, 2, 3)), () => {});
      await append(storage, batchOf([], { term: 3, vote: 0n, commit: 1 }));
    });
    await home.visit("crash", (storage) => {
      expect(logOf(storage)).toEqual([entry(1, 1), entry(2, 3)]);
      expect([storage.hardState.term, storage.hardState.vote]).toEqual([3, 0n]);
    });
  });

  test("a gap and a decreasing term are rejected at once", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 2, 2)));
      expect(() => storage.append(batchOf([entry(4, 2)]), () => {})).toThrow("gap");
      expect(() => storage.append(batchOf([entry(3, 2), entry(4, 1)]), () => {})).toThrow("fall");
    });
  });
}

function logCompaction(newHome: NewHome): void {
  test("a compacted log starts after the index, whose term stays known", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf([...entriesOf(1, 4, 1), ...entriesOf(5, 8, 2)]));
      await append(storage, batchOf(entriesOf(9, 12, 2)));
      for (let index = 1; index <= 10; index++) apply(storage, index);
      await flush(storage);
      expect(storage.durableApplied).toBe(10);
      storage.compactLog(4);
      storage.compactLog(6);
      storage.compactLog(2);
      expect(storage.log.firstIndex()).toBe(7);
      expect([5, 6, 7].map((index) => storage.log.term(index))).toEqual([undefined, 2, 2]);
      expect(() => storage.log.entries(6, 8, 1000)).toThrow(CompactedError);
      await append(storage, batchOf([entry(13, 3)]));
    });
    await home.visit("crash", async (storage) => {
      // The backend may keep whole batches: at least the requested entries are kept, and the term at the boundary is
      // exact.
      expect(storage.log.firstIndex()).toBeLessThanOrEqual(7);
      expect(storage.log.term(7)).toBe(2);
      expect(logOf(storage).at(-1)).toEqual(entry(13, 3));
      for (let index = 11; index <= 13; index++) apply(storage, index);
      await flush(storage);
      storage.compactLog(13);
      expect([storage.log.firstIndex(), storage.log.lastIndex(), storage.log.term(13)]).toEqual([14, 13, 3]);
      await append(storage, batchOf([entry(14, 4)]));
    });
    await home.visit("crash", (storage) => {
      expect(logOf(storage).at(-1)).toEqual(entry(14, 4));
      expect(storage.log.term(13)).toBe(3);
    });
  });

  test("the log is never compacted past what is durably applied", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 3, 1)));
      expect(() => storage.compactLog(1)).toThrow("applied");
    });
  });

  test("a log that was compacted and rewritten many times keeps its entries", async () => {
    const home = await bootstrapped(newHome);
    const expected = new Map<number, number>();
    for (let round = 1; round <= 8; round++) {
      await home.visit(round % 2 === 0 ? "close" : "crash", async (storage) => {
        for (let step = 0; step < 10; step++) {
          const from = Math.max(storage.durableApplied, storage.log.lastIndex() - (step % 3)) + 1;
          const entries = entriesOf(from, from + (step % 4), round);
          for (const { index, term } of entries) expected.set(index, term);
          await append(storage, batchOf(entries));
        }
        const applied = storage.log.lastIndex() - 3;
        for (let index = Math.max(storage.appliedAtOpen, storage.durableApplied) + 1; index <= applied; index++) {
          apply(storage, index);
        }
        await flush(storage);
        storage.compactLog(storage.durableApplied - 2);
      });
      await home.visit("crash", (storage) => {
        for (const { index, term } of logOf(storage)) expect([index, term]).toEqual([index, expected.get(index)]);
        expect(storage.log.lastIndex()).toBeGreaterThan(storage.appliedAtOpen);
      });
    }
  });
}

function stateBehind(newHome: NewHome): void {
  test("flushed state survives a crash, without changes after the last stateChanged()", async () => {
    const home = await bootstrapped(newHome);
    const expected = await home.visit("crash", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 20, 1)));
      for (let index = 1; index <= 19; index++) apply(storage, index);
      const marked = dump(storage.tables);
      applyTo(storage.tables, 20);
      await flush(storage);
      expect(storage.durableApplied).toBe(19);
      return marked;
    });
    await home.visit("crash", async (storage) => {
      expect([storage.appliedAtOpen, storage.durableApplied]).toEqual([19, 19]);
      expect(dump(storage.tables)).toEqual(expected);
      expect(storage.hardState.commit).toBeGreaterThanOrEqual(19);
    });
  });

  test("a close leaves nothing behind", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("close", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 5, 1)));
      for (let index = 1; index <= 5; index++) apply(storage, index);
    });
    await home.visit("close", (storage) => expect(storage.appliedAtOpen).toBe(5));
  });

  test("compacted rows and deleted bucket entries do not come back", async () => {
    const home = await bootstrapped(newHome);
    const expected = await home.visit("crash", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 40, 1)));
      for (let index = 1; index <= 20; index++) apply(storage, index);
      await flush(storage);
      for (let index = 21; index <= 40; index++) apply(storage, index);
      let cursor = storage.tables.keys.compact(30, undefined, 2);
      while (cursor !== undefined) cursor = storage.tables.keys.compact(30, cursor, 2);
      storage.stateChanged(40, 1);
      await flush(storage);
      return dump(storage.tables);
    });
    const memory = new MemoryTables();
    for (let index = 1; index <= 40; index++) applyTo(memory, index);
    memory.keys.compact(30, undefined, 1000);
    expect(expected).toEqual(dump(memory));
    await home.visit("crash", (storage) => {
      expect(dump(storage.tables)).toEqual(expected);
      expect([storage.tables.keys.rowCount, storage.tables.keys.sizeBytes]).toEqual([
        memory.keys.rowCount,
        memory.keys.sizeBytes,
      ]);
    });
  });

  test("an older state is complete again once the log after it is applied", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      for (let index = 1; index <= 30; index++) {
        await append(storage, batchOf([entry(index, 1)]));
        apply(storage, index);
      }
    });
    await home.visit("crash", (storage) => {
      expect(storage.log.lastIndex()).toBe(30);
      for (let index = storage.appliedAtOpen + 1; index <= 30; index++) apply(storage, index);
      expect(dump(storage.tables)).toEqual(dump(stateAfter(30)));
    });
  });
}

function installs(newHome: NewHome): void {
  test("an install switches state and log at once", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 5, 1), { term: 1, vote: 1n, commit: 3 }));
      for (let index = 1; index <= 3; index++) apply(storage, index);
      await flush(storage);
      const staged = storage.stage();
      for (let index = 1; index <= 50; index++) applyTo(staged.tables, index);
      expect(dump(storage.tables)).toEqual(dump(stateAfter(3)));
      await append(storage, {
        hardState: { term: 2, vote: 0n, commit: 50 },
        entries: [entry(51, 2)],
        install: { snapshot: snapshotAt(50, 2), staged },
      });
      expect(dump(storage.tables)).toEqual(dump(stateAfter(50)));
      expect(storage.durableApplied).toBe(50);
      expect([storage.log.firstIndex(), storage.log.term(50)]).toEqual([51, 2]);
    });
    await home.visit("crash", async (storage) => {
      expect(storage.hardState).toEqual({ term: 2, vote: 0n, commit: 50 });
      expect([storage.log.firstIndex(), storage.log.lastIndex(), storage.log.term(50)]).toEqual([51, 51, 2]);
      expect(storage.appliedAtOpen).toBe(50);
      apply(storage, 51);
      await flush(storage);
    });
    await home.visit("crash", (storage) => {
      expect(dump(storage.tables)).toEqual(dump(stateAfter(51)));
      expect(storage.tables.keys.rowCount).toBe(51);
    });
  });

  test("an install may take the log back, which drops its later entries, and another may follow", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", (storage) => append(storage, batchOf(entriesOf(1, 30, 1))));
    for (const [index, term] of [
      [10, 2],
      [11, 3],
      [40, 3],
    ] as const) {
      await home.visit("crash", async (storage) => {
        const staged = storage.stage();
        for (let at = 1; at <= index; at++) applyTo(staged.tables, at);
        await append(storage, { ...batchOf([]), install: { snapshot: snapshotAt(index, term), staged } });
        expect([storage.log.firstIndex(), storage.log.lastIndex()]).toEqual([index + 1, index]);
      });
      await home.visit("crash", (storage) => {
        expect([storage.log.firstIndex(), storage.log.lastIndex()]).toEqual([index + 1, index]);
        expect(storage.log.term(index)).toBe(term);
        expect(dump(storage.tables)).toEqual(dump(stateAfter(index)));
      });
    }
    await home.visit("crash", (storage) => append(storage, batchOf([entry(41, 3)])));
    await home.visit("crash", (storage) => {
      expect(logOf(storage)).toEqual([entry(41, 3)]);
      expect(dump(storage.tables)).toEqual(dump(stateAfter(40)));
    });
  });

  test("a state that was staged and not installed leaves no trace", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf(entriesOf(1, 3, 1)));
      for (let index = 1; index <= 3; index++) apply(storage, index);
      await flush(storage);
      const aborted = storage.stage();
      for (let index = 1; index <= 9; index++) applyTo(aborted.tables, index);
      aborted.abort();
      const abandoned = storage.stage();
      for (let index = 1; index <= 5; index++) applyTo(abandoned.tables, index);
      const forgotten = storage.stage();
      for (let index = 1; index <= 700; index++) applyTo(forgotten.tables, index);
      await append(storage, batchOf([entry(4, 1)]));
    });
    await home.visit("crash", async (storage) => {
      expect(dump(storage.tables)).toEqual(dump(stateAfter(3)));
      const staged = storage.stage();
      for (let index = 1; index <= 6; index++) applyTo(staged.tables, index);
      await append(storage, { ...batchOf([]), install: { snapshot: snapshotAt(6, 2), staged } });
    });
    await home.visit("crash", (storage) => expect(dump(storage.tables)).toEqual(dump(stateAfter(6))));
  });

  test("a crash during an install leaves the old state or the new one, whole", async () => {
    for (const waits of [false, true]) {
      const home = await bootstrapped(newHome);
      await home.visit("crash", async (storage) => {
        await append(storage, batchOf(entriesOf(1, 3, 1)));
        for (let index = 1; index <= 3; index++) apply(storage, index);
        await flush(storage);
        const staged = storage.stage();
        for (let index = 1; index <= 900; index++) applyTo(staged.tables, index);
        const installed = append(storage, { ...batchOf([]), install: { snapshot: snapshotAt(900, 2), staged } });
        if (waits) await installed;
        else installed.catch(() => {});
      });
      await home.visit("crash", (storage) => {
        const applied = storage.appliedAtOpen;
        expect(waits ? [900] : [3, 900]).toContain(applied);
        expect(dump(storage.tables)).toEqual(dump(stateAfter(applied)));
        expect(storage.log.lastIndex()).toBe(applied);
      });
    }
  });
}

function sizes(newHome: NewHome): void {
  test("the largest entries and values are read back, also in one batch", async () => {
    const home = await bootstrapped(newHome);
    const large = new Uint8Array(1.5 * 1024 * 1024).map((_, at) => (at * 31) % 251);
    const row = { ...rowOf(1), key: large.slice(0, 40_000), value: large };
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf([entry(1, 1, large), entry(2, 1), entry(3, 1, large), entry(4, 1, large)]));
      storage.tables.keys.append(row);
      storage.stateChanged(1, 1);
      await flush(storage);
    });
    await home.visit("crash", (storage) => {
      for (const index of [1, 3, 4]) {
        const [found] = storage.log.entries(index, index + 1, 1);
        expect(found?.data.length).toBe(large.length);
        expect(sum(found?.data ?? EMPTY_BYTES)).toBe(sum(large));
      }
      const found = storage.tables.keys.at(row.key, 2);
      expect(sum(found?.value ?? EMPTY_BYTES)).toBe(sum(large));
      expect(storage.sizeBytes).toBeGreaterThan(3 * large.length);
    });
  });

  test("at least one entry is returned at a time, and then as many as fit the requested bytes", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", (storage) =>
      append(storage, batchOf(entriesOf(1, 50, 1).map((each) => ({ ...each, data: new Uint8Array(1000) })))),
    );
    await home.visit("crash", (storage) => {
      expect(storage.log.entries(7, 51, 1).map(({ index }) => index)).toEqual([7]);
      const some = storage.log.entries(7, 51, 10_500);
      expect(some.length).toBeGreaterThan(5);
      expect(some.length).toBeLessThanOrEqual(10);
      expect(storage.log.entries(7, 9, 1_000_000)).toHaveLength(2);
    });
  });

  test("ten thousand entries are kept and found, in batches and alone", async () => {
    const home = await bootstrapped(newHome);
    await home.visit("crash", async (storage) => {
      for (let low = 1; low <= 9_801; low += 100) storage.append(batchOf(entriesOf(low, low + 99, 1)), () => {});
      const writes: Promise<void>[] = [];
      for (let index = 9_901; index <= 10_000; index++) writes.push(append(storage, batchOf([entry(index, 2)])));
      await Promise.all(writes);
    });
    await home.visit("crash", (storage) => {
      expect(logOf(storage)).toEqual([...entriesOf(1, 9_900, 1), ...entriesOf(9_901, 10_000, 2)]);
      expect([1, 5_000, 9_900, 9_901, 10_001].map((index) => storage.log.term(index))).toEqual([1, 1, 1, 2, undefined]);
    });
  });

  test("keys of any bytes keep their order, and buckets may be large", async () => {
    const home = await bootstrapped(newHome);
    const keys = [[0], [0, 0], [0, 255], [1], [127], [128], [194, 128], [255], [255, 0], [255, 255]].map((key) =>
      Uint8Array.from(key),
    );
    const shuffled = [...keys].sort((left, right) => (((left[0] ?? 0) * 7) % 5) - (((right[0] ?? 0) * 7) % 5));
    await home.visit("crash", async (storage) => {
      await append(storage, batchOf([entry(1, 1)]));
      shuffled.forEach((key, sub) => {
        storage.tables.keys.append({ key, main: 2, sub, createRevision: 2, version: 1, lease: -1n, value: key });
        storage.tables.bucket("authUsers").set(key, key);
      });
      const lease = storage.tables.bucket("lease");
      for (let at = 0; at < 3_000; at++) lease.set(utf8Encode(`${at}`), new Uint8Array(100));
      storage.stateChanged(1, 1);
      await flush(storage);
    });
    await home.visit("crash", (storage) => {
      expect(scannedKeys(storage)).toEqual(keys);
      expect(storage.tables.keys.at(Uint8Array.of(255), 2)?.lease).toBe(-1n);
      let count = 0;
      storage.tables.bucket("lease").scan(() => ++count > 0);
      expect(count).toBe(3_000);
      const users: Uint8Array[] = [];
      storage.tables.bucket("authUsers").scan((key) => users.push(Uint8Array.from(key)) > 0);
      expect(users).toEqual(keys);
    });
  });
}

function crashes(newHome: NewHome): void {
  // One disk, many runs. The model is a list of logs (the term of each entry) that the disk may hold: the last
  // acknowledged one, and one more for each write since.
  test.for([1, 2, 3])(
    "after a crash the log is as some write left it, none before the last acknowledged (seed %i)",
    async (seed) => {
      const home = await bootstrapped(newHome);
      const prng = new Prng(seed);
      let legal: readonly (readonly number[])[] = [[]];
      for (let incarnation = 1; incarnation <= 20; incarnation++) {
        const ending = prng.bool(0.8) ? "crash" : "close";
        legal = await home.visit(ending, async (storage) => {
          expect(dump(storage.tables)).toEqual(dump(stateAfter(storage.appliedAtOpen)));
          const found = legal.find((terms) => holds(storage, terms));
          expect(found, `${termsOf(storage).join()} is none of ${legal.join(" ; ")}`).toBeDefined();
          return liveOnce(storage, found ?? [], incarnation, prng);
        });
        if (ending === "close") legal = legal.slice(-1);
      }
    },
  );
}

async function liveOnce(
  storage: Storage,
  terms: readonly number[],
  term: number,
  prng: Prng,
): Promise<readonly (readonly number[])[]> {
  let legal: (readonly number[])[] = [terms];
  let now = terms;
  let applied = storage.appliedAtOpen;
  let safe = terms.length;
  for (let step = prng.int(1, 12); step > 0; step--) {
    const low = Math.max(applied, now.length - prng.int(0, 3)) + 1;
    const entries = entriesOf(low, low + prng.int(0, 5), term);
    now = [...now.slice(0, low - 1), ...entries.map((each) => each.term)];
    legal.push(now);
    safe = Math.min(safe, low - 1);
    const write = append(storage, batchOf(entries, { term, vote: 1n, commit: applied }));
    if (prng.bool(0.6)) {
      await write;
      legal = [now];
      safe = now.length;
    } else write.catch(() => {});
    while (applied < safe && prng.bool(0.8)) apply(storage, ++applied);
    if (prng.bool(0.1)) {
      await flush(storage);
      legal = [now];
    }
    if (prng.bool(0.3)) storage.compactLog(Math.max(0, storage.durableApplied - prng.int(0, 3)));
  }
  return legal;
}

function termsOf(storage: Storage): readonly number[] {
  return logOf(storage).map((each) => each.term);
}

function holds(storage: Storage, terms: readonly number[]): boolean {
  const found = logOf(storage);
  if (storage.log.lastIndex() !== terms.length) return false;
  return found.every(({ index, term }) => terms[index - 1] === term);
}

function stateAfter(index: number): MemoryTables {
  const tables = new MemoryTables();
  for (let at = 1; at <= index; at++) applyTo(tables, at);
  return tables;
}

function scannedKeys(storage: Storage): Uint8Array[] {
  const keys: Uint8Array[] = [];
  storage.tables.keys.scan(
    EMPTY_BYTES,
    undefined,
    Number.MAX_SAFE_INTEGER,
    false,
    (row) => keys.push(Uint8Array.from(row.key)) > 0,
  );
  return keys;
}

function sum(bytes: Uint8Array): number {
  let total = bytes.length;
  for (const byte of bytes) total = (total * 31 + byte) | 0;
  return total;
}
