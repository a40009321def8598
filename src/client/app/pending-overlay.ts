/** Queued writes over a live map. The code that applies them is loaded when it is first used. */
import type { LazyOutbox } from "../outbox/lazy-outbox.ts";
import type { Entry } from "./entry.ts";
import type { Overlay } from "./live.ts";
import type { List, PendingReadOptions } from "./namespace-types.ts";
import type { LazyFormat } from "./schema.ts";

/** Reads that show queued writes over what is known. */
export interface PendingReads<Value> {
  get(key: string, options: PendingReadOptions): Promise<Entry<Value> | undefined>;
  list(options: PendingReadOptions): Promise<List<Value>>;
}

export function pendingOverlay<Value>(outbox: LazyOutbox, prefix: string, format: LazyFormat<Value>): Overlay<Value> {
  return (known, shown, over) => {
    const show = async (): Promise<void> => {
      const code = await import("./pending.ts");
      code.showPending(outbox, prefix, await format(), { known, shown, over });
    };
    // Without an outbox there is nothing to lay over what is known.
    show().catch(() => {
      shown.set(known.getSnapshot());
      const stop = known.subscribe(() => shown.set(known.getSnapshot()));
      over.addEventListener("abort", stop, { once: true });
    });
  };
}
