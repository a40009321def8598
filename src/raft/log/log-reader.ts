/**
 * What consensus reads of the durable log. Storage implements it synchronously. Consensus never writes through it.
 */
import type { Entry, LogIndex, Term } from "../../protocol/peer/raft-message.ts";

/** Reads the durable log. The caller implements it over its storage, synchronously. */
export interface LogReader {
  /**
   * Returns the first index kept. The entries before it are compacted into the state. For an empty log after a snapshot
   * at i: i + 1.
   */
  firstIndex(): LogIndex;
  /** Returns the last index, or firstIndex() - 1 if the log is empty. */
  lastIndex(): LogIndex;
  /**
   * Returns the term of entry `index`; also known for firstIndex() - 1. Returns undefined if compacted or beyond the
   * end.
   */
  term(index: LogIndex): Term | undefined;
  /**
   * Returns entries [low, high): at least one, then as many as fit `maxBytes`. Throws CompactedError if low <
   * firstIndex().
   */
  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[];
}

/** The requested entries were compacted: a snapshot replaces them. */
export class CompactedError extends Error {
  constructor(index: LogIndex, firstIndex: LogIndex) {
    super(`entry ${index} is compacted, the log begins at ${firstIndex}`);
    this.name = "CompactedError";
  }
}
