/**
 * The members that unapplied entries add, committed or not. A configuration counts once it is applied. But a member
 * that has such an entry already knows that messages may come from a member outside its configuration.
 */
import type { ConfChangeSingle, Entry, LogIndex, MemberId } from "../../protocol/peer/raft-message.ts";
import { decodeChange } from "../conf-change/conf-change-entry.ts";
import type { LogReader } from "./log-reader.ts";

/** Bytes of entries per read when a member starts. */
const SCAN_BYTES = 1 << 20;

interface PendingChange {
  readonly index: LogIndex;
  readonly changes: readonly ConfChangeSingle[];
}

export class PendingMembers {
  #pending: readonly PendingChange[] = [];

  /** Adds the unapplied entries of the log when a member starts. */
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

  /** Adds entries. They replace all entries at and after the index of the first one. */
  append(entries: readonly Entry[]): void {
    const first = entries[0]?.index ?? Infinity;
    if (this.#pending.length > 0) this.#pending = this.#pending.filter(({ index }) => index < first);
    this.#add(entries);
  }

  appliedTo(applied: LogIndex): void {
    if (this.#pending.length > 0) this.#pending = this.#pending.filter(({ index }) => index > applied);
  }

  clear(): void {
    this.#pending = [];
  }

  /** Returns the highest role that an unapplied entry gives this member. */
  roleOf(id: MemberId): "voter" | "learner" | undefined {
    let role: "learner" | undefined;
    for (const { changes } of this.#pending) {
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
      if (changes.length > 0) this.#pending = [...this.#pending, { index, changes }];
    }
  }
}
