/**
 * This tab's copy of the stored outbox. It holds every entry below `nextSeq` without a gap, also those that other tabs
 * have added in between: a sender that skipped one would let the marker pass it.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { EMPTY_META } from "./outbox-store.ts";
import type {
  NewEntry,
  OutboxChange,
  OutboxData,
  OutboxIdentity,
  OutboxLimits,
  OutboxMeta,
  OutboxStore,
  StoredEntry,
} from "./outbox-store.ts";
import { checkedMeta, checkedRows, type ReadRows } from "./stored-rows.ts";
import type { OutboxVerdict } from "./verdict.ts";

export interface LogChange {
  readonly sentTo?: number | undefined;
  readonly identity?: OutboxIdentity | null | undefined;
  /** By seq. */
  readonly verdicts?: ReadonlyMap<number, OutboxVerdict> | undefined;
  readonly entries?: readonly StoredEntry[] | undefined;
  readonly removed?: readonly number[] | undefined;
}

/** What other tabs have to read again. */
export interface ChangedRange {
  readonly from: number;
  readonly to: number;
}

/** Returns undefined for a message that is none: any page of the origin may post on the channel. */
export function changedRangeOf(message: unknown): ChangedRange | undefined {
  if (typeof message !== "object" || message === null) return undefined;
  const { from, to } = message as { readonly from?: unknown; readonly to?: unknown };
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to)) return undefined;
  const [first, end] = [from as number, to as number];
  return first >= 1 && first < end ? { from: first, to: end } : undefined;
}

/** The committed writes whose verdicts are kept. */
const COMMITTED_KEPT = 1_000;

export class OutboxLog {
  readonly #store: OutboxStore;
  #meta: OutboxMeta = EMPTY_META;
  readonly #entries: Map<number, StoredEntry> = new Map();
  #committed: number[] = [];
  /** The entries are in the order of their seq. */
  #isSorted = true;
  #lastSeq = 0;
  #work: Promise<unknown> = Promise.resolve();
  readonly #seqs: Map<string, number> = new Map();
  /**
   * Called after each change; `others` says what the other tabs need to know, if this tab made it. "added": nothing but
   * new entries.
   */
  onChange: ((what: "added" | "changed", others: ChangedRange | undefined) => void) | undefined;

  private constructor(store: OutboxStore) {
    this.#store = store;
  }

  /** Rejects with EtcdError if the store cannot be read. */
  static async open(store: OutboxStore): Promise<OutboxLog> {
    const log = new OutboxLog(store);
    await log.reload();
    return log;
  }

  get meta(): OutboxMeta {
    return this.#meta;
  }

  get entries(): IterableIterator<StoredEntry> {
    this.#sort();
    return this.#entries.values();
  }

  entry(seq: number): StoredEntry | undefined {
    return this.#entries.get(seq);
  }

  byId(id: string): StoredEntry | undefined {
    const seq = this.#seqs.get(id);
    return seq === undefined ? undefined : this.#entries.get(seq);
  }

  /** Yields the entries without a verdict, in order. */
  *pending(): Generator<StoredEntry, undefined> {
    this.#sort();
    for (const entry of this.#entries.values()) if (entry.verdict === undefined) yield entry;
    return undefined;
  }

  append(added: readonly NewEntry[], limits: OutboxLimits): Promise<void> {
    return this.#inTurn(async () => {
      const first = await this.#store.append(added, limits);
      await this.#catchUp();
      this.onChange?.("added", { from: first, to: first + added.length });
    });
  }

  /** Returns whether the change was made. If not, another tab was faster, and this copy is up to date afterwards. */
  commit(change: LogChange): Promise<boolean> {
    return this.#inTurn(async () => {
      const prepared = this.#prepared(change);
      const isMade = await this.#store.commit(this.#meta.version, prepared);
      if (!isMade) {
        await this.#readAll();
        return false;
      }
      const { version, count, bytes } = this.#meta;
      this.#meta = {
        ...this.#meta,
        version: version + 1,
        sentTo: change.sentTo ?? this.#meta.sentTo,
        identity: change.identity === undefined ? this.#meta.identity : (change.identity ?? undefined),
        count: count + (prepared.countDelta ?? 0),
        bytes: bytes + (prepared.bytesDelta ?? 0),
      };
      this.#take(prepared, change);
      const seqs = [...(prepared.entries ?? []).map(({ seq }) => seq), ...(prepared.removed ?? [])];
      this.onChange?.("changed", seqs.length === 0 ? undefined : rangeOf(seqs));
      return true;
    });
  }

  /** Reads everything again. */
  reload(): Promise<void> {
    return this.#inTurn(() => this.#readAll());
  }

  /** Another tab has changed these entries, or added them. */
  refresh({ from, to }: ChangedRange): Promise<void> {
    return this.#inTurn(async () => {
      const known = this.#meta.nextSeq;
      const start = Math.min(from, known);
      const { meta, entries } = await this.#read(start, to);
      // Of the metadata only what an append changes. A newer marker beside entries that it has decided, and that are still
      // pending in this copy, would have them sent twice.
      this.#meta = { ...this.#meta, nextSeq: Math.max(known, Math.min(meta.nextSeq, to)) };
      const read = new Set(entries.map(({ seq }) => seq));
      const end = Math.min(to, this.#meta.nextSeq);
      const gone = [...this.#entries.keys()].filter((seq) => seq >= start && seq < end && !read.has(seq));
      for (const seq of gone) this.#forget(seq);
      for (const entry of entries) this.#put(this.#withWrite(entry));
      await this.#catchUp();
      this.onChange?.("changed", undefined);
    });
  }

  close(): void {
    this.#store.close();
  }

  async #readAll(): Promise<void> {
    const { meta, entries } = await this.#readAndSetAside();
    this.#meta = meta;
    const whole = entries.map((entry) => this.#withWrite(entry));
    this.#entries.clear();
    this.#seqs.clear();
    for (const entry of whole) this.#put(entry);
    this.#committed = entries.filter(({ verdict }) => verdict?.type === "committed").map(({ seq }) => seq);
    this.onChange?.("changed", undefined);
  }

  /** The verdicts of damaged writes are stored, so that they stay what they are when more is sent. */
  async #readAndSetAside(): Promise<OutboxData> {
    for (;;) {
      const { meta, entries, damaged } = await this.#read();
      if (damaged.length === 0 || (await this.#store.commit(meta.version, { entries: damaged }))) {
        return { meta: damaged.length === 0 ? meta : { ...meta, version: meta.version + 1 }, entries };
      }
    }
  }

  async #read(from?: number, to?: number): Promise<OutboxData & Pick<ReadRows, "damaged">> {
    const { meta: stored, entries } = await this.#store.read(from, to);
    const meta = checkedMeta(stored);
    if (meta === undefined) throw new EtcdError(GrpcCode.DataLoss, "what is stored of the outbox is damaged");
    return { meta, ...checkedRows(entries, meta.sentTo) };
  }

  async #catchUp(): Promise<void> {
    const { nextSeq, version } = this.#meta;
    const { meta, entries } = await this.#read(nextSeq);
    // Of the metadata only what an append changes: of a newer commit this copy has not the entries.
    this.#meta = meta.version === version ? meta : { ...this.#meta, nextSeq: meta.nextSeq };
    for (const entry of entries) this.#put(entry);
  }

  #put(entry: StoredEntry): void {
    if (entry.seq < this.#lastSeq && !this.#entries.has(entry.seq)) this.#isSorted = false;
    this.#lastSeq = Math.max(this.#lastSeq, entry.seq);
    this.#entries.set(entry.seq, entry);
    this.#seqs.set(entry.id, entry.seq);
  }

  #forget(seq: number): void {
    const entry = this.#entries.get(seq);
    if (entry !== undefined) this.#seqs.delete(entry.id);
    this.#entries.delete(seq);
  }

  #sort(): void {
    if (this.#isSorted) return;
    this.#isSorted = true;
    const sorted = [...this.#entries.values()].sort((left, right) => left.seq - right.seq);
    this.#entries.clear();
    for (const entry of sorted) this.#entries.set(entry.seq, entry);
  }

  /** A committed entry is stored without its write; who still has it in memory keeps it. */
  #withWrite(entry: StoredEntry): StoredEntry {
    const known = this.#entries.get(entry.seq);
    return entry.verdict?.type === "committed" && known?.id === entry.id ? { ...known, verdict: entry.verdict } : entry;
  }

  #prepared({ sentTo, identity, verdicts = new Map(), entries = [], removed = [] }: LogChange): OutboxChange {
    const changed = new Map(entries.map((entry) => [entry.seq, entry]));
    const gone = new Set(removed);
    let [countDelta, bytesDelta] = [0, 0];
    const uncount = ({ sizeBytes }: StoredEntry): void => {
      countDelta -= 1;
      bytesDelta -= sizeBytes;
    };
    for (const [seq, verdict] of verdicts) {
      const entry = changed.get(seq) ?? this.#entries.get(seq);
      if (entry === undefined || entry.verdict !== undefined) continue;
      changed.set(seq, { ...entry, verdict });
      if (verdict.type === "committed") uncount(entry);
    }
    for (const seq of removed) {
      const entry = this.#entries.get(seq);
      if (entry !== undefined && entry.verdict?.type !== "committed") uncount(entry);
    }
    const committed = [...changed.values()].filter(({ verdict }) => verdict?.type === "committed");
    const kept = [...this.#committed.filter((seq) => !gone.has(seq)), ...committed.map(({ seq }) => seq)];
    for (const seq of kept.slice(0, -COMMITTED_KEPT)) {
      changed.delete(seq);
      gone.add(seq);
    }
    return {
      sentTo,
      identity,
      entries: [...changed.values()].map((entry) =>
        entry.verdict?.type === "committed" ? { ...entry, write: NOTHING } : entry,
      ),
      removed: [...gone],
      countDelta,
      bytesDelta,
    };
  }

  #take({ entries = [], removed = [] }: OutboxChange, { verdicts, entries: given = [] }: LogChange): void {
    const whole = new Map(given.map((entry) => [entry.seq, entry]));
    const gone = new Set(removed);
    for (const { seq, verdict } of entries) {
      const entry = whole.get(seq) ?? this.#entries.get(seq);
      if (entry !== undefined) this.#put({ ...entry, verdict });
      if (verdict?.type === "committed" && verdicts?.has(seq) === true) this.#committed.push(seq);
    }
    for (const seq of gone) this.#forget(seq);
    this.#committed = this.#committed.filter((seq) => !gone.has(seq));
  }

  /** One after the other: what is read is not older than what was written. */
  #inTurn<Result>(run: () => Promise<Result>): Promise<Result> {
    const done = this.#work.then(run);
    this.#work = done.catch(() => {});
    return done;
  }
}

const NOTHING: StoredEntry["write"] = { type: "txn", compare: [], operations: [] };

function rangeOf(seqs: readonly number[]): ChangedRange {
  let [from, to] = [Infinity, 0];
  for (const seq of seqs) {
    from = Math.min(from, seq);
    to = Math.max(to, seq + 1);
  }
  return { from, to };
}
