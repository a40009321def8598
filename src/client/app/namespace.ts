/**
 * Keys under a prefix, with values of one type.
 *
 *   const flags = client.namespace("flags/", { schema: z.object({ on: z.boolean() }) });
 *   await flags.put("dark", { on: true });
 *   await flags.update("dark", (flag) => ({ on: !flag?.on }));
 *   for await (const { key, value } of flags.entries()) console.log(key, value.on);
 */
import { compare, op } from "../facade/txn.ts";
import type { Compare } from "../facade/txn.ts";
import { invalid } from "../common/convert.ts";
import type { KvClient } from "../client.ts";
import type { Id, KeyValue, TxnResult } from "../common/types.ts";
import { type Entry, entry, entryOf } from "./entry.ts";
import { ConflictError, InvalidValueError } from "./errors.ts";
import type { List, PendingReadOptions, ReadOptions } from "./namespace-types.ts";
import { namespaceOutbox, type NamespaceOutbox } from "./namespace-outbox.ts";
import { pendingOverlay, type PendingReads } from "./pending-overlay.ts";
import type { LazyOutbox } from "../outbox/lazy-outbox.ts";
import { Live, type LiveHost } from "./live.ts";
import { pagesOf } from "./pages.ts";
import { valueFormat, type ValueFormat, type ValueOptions } from "./schema.ts";

/** Options of writes in a namespace. */
export interface WriteOptions {
  /** Writes only if the key still has this etag. Otherwise the call rejects with ConflictError. */
  readonly ifMatch?: string | undefined;
  /** Attaches the key to this lease: the key is deleted when the lease ends. */
  readonly lease?: Id | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Result of `create`: whether this call created the key, and the stored entry. */
export type Created<Value> =
  /** This call created the key. */
  | { readonly created: true; readonly entry: Entry<Value> }
  /** The key existed; `entry` is the stored one. */
  | { readonly created: false; readonly entry: Entry<Value> };

/** Keys under a prefix with values of one type. All keys are given and returned without the prefix. */
export interface Namespace<Value> {
  readonly prefix: string;
  /**
   * Returns the entry, or undefined if the key does not exist. Rejects with InvalidValueError if the schema rejects the
   * stored value.
   */
  get(key: string, options?: PendingReadOptions): Promise<Entry<Value> | undefined>;
  /**
   * Puts the value. Rejects with InvalidValueError if the schema rejects it, with ConflictError if `ifMatch` does not
   * hold.
   */
  put(key: string, value: Value, options?: WriteOptions): Promise<Entry<Value>>;
  /** Puts the value if the key does not exist. Returns the stored entry otherwise. */
  create(key: string, value: Value, options?: Omit<WriteOptions, "ifMatch">): Promise<Created<Value>>;
  /**
   * Replaces the value by the result of `change`, which is called again whenever another client changed the key
   * meanwhile. `change` returns undefined to delete the key. The key keeps its lease. Returns the stored entry,
   * undefined if there is none. Rejects with ConflictError after 100 attempts.
   */
  update(
    key: string,
    change: (current: Value | undefined) => Value | undefined | Promise<Value | undefined>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<Entry<Value> | undefined>;
  /** Deletes the key. Returns true if it existed. Rejects with ConflictError if `ifMatch` does not hold. */
  delete(key: string, options?: Omit<WriteOptions, "lease">): Promise<boolean>;
  /** Returns all entries of one revision. Invalid values do not reject the call: they are in `invalid`. */
  list(options?: PendingReadOptions): Promise<List<Value>>;
  /**
   * Yields all entries of one revision in pages (default 500 keys), as fast as the loop consumes them. Rejects with
   * InvalidValueError at the first value that the schema rejects.
   */
  entries(options?: ReadOptions & { readonly pageSize?: number }): AsyncIterableIterator<Entry<Value>>;
  /** Lists, then watches until closed: a map whose entries are always of one revision. The caller closes it. */
  live(options?: LiveOptions): Live<Value>;
  /** Queues writes of this namespace's values; `Outbox` describes the calls. */
  readonly outbox: NamespaceOutbox<Value>;
  /** Returns a namespace within this one. */
  namespace<Inner = Value>(prefix: string, options?: ValueOptions<Inner>): Namespace<Inner>;
}

/** Options of `live`. */
export interface LiveOptions {
  /**
   * Shows queued writes over what is known: their entries say `isPending`, and `pendingDeletes` names what they delete.
   * A refused write disappears; a committed one stays until its revision is known. Default false.
   */
  readonly pending?: boolean | undefined;
}

const PAGE = 500;
/** More lost races in a row than this are no accident. */
const UPDATES_MAX = 100;

export interface NamespaceHost extends LiveHost {
  readonly kv: KvClient;
  readonly outbox: LazyOutbox;
}

export function namespace<Value>(
  host: NamespaceHost,
  prefix: string,
  options: ValueOptions<Value> = {},
): Namespace<Value> {
  const format = valueFormat(options);
  const keys = new NamespaceKeys(host.kv, prefix, format);
  const withPending = async (): Promise<PendingReads<Value>> => {
    const { pendingReads } = await import("./pending.ts");
    return pendingReads(host.outbox, prefix, format, keys);
  };
  return {
    prefix,
    get: (key, read) =>
      read?.pending === true ? withPending().then((shown) => shown.get(key, read)) : keys.get(key, read),
    put: (key, value, write) => keys.put(key, value, write),
    create: (key, value, write) => keys.create(key, value, write),
    update: (key, change, { signal } = {}) => keys.update(key, change, signal),
    delete: (key, write) => keys.delete(key, write),
    list: (read) => (read?.pending === true ? withPending().then((shown) => shown.list(read)) : keys.list(read)),
    entries: (read) => keys.entries(read),
    live: ({ pending = false } = {}) =>
      new Live(host, prefix, format, pending ? pendingOverlay(host.outbox, prefix, format) : undefined),
    outbox: namespaceOutbox(host.outbox, prefix, format),
    namespace: <Inner>(inner: string, innerOptions?: ValueOptions<Inner>) =>
      namespace(host, prefix + inner, innerOptions),
  };
}

class NamespaceKeys<Value> {
  readonly #kv: KvClient;
  readonly #prefix: string;
  readonly #format: ValueFormat<Value>;
  readonly #range: KvClient["range"] = (key, options) => this.#kv.range(key, options);

  constructor(kv: KvClient, prefix: string, format: ValueFormat<Value>) {
    this.#kv = kv;
    this.#prefix = prefix;
    this.#format = format;
  }

  async get(key: string, { serializable, signal }: ReadOptions = {}): Promise<Entry<Value> | undefined> {
    signal?.throwIfAborted();
    const { kvs } = await this.#kv.range(this.#key(key), { serializable });
    return kvs[0] === undefined ? undefined : entryOf(kvs[0], this.#prefix, this.#format);
  }

  async put(key: string, value: Value, { ifMatch, lease, signal }: WriteOptions = {}): Promise<Entry<Value>> {
    const full = this.#key(key);
    const encoded = await this.#format.encode(key, value);
    signal?.throwIfAborted();
    const written = await this.#kv
      .txn()
      .if(...this.#matches(full, ifMatch))
      .then(op.put(full, encoded, { lease }), op.range(full))
      .commit();
    if (!written.succeeded)
      throw new ConflictError(key, `${JSON.stringify(key)} is not at version ${ifMatch} any more`);
    return entry(key, value, rangeOf(written, 1) ?? lost());
  }

  async create(
    key: string,
    value: Value,
    { lease, signal }: Omit<WriteOptions, "ifMatch"> = {},
  ): Promise<Created<Value>> {
    const full = this.#key(key);
    const encoded = await this.#format.encode(key, value);
    signal?.throwIfAborted();
    const tried = await this.#kv
      .txn()
      .if(compare.createRevision(full).equals(0))
      .then(op.put(full, encoded, { lease }), op.range(full))
      .else(op.range(full))
      .commit();
    if (tried.succeeded) return { created: true, entry: entry(key, value, rangeOf(tried, 1) ?? lost()) };
    return { created: false, entry: await entryOf(rangeOf(tried, 0) ?? lost(), this.#prefix, this.#format) };
  }

  async update(
    key: string,
    change: (current: Value | undefined) => Value | undefined | Promise<Value | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<Entry<Value> | undefined> {
    const full = this.#key(key);
    for (let attempt = 0; attempt < UPDATES_MAX; attempt++) {
      const current = await this.get(key, { signal });
      const next = await change(current?.value);
      if (next === undefined && current === undefined) return undefined;
      const encoded = next === undefined ? undefined : await this.#format.encode(key, next);
      signal?.throwIfAborted();
      const operations =
        encoded === undefined
          ? [op.deleteRange(full)]
          : // A key keeps the lease that it has.
            [op.put(full, encoded, { ignoreLease: current !== undefined }), op.range(full)];
      const written = await this.#kv
        .txn()
        .if(compare.modRevision(full).equals(current?.revision ?? 0))
        .then(...operations)
        .commit();
      if (written.succeeded) return next === undefined ? undefined : entry(key, next, rangeOf(written, 1) ?? lost());
    }
    throw new ConflictError(key, `${JSON.stringify(key)} was changed by others ${UPDATES_MAX} times in a row`);
  }

  async delete(key: string, { ifMatch, signal }: Omit<WriteOptions, "lease"> = {}): Promise<boolean> {
    const full = this.#key(key);
    signal?.throwIfAborted();
    const done = await this.#kv
      .txn()
      .if(...this.#matches(full, ifMatch))
      .then(op.deleteRange(full))
      .commit();
    if (!done.succeeded) throw new ConflictError(key, `${JSON.stringify(key)} is not at version ${ifMatch} any more`);
    const [first] = done.responses;
    return first?.type === "deleteRange" && first.deleteRange.deleted > 0;
  }

  async list(options: ReadOptions = {}): Promise<List<Value>> {
    const entries: Entry<Value>[] = [];
    const refused = new Map<string, InvalidValueError>();
    let revision = 0;
    for await (const page of pagesOf(this.#range, this.#prefix, { ...options, limit: PAGE })) {
      revision = page.revision;
      for (const kv of page.kvs) {
        try {
          entries.push(await entryOf(kv, this.#prefix, this.#format));
        } catch (error) {
          if (!(error instanceof InvalidValueError)) throw error;
          refused.set(error.key, error);
        }
      }
    }
    return { entries, invalid: refused, revision };
  }

  async *entries({ pageSize = PAGE, ...options }: ReadOptions & { readonly pageSize?: number } = {}): AsyncGenerator<
    Entry<Value>,
    undefined
  > {
    for await (const { kvs } of pagesOf(this.#range, this.#prefix, { ...options, limit: pageSize })) {
      for (const kv of kvs) yield await entryOf(kv, this.#prefix, this.#format);
    }
    return undefined;
  }

  #key(key: string): string {
    if (typeof key !== "string") throw invalid(`a key of a namespace is a string, not ${typeof key}`);
    if (this.#prefix === "" && key === "") throw invalid("a key is not empty");
    return this.#prefix + key;
  }

  #matches(full: string, ifMatch: string | undefined): readonly Compare[] {
    if (ifMatch === undefined) return [];
    if (!/^[1-9]\d{0,15}$/.test(ifMatch)) throw invalid(`ifMatch is an entry's etag, not ${JSON.stringify(ifMatch)}`);
    return [compare.modRevision(full).equals(Number(ifMatch))];
  }
}

function rangeOf({ responses }: TxnResult, at: number): KeyValue | undefined {
  const response = responses[at];
  return response?.type === "range" ? response.range.kvs[0] : undefined;
}

function lost(): never {
  throw invalid("the server's response lacks the key that the request has put");
}
