/** What runs in a page for the witness: one operation, and a watch of everything. Each function is sent as text. */
import type { Answer } from "../chaos/callers.ts";
import type { Event } from "../chaos/judge.ts";
import type { Operation } from "../sim/history.ts";

/** An event at a revision, as text. */
export interface Seen extends Event {
  readonly revision: number;
}

declare global {
  interface Window {
    /** Takes what a watch was sent; `life` is one watch of one page. */
    quorateWatched(life: string, seen: readonly Seen[]): Promise<void>;
  }
}

/** Does the operation by the page's client. Keys are those of the simulator's checkers. */
export async function execute(operation: Operation): Promise<Answer> {
  const { kv, op, compare, toText } = window.quorate;
  const nameOf = (key: number): string => `key${key}`;
  const first = (kvs: readonly { readonly value: Uint8Array }[]): string | undefined =>
    kvs[0] === undefined ? undefined : toText(kvs[0].value);
  switch (operation.type) {
    case "put": {
      const { header } = await kv.put(nameOf(operation.key), operation.value);
      return { result: { type: "put" }, revision: header.revision };
    }
    case "delete": {
      const { header, deleted } = await kv.deleteRange(nameOf(operation.key));
      return { result: { type: "delete", deleted: deleted > 0 }, revision: header.revision };
    }
    case "get": {
      const { header, kvs } = await kv.range(nameOf(operation.key));
      return { result: { type: "get", value: first(kvs) }, revision: header.revision };
    }
    case "scan":
    case "peek":
    case "past": {
      const isPeek = operation.type === "peek";
      const { header, kvs } = await kv.range("key", { rangeEnd: "kez", serializable: isPeek });
      const values = Array.from({ length: 6 }, (_, key) => first(kvs.filter((one) => toText(one.key) === nameOf(key))));
      return { result: { type: "values", values, at: header.revision }, revision: header.revision };
    }
    case "swap":
    case "pair": {
      const { type, key, expected, value } = operation;
      const keys = type === "swap" ? [key] : [key, operation.other];
      const { header, succeeded, responses } = await kv
        .txn()
        .if(compare.value(nameOf(key)).equals(expected))
        .then(...keys.map((one) => op.put(nameOf(one), value)))
        .else(...keys.map((one) => op.range(nameOf(one))))
        .commit();
      const values = responses.map((one) => (one.type === "range" ? first(one.range.kvs) : undefined));
      const result =
        type === "swap" ? { type, swapped: succeeded, value: values[0] } : { type, swapped: succeeded, values };
      return { result, revision: header.revision };
    }
  }
}

/** Runs in each page from its start on: watches all keys from the first revision. */
export function watchAll(): void {
  const watch = async (): Promise<void> => {
    const life = `${performance.timeOrigin} ${Math.random()}`;
    while ((window.quorate as unknown) === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
    const { quorate } = window;
    for await (const { events } of quorate.watch("", { prefix: true, startRevision: 2 })) {
      const seen = events.map(({ type, kv }) => ({
        type,
        key: quorate.toText(kv.key),
        value: "",
        revision: kv.modRevision,
      }));
      if (seen.length > 0) await window.quorateWatched(life, seen);
    }
  };
  void watch().catch(() => undefined);
}

/** All that was ever written. */
export async function everything(): Promise<readonly Seen[]> {
  const { quorate } = window;
  const { header } = await quorate.kv.range("key0");
  const all: Seen[] = [];
  if (header.revision === 1) return all;
  for await (const { events } of quorate.watch("", { prefix: true, startRevision: 2 })) {
    for (const { type, kv } of events) {
      // Nobody looks at large values, nor at such as are no text.
      const value = kv.value.length > 100 ? "" : quorate.toText(kv.value);
      all.push({ type, key: quorate.toText(kv.key), value, revision: kv.modRevision });
    }
    if ((all.at(-1)?.revision ?? 0) >= header.revision) break;
  }
  return all;
}
