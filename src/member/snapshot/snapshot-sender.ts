/**
 * Streams the state to members that lag behind the kept log. Raft decides when one is needed and announces it. The
 * sender sends the data in chunks, a few in flight, and sends unacknowledged ones again, so that a transfer continues
 * after a lost connection. A transfer without progress for long is aborted and reported to Raft.
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
  /** Ticks without progress until the transfer is aborted. */
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
  /** Consecutive acknowledgements without progress: the receiver gets chunks, but misses the first of the window. */
  repeated: number;
}

/** Reordered chunks cause at most this many of them. One more means that a chunk was lost. */
const REPEATED_MAX = 3;

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #send: (to: bigint, chunk: SnapshotChunk) => void;
  readonly #transfers = new Map<bigint, Transfer>();

  constructor(options: SnapshotSenderOptions, send: (to: bigint, chunk: SnapshotChunk) => void) {
    this.#options = options;
    this.#send = send;
  }

  /**
   * True while a transfer is open. Compaction must then not remove rows, and the log must keep what follows the
   * snapshot.
   */
  get active(): boolean {
    return this.#transfers.size > 0;
  }

  /** The lowest index that a receiver of an open transfer will need next. */
  get keepFrom(): number {
    let lowest = Infinity;
    for (const transfer of this.#transfers.values()) {
      lowest = Math.min(lowest, transfer.message.snapshot.index + 1);
    }
    return lowest;
  }

  /** Starts a transfer. `transferId` is unique for this member. An open transfer to the same member is replaced. */
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

  /**
   * Handles an acknowledgement: the receiver has everything below `nextSeq`. Returns "complete" if that was all, "lost"
   * if the receiver has lost the transfer.
   */
  acknowledged(from: bigint, transferId: number, nextSeq: number): "more" | "complete" | "lost" | "unknown" {
    const transfer = this.#transfers.get(from);
    if (transfer === undefined || transfer.id !== transferId) return "unknown";
    if (nextSeq > transfer.base + transfer.window.length) return "unknown";
    if (nextSeq < transfer.base) {
      // An old acknowledgement that was overtaken, or a receiver that restarted and lost its staged data.
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

  /** Counts a tick. Returns the members whose transfer was aborted. */
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

  /** Call when the connection to this member is restored: sends the window again without waiting for the timer. */
  peerUp(peer: bigint): void {
    const transfer = this.#transfers.get(peer);
    if (transfer !== undefined) this.#resend(transfer);
  }

  /** Ends the transfers to members for which `isWanted` is false. Returns whether there were any. */
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
