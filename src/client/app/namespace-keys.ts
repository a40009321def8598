/** Reads and writes of a namespace's keys. Loaded with the first of them. */
import { compare, op } from "../facade/txn.ts";
import type { Compare } from "../facade/txn.ts";
import { invalid } from "../common/convert.ts";
import type { KvClient } from "../client.ts";
import type { KeyValue, TxnResult } from "../common/types.ts";
import type { LazyOutbox } from "../outbox/lazy-outbox.ts";
import { type Entry, entry, entryOf } from "./entry.ts";
import { heeded } from "./heeded.ts";
import { ConflictError, InvalidValueError } from "./errors.ts";
import type { Created, NamespaceHost, WriteOptions } from "./namespace.ts";
import type { List, PendingReadOptions, ReadOptions } from "./namespace-types.ts";
import { pagesOf } from "./pages.ts";
import type { PendingReads } from "./pending-overlay.ts";
import type { ValueFormat } from "./schema.ts";

const PAGE = 500;
/** More lost races in a row than this are no accident. */
const UPDATES_MAX = 100;

export class NamespaceKeys<Value> {
  readonly #kv: KvClient;
  readonly #outbox: LazyOutbox;
  readonly #prefix: string;
  readonly #format: ValueFormat<Value>;
  readonly #range: KvClient["range"] = (key, options) => this.#kv.range(key, options);

  constructor({ kv, outbox }: NamespaceHost, prefix: string, format: ValueFormat<Value>) {
    this.#kv = kv;
    this.#outbox = outbox;
    this.#prefix = prefix;
    this.#format = format;
  }

  async get(key: string, { pending, ...options }: PendingReadOptions = {}): Promise<Entry<Value> | undefined> {
    return pending === true ? (await this.#withPending()).get(key, options) : this.#get(key, options);
  }

  async #get(key: string, { serializable, signal }: ReadOptions): Promise<Entry<Value> | undefined> {
    const full = this.#key(key);
    const { kvs } = await heeded(signal, () => this.#kv.range(full, { serializable, signal }));
    return kvs[0] === undefined ? undefined : entryOf(kvs[0], this.#prefix, this.#format);
  }

  async put(key: string, value: Value, { ifMatch, lease, signal }: WriteOptions = {}): Promise<Entry<Value>> {
    const full = this.#key(key);
    const encoded = await this.#format.encode(key, value);
    const txn = this.#kv
      .txn()
      .if(...this.#matches(full, ifMatch))
      .then(op.put(full, encoded, { lease }), op.range(full));
    const written = await heeded(signal, () => txn.commit({ signal }));
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
    const txn = this.#kv
      .txn()
      .if(compare.createRevision(full).equals(0))
      .then(op.put(full, encoded, { lease }), op.range(full))
      .else(op.range(full));
    const tried = await heeded(signal, () => txn.commit({ signal }));
    if (tried.succeeded) return { created: true, entry: entry(key, value, rangeOf(tried, 1) ?? lost()) };
    return { created: false, entry: await entryOf(rangeOf(tried, 0) ?? lost(), this.#prefix, this.#format) };
  }

  async update(
    key: string,
    change: (current: Value | undefined) => Value | undefined | Promise<Value | undefined>,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Entry<Value> | undefined> {
    const full = this.#key(key);
    for (let attempt = 0; attempt < UPDATES_MAX; attempt++) {
      const current = await this.#get(key, { signal });
      const next = await change(current?.value);
      if (next === undefined && current === undefined) return undefined;
      const encoded = next === undefined ? undefined : await this.#format.encode(key, next);
      const operations =
        encoded === undefined
          ? [op.deleteRange(full)]
          : // A key keeps the lease that it has.
            [op.put(full, encoded, { ignoreLease: current !== undefined }), op.range(full)];
      const txn = this.#kv
        .txn()
        .if(compare.modRevision(full).equals(current?.revision ?? 0))
        .then(...operations);
      const written = await heeded(signal, () => txn.commit({ signal }));
      if (written.succeeded) return next === undefined ? undefined : entry(key, next, rangeOf(written, 1) ?? lost());
    }
    throw new ConflictError(key, `${JSON.stringify(key)} was changed by others ${UPDATES_MAX} times in a row`);
  }

  async delete(key: string, { ifMatch, signal }: Omit<WriteOptions, "lease"> = {}): Promise<boolean> {
    const full = this.#key(key);
    const txn = this.#kv
      .txn()
      .if(...this.#matches(full, ifMatch))
      .then(op.deleteRange(full));
    const done = await heeded(signal, () => txn.commit({ signal }));
    if (!done.succeeded) throw new ConflictError(key, `${JSON.stringify(key)} is not at version ${ifMatch} any more`);
    const [first] = done.responses;
    return first?.type === "deleteRange" && first.deleteRange.deleted > 0;
  }

  async list({ pending, ...options }: PendingReadOptions = {}): Promise<List<Value>> {
    return pending === true ? (await this.#withPending()).list(options) : this.#list(options);
  }

  async #list(options: ReadOptions): Promise<List<Value>> {
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

  async *entries({
    pageSize = PAGE,
    ...options
  }: ReadOptions & { readonly pageSize?: number | undefined } = {}): AsyncGenerator<Entry<Value>, undefined> {
    for await (const { kvs } of pagesOf(this.#range, this.#prefix, { ...options, limit: pageSize })) {
      for (const kv of kvs) yield await entryOf(kv, this.#prefix, this.#format);
    }
    return undefined;
  }

  async #withPending(): Promise<PendingReads<Value>> {
    const { pendingReads } = await import("./pending.ts");
    const known = {
      get: (key: string, options: ReadOptions) => this.#get(key, options),
      list: (options: ReadOptions) => this.#list(options),
    };
    return pendingReads(this.#outbox, this.#prefix, this.#format, known);
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
