/**
 * Shows queued writes over what is known of a namespace. A committed write is shown until a state that contains it is
 * known, so that a value does not jump back for a moment.
 */
import { compareBytes } from "../../base/bytes.ts";
import { toBytes, toText } from "../common/convert.ts";
import type { Store } from "../common/store.ts";
import type { LazyOutbox } from "../outbox/lazy-outbox.ts";
import type { StoredEntry } from "../outbox/outbox-store.ts";
import type { OutboxHandler } from "../outbox/outbox-types.ts";
import type { OpenedOutbox } from "../outbox/open-outbox.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { Entry } from "./entry.ts";
import { isRetryable } from "./errors.ts";
import type { LiveSnapshot } from "./live-snapshot.ts";
import type { List, PendingReadOptions, ReadOptions } from "./namespace-types.ts";
import type { PendingReads } from "./pending-overlay.ts";
import type { ValueFormat } from "./schema.ts";

interface Shown<Value> {
  readonly entries: Map<string, Entry<Value>>;
  readonly deleted: Set<string>;
}

export interface Stores<Value> {
  readonly known: Store<LiveSnapshot<Value>>;
  readonly shown: Store<LiveSnapshot<Value>>;
  readonly over: AbortSignal;
}

export function showPending<Value>(
  outbox: LazyOutbox,
  prefix: string,
  format: ValueFormat<Value>,
  { known, shown, over }: Stores<Value>,
): void {
  const writes = new PendingWrites(prefix, format);
  let isRunning = false;
  let isDue = false;
  const show = async (): Promise<void> => {
    isDue = true;
    if (isRunning) return;
    isRunning = true;
    const opened = await outbox.open().catch(() => undefined);
    while (isDue) {
      isDue = false;
      shown.set(await shownOver(writes, opened, known.getSnapshot()));
    }
    isRunning = false;
  };
  const stops = [known.subscribe(() => void show()), outbox.subscribe(() => void show())];
  over.addEventListener("abort", () => stops.forEach((stop) => stop()), { once: true });
  void show();
}

export function pendingReads<Value>(
  outbox: LazyOutbox,
  prefix: string,
  format: ValueFormat<Value>,
  keys: {
    get(key: string, options: ReadOptions): Promise<Entry<Value> | undefined>;
    list(options: ReadOptions): Promise<List<Value>>;
  },
): PendingReads<Value> {
  const writes = new PendingWrites(prefix, format);
  return {
    async get(key, options) {
      const opened = await outbox.open();
      try {
        const entry = await keys.get(key, options);
        const known = new Map(entry === undefined ? [] : [[key, entry]]);
        return (await writes.over(opened, known, Infinity)).entries.get(key);
      } catch (error) {
        if (!isOutOfReach(error)) throw error;
        // Nobody says what is there. A queued put says what will be.
        const entry = (await writes.over(opened, new Map(), Infinity, true)).entries.get(key);
        if (entry === undefined) throw error;
        return entry;
      }
    },
    async list(options: PendingReadOptions) {
      const opened = await outbox.open();
      const { entries, invalid, revision } = await keys.list(options);
      const known = new Map(entries.map((entry) => [entry.key, entry]));
      const shown = await writes.over(opened, known, revision);
      const inOrder = [...shown.entries.values()].sort((left, right) => (left.key < right.key ? -1 : 1));
      return { entries: inOrder, invalid, revision };
    },
  };
}

async function shownOver<Value>(
  writes: PendingWrites<Value>,
  opened: OpenedOutbox | undefined,
  known: LiveSnapshot<Value>,
): Promise<LiveSnapshot<Value>> {
  if (opened === undefined) return known;
  const { entries, deleted } = await writes.over(opened, known.entries, known.revision);
  return { ...known, entries, pendingDeletes: deleted };
}

class PendingWrites<Value> {
  readonly #prefix: string;
  readonly #format: ValueFormat<Value>;

  constructor(prefix: string, format: ValueFormat<Value>) {
    this.#prefix = prefix;
    this.#format = format;
  }

  /** `isUnknown`: nothing is known of what is stored, so what depends on it is left out. */
  async over(
    { engine, handlers }: OpenedOutbox,
    known: ReadonlyMap<string, Entry<Value>>,
    revision: number,
    isUnknown = false,
  ): Promise<Shown<Value>> {
    const shown = { entries: new Map(known), deleted: new Set<string>() };
    for (const entry of [...engine.entries]) {
      if (!isUnseen(entry, revision)) continue;
      if (entry.write.type === "txn") await this.#txn(entry, known, shown);
      else if (!isUnknown) await this.#update(entry.write, handlers, known, shown);
    }
    return shown;
  }

  async #txn({ write }: StoredEntry, known: ReadonlyMap<string, Entry<Value>>, shown: Shown<Value>): Promise<void> {
    if (write.type !== "txn") return;
    for (const operation of write.operations) {
      if (operation.type === "put") {
        const { key, value, ignoreValue } = operation.put;
        if (!ignoreValue) await this.#put(toText(key), value, known, shown);
      } else if (operation.type === "deleteRange") {
        const { key, rangeEnd } = operation.deleteRange;
        for (const each of [...shown.entries.keys()]) {
          if (isWithin(toBytes(this.#prefix + each), key, rangeEnd)) remove(each, known, shown);
        }
      }
    }
  }

  async #update(
    { key, handler: name, args }: Extract<StoredEntry["write"], { readonly type: "update" }>,
    handlers: ReadonlyMap<string, OutboxHandler>,
    known: ReadonlyMap<string, Entry<Value>>,
    shown: Shown<Value>,
  ): Promise<void> {
    const full = toText(key);
    const handler = handlers.get(name);
    if (handler === undefined || !full.startsWith(this.#prefix)) return;
    const inner = full.slice(this.#prefix.length);
    const current = shown.entries.get(inner);
    try {
      const encoded = current === undefined ? undefined : toBytes(await this.#format.encode(inner, current.value));
      const next = await handler(encoded, { key: full, intended: undefined, args });
      if (next === undefined) remove(inner, known, shown);
      else if (next !== null) await this.#put(full, toBytes(next), known, shown);
    } catch {
      // The write is refused when it is sent, and says why.
    }
  }

  async #put(
    full: string,
    bytes: Uint8Array,
    known: ReadonlyMap<string, Entry<Value>>,
    shown: Shown<Value>,
  ): Promise<void> {
    if (!full.startsWith(this.#prefix)) return;
    const key = full.slice(this.#prefix.length);
    const before = known.get(key);
    try {
      const value = await this.#format.decode(key, bytes);
      const { etag, revision, createRevision, version, lease } = before ?? NEW;
      shown.entries.set(key, { key, value, etag, revision, createRevision, version, lease, isPending: true });
      shown.deleted.delete(key);
    } catch {
      // Queued by another version of the application: the schema of this one rejects it.
    }
  }
}

const NEW = { etag: "0", revision: 0, createRevision: 0, version: 0, lease: "0" };

function remove<Value>(key: string, known: ReadonlyMap<string, Entry<Value>>, shown: Shown<Value>): void {
  shown.entries.delete(key);
  if (known.has(key)) shown.deleted.add(key);
}

/** Its effect is not in the state of that revision. */
function isUnseen({ verdict }: StoredEntry, revision: number): boolean {
  return verdict === undefined || (verdict.type === "committed" && verdict.revision > revision);
}

function isWithin(key: Uint8Array, start: Uint8Array, rangeEnd: Uint8Array): boolean {
  if (rangeEnd.length === 0) return compareBytes(key, start) === 0;
  const isToTheLast = rangeEnd.length === 1 && rangeEnd[0] === 0;
  return compareBytes(key, start) >= 0 && (isToTheLast || compareBytes(key, rangeEnd) < 0);
}

function isOutOfReach(error: unknown): boolean {
  return isRetryable(error) || (error instanceof EtcdError && error.code === GrpcCode.DeadlineExceeded);
}
