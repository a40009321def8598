/**
 * Whom the entries that are not applied yet add, committed or not. A configuration counts once it is applied; but a member
 * that has such an entry knows already that somebody may speak who is not in its configuration.
 */
import type { ConfChangeSingle, Entry, LogIndex, MemberId } from "../protocol/peer/raft-message.ts";
import { decodeChange } from "./conf-change-entry.ts";
import type { LogReader } from "./log-reader.ts";

/** One scan's worth of entries, when a member starts. */
const SCAN_BYTES = 1 << 20;

interface Coming {
  readonly index: LogIndex;
  readonly changes: readonly ConfChangeSingle[];
}

export class PendingMembers {
  #coming: readonly Coming[] = [];

  /** What a member finds in its log when it starts. */
  load(reader: LogReader, applied: LogIndex): void {
    const last = reader.lastIndex();
    let index = Math.max(applied + 1, reader.firstIndex());
    while (index <= last) {
      const entries = reader.entries(index, last + 1, SCAN_BYTES);
      if (entries.length === 0) return;
      this.#add(entries);
      index += entries.length;
    }
  }

  /** The entries replace whatever was at the place of the first one and after it. */
  append(entries: readonly Entry[]): void {
    const first = entries[0]?.index ?? Infinity;
    if (this.#coming.length > 0) this.#coming = this.#coming.filter(({ index }) => index < first);
    this.#add(entries);
  }

  appliedTo(applied: LogIndex): void {
    if (this.#coming.length > 0) this.#coming = this.#coming.filter(({ index }) => index > applied);
  }

  clear(): void {
    this.#coming = [];
  }

  /** The most that an entry makes of this member. */
  roleOf(id: MemberId): "voter" | "learner" | undefined {
    let role: "learner" | undefined;
    for (const { changes } of this.#coming) {
      for (const { type, nodeId } of changes) {
        if (nodeId !== id) continue;
        if (type === "add-node") return "voter";
        if (type === "add-learner") role = "learner";
      }
    }
    return role;
  }

  #add(entries: readonly Entry[]): void {
    for (const { type, index, data } of entries) {
      if (type !== "conf-change") continue;
      const changes = decodeChange(data)?.changes ?? [];
      if (changes.length > 0) this.#coming = [...this.#coming, { index, changes }];
    }
  }
}
