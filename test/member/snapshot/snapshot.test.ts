import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { bytesToLatin1, latin1ToBytes } from "../../../src/base/bytes.ts";
import { chunkSource, writeChunk } from "../../../src/member/snapshot/snapshot-codec.ts";
import { SnapshotReceiver } from "../../../src/member/snapshot/snapshot-receiver.ts";
import { SnapshotSender } from "../../../src/member/snapshot/snapshot-sender.ts";
import { Snapshots } from "../../../src/member/snapshot/snapshots.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import { BUCKET_NAMES } from "../../../src/mvcc/tables/tables.ts";
import type { StateTables } from "../../../src/mvcc/tables/tables.ts";
import { DecodeError } from "../../../src/protocol/decode-error.ts";
import type { SnapshotChunk } from "../../../src/protocol/peer/frame-schema.ts";
import type { SnapshotMessage } from "../../../src/protocol/peer/raft-message.ts";
import { MemoryStorage } from "../../../src/storage/memory/memory.ts";

const SELF = 1n;
const PEER = 2n;
const OPTIONS = { chunkBytes: 300, windowChunks: 4, resendTicks: 5, giveUpTicks: 30 };

function message(index = 10): SnapshotMessage {
  const confState = { voters: [SELF, PEER], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  return { type: "snapshot", from: SELF, to: PEER, term: 3, snapshot: { index, term: 2, confState } };
}

/** Rows of `revisions` revisions of one to four rows each, and data in every bucket. */
function filledTables(seed: number, revisions: number): StateTables {
  const prng = new Prng(seed);
  const tables = new MemoryTables();
  for (let main = 2; main < revisions + 2; main++) {
    const rows = prng.int(1, 5);
    for (let sub = 0; sub < rows; sub++) {
      const key = latin1ToBytes(`key${prng.int(0, 20)}.${sub}`);
      const version = prng.int(0, 4);
      const value = latin1ToBytes(version === 0 ? "" : "x".repeat(prng.int(0, 80)));
      tables.keys.append({ key, main, sub, createRevision: version === 0 ? 0 : main, version, lease: 0n, value });
    }
  }
  for (const name of BUCKET_NAMES) {
    for (let at = 0; at < 5; at++) tables.bucket(name).set(latin1ToBytes(`${at}`), latin1ToBytes(`${name} ${at}`));
  }
  return tables;
}

function contentOf(tables: StateTables, revision = Number.MAX_SAFE_INTEGER): string {
  const lines: string[] = [];
  tables.keys.history(0, revision, ({ key, main, sub, version, value }) => {
    lines.push(`${main}.${sub} ${bytesToLatin1(key)} ${version} ${bytesToLatin1(value)}`);
    return true;
  });
  for (const name of BUCKET_NAMES) {
    tables.bucket(name).scan((key, value) => {
      lines.push(`${name} ${bytesToLatin1(key)} ${bytesToLatin1(value)}`);
      return true;
    });
  }
  return lines.join("\n");
}

describe("the codec", () => {
  test("transfers every row and every bucket, however small the chunks are", () => {
    for (const chunkBytes of [1, 50, 333, 1_000_000]) {
      const source = filledTables(chunkBytes, 60);
      const target = new MemoryTables();
      const chunks = chunkSource(source, 61, chunkBytes);
      for (;;) {
        const { data, last } = chunks.next();
        writeChunk(target, data);
        if (last) break;
      }
      expect(contentOf(target)).toBe(contentOf(source));
    }
  });

  test("sends the state of the start, whatever is written meanwhile", () => {
    const source = filledTables(1, 40);
    const before = contentOf(source);
    const chunks = chunkSource(source, 41, 200);
    const target = new MemoryTables();
    let main = 42;
    for (;;) {
      const { data, last } = chunks.next();
      writeChunk(target, data);
      if (last) break;
      const key = latin1ToBytes("late");
      source.keys.append({ key, main: main++, sub: 0, createRevision: 1, version: 1, lease: 0n, value: key });
      source.bucket("meta").set(key, latin1ToBytes(`${main}`));
    }
    expect(contentOf(target)).toBe(before);
  });

  test("an empty store is one chunk", () => {
    expect(chunkSource(new MemoryTables(), 1, 100).next()).toEqual({ data: new Uint8Array(0), last: true });
  });

  test("refuses truncated, unknown and random data with an error, without other effects", () => {
    const { data } = chunkSource(filledTables(1, 10), 11, 1_000_000).next();
    expect(() => writeChunk(new MemoryTables(), data.subarray(0, data.length - 1))).toThrow(DecodeError);
    expect(() => writeChunk(new MemoryTables(), data.subarray(0, 3))).toThrow(DecodeError);
    const prng = new Prng(5);
    for (let at = 0; at < 300; at++) {
      const damaged = data.slice(0, prng.int(1, 400));
      damaged[prng.int(0, damaged.length)] = prng.int(0, 256);
      try {
        writeChunk(new MemoryTables(), damaged);
      } catch (error) {
        // The table detects rows out of order, the decoder everything else.
        expect(String(error)).toMatch(/DecodeError|AssertionError/);
      }
    }
  });
});

/** A sender and a receiver with a transport between them that the test drives. */
class Link {
  readonly source: StateTables;
  readonly storage: MemoryStorage = new MemoryStorage();
  readonly sender: SnapshotSender;
  receiver: SnapshotReceiver = new SnapshotReceiver(this.storage);
  /** In flight to the receiver. */
  chunks: SnapshotChunk[] = [];
  sent = 0;
  installed: string | undefined;
  outcome = "more";
  givenUp: readonly bigint[] = [];
  /** The acknowledgement of the last chunk does not arrive. */
  losesLast = false;

  constructor(revisions = 60) {
    this.source = filledTables(7, revisions);
    this.sender = new SnapshotSender(OPTIONS, (_, chunk) => {
      this.sent++;
      this.chunks.push(chunk);
    });
    this.sender.start(100, message(), this.source, revisions + 1);
  }

  /** Delivers chunks in flight, in the order and as often as `carry` returns them. */
  turn(carry: (chunks: readonly SnapshotChunk[]) => readonly SnapshotChunk[] = (chunks) => chunks): void {
    const { chunks } = this;
    this.chunks = [];
    for (const chunk of carry(chunks)) {
      const { nextSeq, complete } = this.receiver.take(SELF, chunk);
      if (complete !== undefined) this.installed = contentOf(complete.staged.tables);
      if (complete !== undefined && this.losesLast) continue;
      const outcome = this.sender.acknowledged(PEER, chunk.transferId, nextSeq);
      if (outcome !== "unknown") this.outcome = outcome;
    }
  }

  tick(count: number): void {
    for (let at = 0; at < count; at++) this.givenUp = [...this.givenUp, ...this.sender.tick()];
  }

  finish(): void {
    for (let at = 0; at < 1_000 && this.outcome === "more"; at++) {
      this.turn();
      this.tick(1);
    }
    expect(this.outcome).toBe("complete");
    expect(this.installed).toBe(contentOf(this.source));
    expect(this.sender.active).toBe(false);
  }
}

describe("a transfer", () => {
  test("keeps no more in flight than its window, and sends nothing twice without loss", () => {
    const link = new Link();
    expect(link.chunks).toHaveLength(OPTIONS.windowChunks);
    link.finish();
    const { sent } = link;
    link.tick(20);
    expect(link.sent).toBe(sent);
  });

  test("keeps the log behind the snapshot, and releases it at the end", () => {
    const link = new Link();
    expect(link.sender.keepFrom).toBe(11);
    link.finish();
    expect(link.sender.keepFrom).toBe(Infinity);
  });

  test("M35 arrives complete over a transport that loses, duplicates and reorders, from any seed", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const link = new Link();
      const prng = new Prng(seed);
      const carry = (chunks: readonly SnapshotChunk[]): readonly SnapshotChunk[] =>
        chunks
          .filter(() => !prng.bool(0.3))
          .flatMap((chunk) => (prng.bool(0.3) ? [chunk, chunk] : [chunk]))
          .map((chunk) => ({ chunk, order: prng.next() }))
          .sort((left, right) => left.order - right.order)
          .map(({ chunk }) => chunk);
      for (let at = 0; at < 400 && link.outcome === "more"; at++) {
        link.turn(carry);
        link.tick(1);
      }
      expect(link.outcome).toBe("complete");
      expect(link.installed).toBe(contentOf(link.source));
      expect(link.givenUp).toEqual([]);
    }
  });

  test("needs no resend when chunks are only reordered", () => {
    const link = new Link();
    for (let at = 0; at < 100 && link.outcome === "more"; at++) link.turn((chunks) => [...chunks].reverse());
    expect(link.outcome).toBe("complete");
    // Three acknowledgements without progress count as a loss; that costs one chunk of four.
    expect(link.sent).toBeLessThan(1.5 * countChunks(link.source));
  });

  test("sends a lost chunk again as soon as those behind it are acknowledged, without waiting for the timer", () => {
    const link = new Link();
    link.turn((chunks) => chunks.slice(1));
    expect(link.chunks.map(({ seq }) => seq)).toEqual([0]);
    link.finish();
  });

  test("M35 is resumed after the connection broke, where it was", () => {
    const link = new Link();
    link.turn();
    link.turn(() => []);
    expect(link.chunks).toHaveLength(0);
    link.sender.peerUp(PEER);
    expect(Math.min(...link.chunks.map(({ seq }) => seq))).toBeGreaterThan(0);
    link.finish();
  });

  test("to a receiver that restarted is reported as lost, and a new one goes through", () => {
    const link = new Link();
    link.turn();
    link.receiver = new SnapshotReceiver(link.storage);
    link.turn();
    expect(link.outcome).toBe("lost");
    expect(link.sender.active).toBe(false);
    link.outcome = "more";
    link.chunks = [];
    link.sender.start(101, message(), link.source, 61);
    link.finish();
  });

  test("from a sender that restarted begins again: what is left of the old one is ignored", () => {
    const link = new Link();
    const old = link.chunks;
    link.turn();
    const other = new Link(30);
    other.receiver = link.receiver;
    other.sender.cancelAll();
    other.chunks = [];
    other.sender.start(500, message(12), other.source, 31);
    other.turn((chunks) => [...old, ...chunks]);
    other.finish();
  });

  test("is not disturbed by chunks of one that it replaced", () => {
    const link = new Link();
    const old = link.chunks;
    link.chunks = [];
    link.sender.start(101, message(20), link.source, 61);
    link.turn();
    link.turn((chunks) => [...old, ...chunks]);
    link.finish();
  });

  test("is aborted when nothing is acknowledged for long", () => {
    const link = new Link();
    link.tick(OPTIONS.giveUpTicks);
    expect(link.givenUp).toEqual([]);
    link.tick(1);
    expect(link.givenUp).toEqual([PEER]);
    expect(link.sender.active).toBe(false);
  });

  test("whose last acknowledgement was lost ends when the receiver gets the chunk again", () => {
    const link = new Link();
    link.losesLast = true;
    while (link.installed === undefined) link.turn();
    expect(link.outcome).toBe("more");
    link.tick(OPTIONS.resendTicks + 1);
    link.turn();
    expect(link.outcome).toBe("complete");
  });

  test("M35 with a damaged chunk is dropped by the receiver, and starts again", () => {
    const link = new Link();
    const damaged = { ...(link.chunks[0] as SnapshotChunk), data: new Uint8Array(7).fill(255) };
    expect(() => link.receiver.take(SELF, damaged)).toThrow(DecodeError);
    link.finish();
  });

  test("ends when its receiver is no longer wanted", () => {
    const link = new Link();
    expect(link.sender.cancelExcept((to) => to === PEER)).toBe(false);
    expect(link.sender.cancelExcept(() => false)).toBe(true);
    expect(link.sender.active).toBe(false);
  });

  test("is staged with a limit on early chunks", () => {
    const link = new Link(400);
    const first = link.chunks[0] as SnapshotChunk;
    for (let seq = 1; seq < 500; seq++) expect(link.receiver.take(SELF, { ...first, seq }).nextSeq).toBe(0);
  });
});

function countChunks(tables: StateTables): number {
  const chunks = chunkSource(tables, Number.MAX_SAFE_INTEGER, OPTIONS.chunkBytes);
  let count = 1;
  while (!chunks.next().last) count++;
  return count;
}

test("M35 transfers of two runs of one sender have different numbers, so a late chunk of the first joins none of the second", () => {
  const transfersOf = (firstTransfer: number): readonly number[] => {
    const numbers: number[] = [];
    const storage = new MemoryStorage();
    const snapshots = new Snapshots({
      raft: () => {
        throw new Error("sending a snapshot asks nothing of Raft");
      },
      storage,
      chunkBytes: 100,
      firstTransfer,
      send: (_to, body) => {
        if (body.type === "snapshot-chunk") numbers.push(body.transferId);
      },
      onTransferEnd: () => {},
      onRejected: () => {},
    });
    snapshots.send(message(), 10, 1);
    snapshots.sendOnlyTo([]);
    snapshots.send(message(), 10, 1);
    return [...new Set(numbers)];
  };
  const first = transfersOf(1_000);
  const second = transfersOf(2_000);
  expect(first).toHaveLength(2);
  expect(second).toHaveLength(2);
  expect(first.filter((number) => second.includes(number))).toEqual([]);
});
