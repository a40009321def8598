/**
 * Streams the state to members that lag behind the kept log. Raft decides that one is needed and announces it; this
 * sends the data in chunks, a few in flight, and sends again what was not acknowledged, so a transfer goes on after
 * the connection broke. A transfer that makes no progress for long is given up and reported to Raft.
 */
import type { SnapshotChunk } from "../../protocol/peer/frame-schema.ts";
import type { SnapshotMessage } from "../../protocol/peer/raft-message.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import { chunkSource } from "./snapshot-codec.ts";
import type { ChunkSource } from "./snapshot-codec.ts";

export interface SnapshotSenderOptions {
  readonly chunkBytes: number;
  readonly windowChunks: number;
  /** Ticks without an acknowledgement until the window is sent again. */
  readonly resendTicks: number;
  /** Ticks without progress until the transfer is given up. */
  readonly giveUpTicks: number;
}

interface Transfer {
  readonly id: number;
  readonly message: SnapshotMessage;
  readonly source: ChunkSource;
  /** Sent and not acknowledged; window[0] has sequence number `base`. */
  window: SnapshotChunk[];
  base: number;
  ended: boolean;
  idleTicks: number;
  sentTicks: number;
  /** Acknowledgements in a row that told nothing new: the receiver gets chunks, and misses the first of the window. */
  repeated: number;
}

/** So many may come from chunks that overtook each other; one more means that a chunk was lost. */
const REPEATED_MAX = 3;

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #send: (to: bigint, chunk: SnapshotChunk) => void;
  readonly #transfers = new Map<bigint, Transfer>();

  constructor(options: SnapshotSenderOptions, send: (to: bigint, chunk: SnapshotChunk) => void) {
    this.#options = options;
    this.#send = send;
  }

  /** While one is open, compaction must not remove rows and the log must keep what follows the snapshot. */
  get active(): boolean {
    return this.#transfers.size > 0;
  }

  /** The lowest index that an open transfer's receiver will need next. */
  get keepFrom(): number {
    let lowest = Infinity;
    for (const transfer of this.#transfers.values()) {
      lowest = Math.min(lowest, transfer.message.snapshot.index + 1);
    }
    return lowest;
  }

  /** `transferId` is unique for this member; a transfer to the same member under way is replaced. */
  start(transferId: number, message: SnapshotMessage, tables: StateTables, revision: number): void {
    const transfer: Transfer = {
      id: transferId,
      message,
      source: chunkSource(tables, revision, this.#options.chunkBytes),
      window: [],
      base: 0,
      ended: false,
      idleTicks: 0,
      sentTicks: 0,
      repeated: 0,
    };
    this.#transfers.set(message.to, transfer);
    this.#fill(transfer);
  }

  /** The receiver has everything below `nextSeq`. True when that was all of it. */
  acknowledged(from: bigint, transferId: number, nextSeq: number): "more" | "complete" | "lost" | "unknown" {
    const transfer = this.#transfers.get(from);
    if (transfer === undefined || transfer.id !== transferId) return "unknown";
    if (nextSeq > transfer.base + transfer.window.length) return "unknown";
    if (nextSeq < transfer.base) {
      // An old acknowledgement that was overtaken, or a receiver that restarted and lost what it had staged.
      if (nextSeq > 0) return "more";
      this.#transfers.delete(from);
      return "lost";
    }
    if (nextSeq > transfer.base) {
      transfer.window.splice(0, nextSeq - transfer.base);
      transfer.base = nextSeq;
      transfer.idleTicks = 0;
      transfer.sentTicks = 0;
      transfer.repeated = 0;
    } else if (++transfer.repeated === REPEATED_MAX && transfer.window[0] !== undefined) {
      this.#send(from, transfer.window[0]);
    }
    if (transfer.ended && transfer.window.length === 0) {
      this.#transfers.delete(from);
      return "complete";
    }
    this.#fill(transfer);
    return "more";
  }

  /** Members whose transfer was given up. */
  tick(): readonly bigint[] {
    const givenUp: bigint[] = [];
    for (const [to, transfer] of this.#transfers) {
      transfer.idleTicks += 1;
      transfer.sentTicks += 1;
      if (transfer.idleTicks > this.#options.giveUpTicks) {
        this.#transfers.delete(to);
        givenUp.push(to);
      } else if (transfer.sentTicks > this.#options.resendTicks) {
        this.#resend(transfer);
      }
    }
    return givenUp;
  }

  /** The connection to this member is back: no need to wait for the resend timer. */
  peerUp(peer: bigint): void {
    const transfer = this.#transfers.get(peer);
    if (transfer !== undefined) this.#resend(transfer);
  }

  /** Ends the transfers to whom `isWanted` does not name. Returns whether there were any. */
  cancelExcept(isWanted: (to: bigint) => boolean): boolean {
    const { size } = this.#transfers;
    for (const to of this.#transfers.keys()) {
      if (!isWanted(to)) this.#transfers.delete(to);
    }
    return this.#transfers.size < size;
  }

  cancelAll(): void {
    this.#transfers.clear();
  }

  #resend(transfer: Transfer): void {
    transfer.sentTicks = 0;
    for (const chunk of transfer.window) this.#send(transfer.message.to, chunk);
  }

  #fill(transfer: Transfer): void {
    while (!transfer.ended && transfer.window.length < this.#options.windowChunks) {
      const { data, last } = transfer.source.next();
      const chunk: SnapshotChunk = {
        transferId: transfer.id,
        message: transfer.message,
        seq: transfer.base + transfer.window.length,
        last,
        data,
      };
      transfer.window.push(chunk);
      transfer.ended = last;
      this.#send(transfer.message.to, chunk);
    }
  }
}
