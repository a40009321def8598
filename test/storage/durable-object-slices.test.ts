/**
 * How much of the state one write takes along, with the defaults. A request that waits for a write waits for these rows,
 * too, so their number is what bounds the slowest answers (src/entry/docs/speed.md).
 */
import { expect, test } from "vitest";
import { EMPTY_BYTES } from "../../src/base/bytes.ts";
import { openDurableObjectStorage } from "../../src/storage/durable-object/durable-object.ts";
import type { Timer } from "../../src/storage/durable-object/durable-object-options.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { append, batchOf, bootstrap, entriesOf, entry, rowOf } from "../contract/storage-kit.ts";
import { nodeSqlite, type NodeSqlite } from "./support/node-sqlite.ts";

/** Rows that are due with the next write: the default of flushRows. */
const DUE_ROWS = 4_096;
const SLICE_ROWS = 16;
const IDLE_SLICE_ROWS = 64;
/** A write of the log, and the last slice with what is written once: the state's own row, counters and buckets. */
const OTHER_ROWS = 8;
const SLICE_BYTES = 128 * 1024;

test("a write of the log takes 16 rows of the state along", async () => {
  const { disk, storage } = await opened();
  await fill(storage, DUE_ROWS);
  const written: number[] = [];
  for (let index = DUE_ROWS + 1; storage.durableApplied === 0; index++) {
    const before = changesOf(disk);
    await append(storage, batchOf([entry(index, 1)]));
    written.push(changesOf(disk) - before);
    addRow(storage, index);
  }
  expect(Math.max(...written)).toBeLessThanOrEqual(SLICE_ROWS + OTHER_ROWS);
  // Far fewer would let the next flush grow while this one leaves.
  expect(written.length).toBeLessThanOrEqual(DUE_ROWS / SLICE_ROWS + 2);
});

test("an idle moment writes 64 rows of the state", async () => {
  const { disk, storage, fire } = await opened();
  await fill(storage, 1_000);
  const written: number[] = [];
  for (let time = 0; storage.durableApplied === 0; time++) {
    const before = changesOf(disk);
    fire();
    await new Promise((resolve) => setTimeout(resolve, 0));
    written.push(changesOf(disk) - before);
    expect(time).toBeLessThan(100);
  }
  expect(Math.max(...written)).toBeLessThanOrEqual(IDLE_SLICE_ROWS + OTHER_ROWS);
  expect(written.filter((rows) => rows > 0).length).toBeLessThanOrEqual(1_000 / IDLE_SLICE_ROWS + 2);
});

test("a write of the log takes 128 KiB of the state along, and one row more at most", async () => {
  const { disk, storage } = await opened();
  const value = new Uint8Array(64 * 1024);
  const count = 80;
  await append(storage, batchOf(entriesOf(1, count, 1)));
  for (let index = 1; index <= count; index++) addRow(storage, index, value);
  const written: number[] = [];
  for (let index = count + 1; storage.durableApplied === 0; index++) {
    const before = bytesOf(disk);
    await append(storage, batchOf([entry(index, 1)]));
    written.push(bytesOf(disk) - before);
  }
  expect(Math.max(...written)).toBeLessThanOrEqual(SLICE_BYTES + 2 * value.length);
});

async function opened(): Promise<{ disk: NodeSqlite; storage: Storage; fire: () => void }> {
  const disk = nodeSqlite();
  let pending: (() => void)[] = [];
  const timer: Timer = (callback) => {
    pending.push(callback);
    return () => void (pending = pending.filter((each) => each !== callback));
  };
  const storage = openDurableObjectStorage(disk, { timer });
  await bootstrap(storage);
  const fire = (): void => {
    const due = pending;
    pending = [];
    for (const callback of due) callback();
  };
  return { disk, storage, fire };
}

/** Only rows of keys leave in slices. What else changed is written with the last one. */
function addRow(storage: Storage, index: number, value = EMPTY_BYTES): void {
  storage.tables.keys.append({ ...rowOf(index), value });
  storage.stateChanged(index, 1);
}

/** One entry per row, all of them in one write. */
async function fill(storage: Storage, count: number): Promise<void> {
  await append(storage, batchOf(entriesOf(1, count, 1)));
  for (let index = 1; index <= count; index++) addRow(storage, index);
}

/** Rows inserted, updated and deleted so far. */
function changesOf(disk: NodeSqlite): number {
  return Number(disk.sql.exec("SELECT total_changes() AS n").toArray()[0]?.["n"]);
}

function bytesOf(disk: NodeSqlite): number {
  return Number(disk.sql.exec("SELECT coalesce(sum(length(value)), 0) AS n FROM quorate_rows_a").toArray()[0]?.["n"]);
}
