/**
 * What consensus reads of the durable log. Storage implements it, synchronously; consensus never writes through it.
 */
import type { Entry, LogIndex, Term } from "../protocol/peer/raft-message.ts";

export interface LogReader {
  /** First index kept; the entries before it are compacted into the state. Empty log after a snapshot at i: i + 1. */
  firstIndex(): LogIndex;
  /** firstIndex() - 1 when the log is empty. */
  lastIndex(): LogIndex;
  /** Term of entry `index`; also known for firstIndex() - 1. undefined when compacted or beyond the end. */
  term(index: LogIndex): Term | undefined;
  /** Entries [low, high): at least one, then as many as fit `maxBytes`. Throws CompactedError when low < firstIndex(). */
  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[];
}

export class CompactedError extends Error {
  constructor(index: LogIndex, firstIndex: LogIndex) {
    super(`entry ${index} is compacted, the log begins at ${firstIndex}`);
    this.name = "CompactedError";
  }
}
