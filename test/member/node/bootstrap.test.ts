import { expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { bootstrapStorage, startingHardState } from "../../../src/member/node/bootstrap.ts";
import type { BootstrapOptions } from "../../../src/member/options.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { MemoryStorage } from "../../../src/storage/memory/memory.ts";
import type { MemoryImage } from "../../../src/storage/memory/memory.ts";
import { Cluster } from "../support/cluster.ts";

const IDENTITY = { clusterId: 7n, memberId: 1n, name: "m1" };
const FOUND: BootstrapOptions = {
  type: "found",
  members: [1n, 2n, 3n].map((id) => memberRecord({ id, name: `m${id}` })),
};

/** A store whose writes are completed by hand, during the bootstrap, and what `bootstrapStorage` reported. */
function preparing(
  beginning: BootstrapOptions,
  image?: MemoryImage,
): { storage: MemoryStorage; ends: (Error | undefined)[] } {
  const storage = new MemoryStorage({ schedule: "manual", ...(image === undefined ? {} : { image }) });
  const ends: (Error | undefined)[] = [];
  bootstrapStorage(storage, IDENTITY, beginning, (error) => ends.push(error));
  return { storage, ends };
}

test("M10 initial members write their identity, and then the same first entries, committed", () => {
  const { storage, ends } = preparing(FOUND);
  expect(storage.completeWrites(1)).toBe(1);
  expect(ends).toEqual([]);
  storage.completeWrites();
  expect(ends).toEqual([undefined]);
  expect(storage.log.lastIndex()).toBe(3);
  expect(startingHardState(storage)).toEqual({ term: 1, vote: 0n, commit: 3 });
});

test("M10 a newcomer writes its identity and nothing else", () => {
  const { storage, ends } = preparing({ type: "join" });
  storage.completeWrites();
  expect(ends).toEqual([undefined]);
  expect(storage.log.lastIndex()).toBe(0);
  expect(startingHardState(storage)).toEqual({ term: 0, vote: 0n, commit: 0 });
});

test("M10 a crash before, between or after the first two writes leaves a store that the next start completes", () => {
  for (let seed = 0; seed < 20; seed++) {
    for (const completed of [0, 1, 2]) {
      const first = preparing(FOUND);
      first.storage.completeWrites(completed);
      const { storage, ends } = preparing(FOUND, first.storage.crash(new Prng(seed)));
      storage.completeWrites();
      expect(ends).toEqual([undefined]);
      expect(storage.identity).toEqual(IDENTITY);
      expect(storage.log.lastIndex()).toBe(3);
      expect(startingHardState(storage)).toEqual({ term: 1, vote: 0n, commit: 3 });
    }
  }
});

test("M10 a store that fails the first or the second write reports it", () => {
  for (const completed of [0, 1]) {
    const { storage, ends } = preparing(FOUND);
    storage.completeWrites(completed);
    storage.failWrites(new Error("the disk is full"));
    storage.completeWrites();
    expect(ends.map((error) => error?.message)).toEqual(["the disk is full"]);
  }
});

test("M10 a store that has data is not changed, whatever the options are", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const last = leader.member.status().lastIndex;
  const image = cluster.crash(leader.id);
  const { storage, ends } = preparing({ type: "found", members: [memberRecord({ id: 9n, name: "other" })] }, image);
  expect(ends).toEqual([undefined]);
  expect(storage.pendingWrites).toBe(0);
  expect(storage.log.lastIndex()).toBe(last);
});
