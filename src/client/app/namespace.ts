/**
 * Keys under a prefix, with values of one type.
 *
 *   const flags = client.namespace("flags/", { schema: z.object({ on: z.boolean() }) });
 *   await flags.put("dark", { on: true });
 *   await flags.update("dark", (flag) => ({ on: !flag?.on }));
 *   for await (const { key, value } of flags.entries()) console.log(key, value.on);
 */
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { KvClient } from "../client.ts";
import type { Id } from "../common/types.ts";
import { lazyFacade } from "../facade/lazy-facade.ts";
import type { Entry } from "./entry.ts";
import type { List, PendingReadOptions, ReadOptions } from "./namespace-types.ts";
import { namespaceOutbox, type NamespaceOutbox } from "./namespace-outbox.ts";
import { pendingOverlay } from "./pending-overlay.ts";
import type { LazyOutbox } from "../outbox/lazy-outbox.ts";
import { Live } from "./live.ts";
import type { LiveHost } from "./live-snapshot.ts";
import type { ValueFormat, ValueOptions } from "./schema.ts";

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
  entries(options?: ReadOptions & { readonly pageSize?: number | undefined }): AsyncIterableIterator<Entry<Value>>;
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

const appParts = /* @__PURE__ */ loadedOnce(() => import("./app-parts.ts"));

export interface NamespaceHost extends LiveHost {
  readonly kv: KvClient;
  readonly outbox: LazyOutbox;
}

export function namespace<Value>(
  host: NamespaceHost,
  prefix: string,
  options: ValueOptions<Value> = {},
): Namespace<Value> {
  const format = async (): Promise<ValueFormat<Value>> => (await appParts()).valueFormat(options);
  const keys = loadedOnce(async () => new (await appParts()).NamespaceKeys(host, prefix, await format()));
  return {
    prefix,
    ...lazyFacade<Namespace<Value>>({ get: 1, put: 1, create: 1, update: 1, delete: 1, list: 1 }, keys),
    async *entries(read) {
      yield* (await keys()).entries(read);
    },
    live: ({ pending = false } = {}) =>
      new Live(
        { ...host, parts: appParts },
        prefix,
        format,
        pending ? pendingOverlay(host.outbox, prefix, format) : undefined,
      ),
    outbox: namespaceOutbox(host.outbox, prefix, format),
    namespace: <Inner>(inner: string, innerOptions?: ValueOptions<Inner>) =>
      namespace(host, prefix + inner, innerOptions),
  };
}
