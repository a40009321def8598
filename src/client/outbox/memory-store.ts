/** The outbox in memory. */
import { EMPTY_META, metaAfter, metaWith } from "./outbox-store.ts";
import type { OutboxStore, StoredEntry } from "./outbox-store.ts";

/** Returns a store in memory. It survives neither a reload nor a crash: for tests, and for programs that live on. */
export function memoryOutboxStore(): OutboxStore {
  let meta = EMPTY_META;
  const entries = new Map<number, StoredEntry>();
  return {
    async read(from = 0, to = Infinity) {
      const found: StoredEntry[] = [];
      for (let seq = from; seq < Math.min(to, meta.nextSeq); seq++) {
        const entry = entries.get(seq);
        if (entry !== undefined) found.push(entry);
      }
      return { meta, entries: found };
    },
    async append(added, limits) {
      const first = meta.nextSeq;
      meta = metaWith(meta, added, limits);
      for (const [at, entry] of added.entries())
        entries.set(first + at, { ...entry, seq: first + at, verdict: undefined });
      return first;
    },
    async commit(version, change) {
      if (version !== meta.version) return false;
      meta = metaAfter(meta, change);
      for (const entry of change.entries ?? []) entries.set(entry.seq, entry);
      for (const seq of change.removed ?? []) entries.delete(seq);
      return true;
    },
    close: () => {},
  };
}
