/** The durable side of a member, in memory: a log, a hard state and a snapshot boundary. */
import { CompactedError, type LogReader } from "../../../src/raft/log/log-reader.ts";
import type { Entry, HardState, LogIndex, SnapshotMeta, Term } from "../../../src/protocol/peer/raft-message.ts";
import type { Persist } from "../../../src/raft/ready.ts";

export class MemoryLog implements LogReader {
  hardState: HardState = { term: 0, vote: 0n, commit: 0 };
  /** The entry before entries[0]. It is compacted, but its term is known. */
  boundary: { readonly index: LogIndex; readonly term: Term } = { index: 0, term: 0 };
  entryList: Entry[] = [];
  /** The newest installed snapshot, if any. */
  snapshot: SnapshotMeta | undefined = undefined;

  firstIndex(): LogIndex {
    return this.boundary.index + 1;
  }

  lastIndex(): LogIndex {
    return this.boundary.index + this.entryList.length;
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.boundary.index) return this.boundary.term;
    return this.entryList[index - this.boundary.index - 1]?.term;
  }

  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] {
    if (low < this.firstIndex()) throw new CompactedError(low, this.firstIndex());
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = low; index < high; index++) {
      const entry = this.entryList[index - this.boundary.index - 1];
      if (entry === undefined) break;
      bytes += entry.data.length;
      if (bytes > maxBytes && found.length > 0) break;
      found.push(entry);
    }
    return found;
  }

  write({ hardState, entries, snapshot }: Pick<Persist, "hardState" | "entries" | "snapshot">): void {
    if (hardState !== undefined) this.hardState = hardState;
    if (snapshot !== undefined) {
      this.boundary = { index: snapshot.index, term: snapshot.term };
      this.entryList = [];
      this.snapshot = snapshot;
    }
    const first = entries[0];
    if (first === undefined) return;
    const keep = first.index - this.boundary.index - 1;
    if (keep < 0 || keep > this.entryList.length) throw new Error(`a gap before entry ${first.index}`);
    this.entryList.length = keep;
    for (const entry of entries) this.entryList.push(entry);
  }

  compact(index: LogIndex): void {
    const term = this.term(index);
    if (index <= this.boundary.index || term === undefined) return;
    this.entryList = this.entryList.slice(index - this.boundary.index);
    this.boundary = { index, term };
  }

  copy(): MemoryLog {
    const copy = new MemoryLog();
    copy.hardState = this.hardState;
    copy.boundary = this.boundary;
    copy.entryList = [...this.entryList];
    copy.snapshot = this.snapshot;
    return copy;
  }
}
