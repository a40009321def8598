import { describe, expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { MemoryStorage, openMemoryStorage, type MemoryImage } from "../../src/storage/memory/memory.ts";
import { storageContract } from "../contract/storage.ts";
import {
  append,
  apply,
  batchOf,
  bootstrap,
  entriesOf,
  entry,
  logOf,
  type StorageHome,
} from "../contract/storage-kit.ts";

function memoryHome(prng: Prng | undefined, flushRows: number): StorageHome {
  let image: MemoryImage | undefined;
  return {
    async visit(ending, use) {
      const storage: MemoryStorage = new MemoryStorage({ flushRows, ...(image === undefined ? {} : { image }) });
      const result = await use(storage);
      if (ending === "crash") image = storage.crash(prng);
      else {
        await storage.close();
        image = storage.image;
      }
      return result;
    },
  };
}

storageContract("memory", () => memoryHome(undefined, 1));
storageContract("memory with torn crashes", () => memoryHome(new Prng(7), 10));

describe("the crash model", () => {
  test("a write is durable when it is completed and not before", async () => {
    const storage = new MemoryStorage({ schedule: "manual" });
    storage.bootstrap({ clusterId: 1n, memberId: 2n, name: "" }, () => {});
    storage.append(batchOf(entriesOf(1, 2, 1)), () => {});
    storage.append(batchOf(entriesOf(3, 4, 1)), () => {});
    expect(storage.pendingWrites).toBe(3);
    expect(storage.completeWrites(2)).toBe(2);
    const reopened = openMemoryStorage(storage.crash());
    expect(logOf(reopened)).toEqual(entriesOf(1, 2, 1));
  });

  test("a torn crash keeps the first of the pending writes, each whole", () => {
    const lengths = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const storage = new MemoryStorage({ schedule: "manual" });
      storage.bootstrap({ clusterId: 1n, memberId: 2n, name: "" }, () => {});
      storage.completeWrites();
      for (let low = 1; low <= 9; low += 3)
        storage.append(batchOf(entriesOf(low, low + 2, 1)), () => expect.unreachable());
      lengths.add(openMemoryStorage(storage.crash(new Prng(seed))).log.lastIndex());
    }
    expect([...lengths].sort((left, right) => left - right)).toEqual([0, 3, 6, 9]);
  });

  test("state rows of a write that did not complete are lost with their applied index", async () => {
    const storage = new MemoryStorage({ schedule: "manual" });
    storage.bootstrap({ clusterId: 1n, memberId: 2n, name: "" }, () => {});
    storage.append(batchOf(entriesOf(1, 2, 1)), () => {});
    apply(storage, 1);
    storage.append(batchOf([entry(3, 1)]), () => {});
    storage.completeWrites(2);
    expect(storage.durableApplied).toBe(0);
    const reopened = openMemoryStorage(storage.crash());
    expect([reopened.appliedAtOpen, reopened.tables.keys.rowCount]).toEqual([0, 0]);
  });

  test("an injected schedule completes writes one at a time and in order", async () => {
    const turns: (() => void)[] = [];
    const storage = new MemoryStorage({ schedule: (complete) => void turns.push(complete) });
    const completed: number[] = [];
    storage.bootstrap({ clusterId: 1n, memberId: 2n, name: "" }, () => completed.push(0));
    storage.append(batchOf([entry(1, 1)]), () => completed.push(1));
    storage.append(batchOf([entry(2, 1)]), () => completed.push(2));
    turns[2]?.();
    expect(completed).toEqual([0]);
    turns[0]?.();
    turns[1]?.();
    expect(completed).toEqual([0, 1, 2]);
  });

  test("a failing disk fails every write and keeps its content", async () => {
    const storage = new MemoryStorage();
    await bootstrap(storage);
    storage.failWrites(new Error("no space"));
    await expect(append(storage, batchOf([entry(1, 1)]))).rejects.toThrow("no space");
    expect(openMemoryStorage(storage.crash()).log.lastIndex()).toBe(0);
  });

  test("a cloned disk is independent of changes to the first", async () => {
    const first = new MemoryStorage();
    await bootstrap(first);
    const image = first.crash();
    const backup = image.clone();
    const second = openMemoryStorage(image);
    await append(second, batchOf([entry(1, 1)]));
    expect(openMemoryStorage(backup).log.lastIndex()).toBe(0);
  });
});
