/** Queues writes of a namespace's values. */
import type { LazyOutbox } from "../outbox/lazy-outbox.ts";
import type { WriteCall } from "../outbox/new-entry.ts";
import type {
  HandlerContext,
  QueuedDeleteOptions,
  QueuedPutOptions,
  QueuedUpdateOptions,
  QueuedWrite,
} from "../outbox/outbox-types.ts";
import type { LazyFormat } from "./schema.ts";

/**
 * Computes what to write from the current value. Returns undefined to delete the key, null to drop the write. `OutboxHandler`
 * describes the rest.
 */
export type ValueHandler<Value> = (
  current: Value | undefined,
  context: HandlerContext<Value>,
) => Value | undefined | null | Promise<Value | undefined | null>;

/** `Outbox` describes the calls. A value that the schema rejects is not queued: `stored` rejects. */
export interface NamespaceOutbox<Value> {
  put(key: string, value: Value, options?: QueuedPutOptions): QueuedWrite;
  delete(key: string, options?: Pick<QueuedDeleteOptions, "ifMatch" | "expiresIn">): QueuedWrite;
  update(key: string, handler: string, options?: QueuedUpdateOptions): QueuedWrite;
  /** Registers a handler for this namespace. The same name in another one is another handler. */
  handle(name: string, handler: ValueHandler<Value>): () => void;
}

export function namespaceOutbox<Value>(
  outbox: LazyOutbox,
  prefix: string,
  format: LazyFormat<Value>,
): NamespaceOutbox<Value> {
  const named = (name: string): string => `${prefix} ${name}`;
  const put = async (key: string, value: Value, options: QueuedPutOptions): Promise<WriteCall> => {
    const { onConflict } = options;
    const encoded = await (await format()).encode(key, value);
    const handler = onConflict === undefined ? {} : { onConflict: named(onConflict) };
    return { type: "put", key: prefix + key, value: encoded, options: { ...options, ...handler } };
  };
  return {
    put: (key, value, options = {}) => outbox.queue(put(key, value, structuredClone(options))),
    delete: (key, options = {}) => outbox.delete(prefix + key, options),
    update: (key, handler, options = {}) => outbox.update(prefix + key, named(handler), options),
    handle: (name, handler) =>
      outbox.handle(named(name), async (current, { key, intended, args }) => {
        const inner = key.slice(prefix.length);
        const decoded = async (bytes: Uint8Array | undefined): Promise<Value | undefined> =>
          bytes === undefined ? undefined : (await format()).decode(inner, bytes);
        const context = { key: inner, intended: await decoded(intended), args };
        const next = await handler(await decoded(current), context);
        if (next === undefined) return undefined;
        return next === null ? null : (await format()).encode(inner, next);
      }),
  };
}
