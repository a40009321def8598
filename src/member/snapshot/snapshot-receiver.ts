/**
 * Receives a snapshot, chunk by chunk, into staged tables beside the live ones. Chunks arrive in any order and more
 * than once. They are written in order, and a few early ones are kept until it is their turn. Staged data has no effect
 * until Raft has accepted the snapshot and storage has switched to it in one write.
 */
import type { SnapshotChunk } from "../../protocol/peer/frame-schema.ts";
import type { SnapshotMessage } from "../../protocol/peer/raft-message.ts";
import type { StagedState, Storage } from "../../storage/storage.ts";
import { writeChunk } from "./snapshot-codec.ts";

export interface StagedSnapshot {
  readonly message: SnapshotMessage;
  readonly staged: StagedState;
}

export interface ChunkResult {
  /** The next sequence number to acknowledge to the sender. */
  readonly nextSeq: number;
  /** Set when all chunks have arrived. */
  readonly complete: StagedSnapshot | undefined;
}

interface Transfer {
  readonly from: bigint;
  readonly transferId: number;
  readonly message: SnapshotMessage;
  readonly staged: StagedState;
  /** By sequence number; fewer than EARLY_CHUNKS. */
  readonly early: Map<number, SnapshotChunk>;
  nextSeq: number;
}

/** Senders have at most this many chunks in flight. */
const EARLY_CHUNKS = 8;

export class SnapshotReceiver {
  readonly #storage: Storage;
  #current: Transfer | undefined;
  /** The last completed transfer. Its sender may send again if our acknowledgement was lost. */
  #finished: { readonly from: bigint; readonly transferId: number; readonly nextSeq: number } | undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Handles a chunk. Throws DecodeError if it is damaged; the transfer is then dropped and starts again. */
  take(from: bigint, chunk: SnapshotChunk): ChunkResult {
    const finished = this.#finished;
    if (finished !== undefined && finished.from === from && finished.transferId === chunk.transferId) {
      return { nextSeq: finished.nextSeq, complete: undefined };
    }
    let current = this.#current;
    if (current === undefined || current.from !== from || current.transferId !== chunk.transferId) {
      // A chunk from the middle of an unknown transfer: this member has restarted. Zero makes the sender start again.
      if (chunk.seq >= EARLY_CHUNKS || (current !== undefined && isOlder(chunk.message, current.message))) {
        return { nextSeq: 0, complete: undefined };
      }
      this.abort();
      const { transferId, message } = chunk;
      current = { from, transferId, message, staged: this.#storage.stage(), early: new Map(), nextSeq: 0 };
      this.#current = current;
    }
    if (chunk.seq > current.nextSeq && chunk.seq < current.nextSeq + EARLY_CHUNKS) current.early.set(chunk.seq, chunk);
    let next = chunk.seq === current.nextSeq ? chunk : undefined;
    while (next !== undefined) {
      this.#write(current, next);
      if (next.last) return this.#finish(current, next);
      next = current.early.get(current.nextSeq);
      current.early.delete(current.nextSeq);
    }
    return { nextSeq: current.nextSeq, complete: undefined };
  }

  #write(current: Transfer, chunk: SnapshotChunk): void {
    try {
      writeChunk(current.staged.tables, chunk.data);
    } catch (error) {
      this.abort();
      throw error;
    }
    current.nextSeq += 1;
  }

  #finish({ from, transferId, nextSeq, staged }: Transfer, { message }: SnapshotChunk): ChunkResult {
    this.#current = undefined;
    this.#finished = { from, transferId, nextSeq };
    return { nextSeq, complete: { message, staged } };
  }

  abort(): void {
    this.#current?.staged.abort();
    this.#current = undefined;
  }
}

/** True if a late chunk belongs to a transfer that was replaced. It must not end the newer transfer. */
function isOlder(one: SnapshotMessage, other: SnapshotMessage): boolean {
  return one.term < other.term || (one.term === other.term && one.snapshot.index < other.snapshot.index);
}
