/**
 * Takes a snapshot in, chunk by chunk, into staged tables beside the live ones. Chunks come in any order and more than
 * once; only the next expected one is written. What is staged counts for nothing until Raft has accepted the snapshot
 * and storage has switched over in one write.
 */
import type { SnapshotChunk } from "../protocol/frame-schema.ts";
import type { SnapshotMessage } from "../protocol/raft-message.ts";
import type { StagedState, Storage } from "../storage/storage.ts";
import { writeChunk } from "./snapshot-codec.ts";

export interface StagedSnapshot {
  readonly message: SnapshotMessage;
  readonly staged: StagedState;
}

export interface ChunkResult {
  /** To be told to the sender. */
  readonly nextSeq: number;
  /** Everything is here. */
  readonly complete: StagedSnapshot | undefined;
}

export class SnapshotReceiver {
  readonly #storage: Storage;
  #current:
    | { readonly from: bigint; readonly transferId: number; readonly staged: StagedState; nextSeq: number }
    | undefined;
  /** The last transfer that was complete: its sender may ask again when our acknowledgement was lost. */
  #finished: { readonly from: bigint; readonly transferId: number; readonly nextSeq: number } | undefined;

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Throws DecodeError when the chunk is damaged; the transfer is then dropped and starts anew. */
  take(from: bigint, chunk: SnapshotChunk): ChunkResult {
    const finished = this.#finished;
    if (finished !== undefined && finished.from === from && finished.transferId === chunk.transferId) {
      return { nextSeq: finished.nextSeq, complete: undefined };
    }
    let current = this.#current;
    if (current === undefined || current.from !== from || current.transferId !== chunk.transferId) {
      // A chunk from the middle of a transfer that we do not know: we restarted. Zero tells the sender to begin again.
      if (chunk.seq !== 0) return { nextSeq: 0, complete: undefined };
      this.abort();
      current = { from, transferId: chunk.transferId, staged: this.#storage.stage(), nextSeq: 0 };
      this.#current = current;
    }
    if (chunk.seq !== current.nextSeq) return { nextSeq: current.nextSeq, complete: undefined };
    try {
      writeChunk(current.staged.tables, chunk.data);
    } catch (error) {
      this.abort();
      throw error;
    }
    current.nextSeq += 1;
    if (!chunk.last) return { nextSeq: current.nextSeq, complete: undefined };
    this.#current = undefined;
    this.#finished = { from, transferId: chunk.transferId, nextSeq: current.nextSeq };
    return { nextSeq: current.nextSeq, complete: { message: chunk.message, staged: current.staged } };
  }

  abort(): void {
    this.#current?.staged.abort();
    this.#current = undefined;
  }
}
