/** What a queued write is as a part of a txn: its comparisons and operations, computed when it is sent. */
import type { KvClient } from "../client.ts";
import { toBytes, toText } from "../common/convert.ts";
import type { KeyValue } from "../common/types.ts";
import { compare, op } from "../facade/txn.ts";
import type { Compare, RequestOp } from "../facade/txn.ts";
import type { StoredEntry, TxnWrite, UpdateWrite } from "./outbox-store.ts";
import type { HandlerContext, OutboxHandler } from "./outbox-types.ts";

export type Plan =
  | {
      readonly type: "send";
      readonly entry: StoredEntry;
      readonly compare: readonly Compare[];
      readonly operations: readonly RequestOp[];
      /** If a comparison does not hold: plan it again with the current value, instead of refusing it. */
      readonly mayRepeat: boolean;
    }
  | { readonly type: "wait"; readonly entry: StoredEntry; readonly reason: string }
  | { readonly type: "refuse"; readonly entry: StoredEntry; readonly reason: string };

/** A write that is computed from the current value of its key. */
interface Computed {
  readonly entry: StoredEntry;
  readonly key: Uint8Array;
  readonly handler: string;
  readonly intended: Uint8Array | undefined;
  readonly args: unknown;
}

/** `rebased`: ids of puts whose condition did not hold and that have a handler for that. */
export async function plansOf(
  entries: readonly StoredEntry[],
  rebased: ReadonlySet<string>,
  handlers: ReadonlyMap<string, OutboxHandler>,
  kv: Pick<KvClient, "txn">,
): Promise<readonly Plan[]> {
  const computed = entries.map((entry) => computedOf(entry, rebased));
  const wanted = computed.filter((each) => each !== undefined && handlers.has(each.handler)) as readonly Computed[];
  const current = await read(wanted, kv);
  return Promise.all(
    entries.map(async (entry, at) => {
      const each = computed[at];
      if (each === undefined) return asStored(entry, entry.write as TxnWrite);
      return withHandler(each, handlers.get(each.handler), current.get(entry.id));
    }),
  );
}

function computedOf(entry: StoredEntry, rebased: ReadonlySet<string>): Computed | undefined {
  const { write } = entry;
  if (write.type === "update") return ofUpdate(entry, write);
  if (write.onConflict === undefined || !rebased.has(entry.id)) return undefined;
  const [first] = write.operations;
  if (first?.type !== "put") return undefined;
  const { key, value } = first.put;
  return { entry, key, intended: value, handler: write.onConflict.handler, args: write.onConflict.args };
}

function ofUpdate(entry: StoredEntry, { key, handler, args }: UpdateWrite): Computed {
  return { entry, key, handler, args, intended: undefined };
}

/** All of one revision. */
async function read(
  wanted: readonly Computed[],
  kv: Pick<KvClient, "txn">,
): Promise<ReadonlyMap<string, KeyValue | undefined>> {
  if (wanted.length === 0) return new Map();
  const { responses } = await kv
    .txn()
    .then(...wanted.map(({ key }) => op.range(key)))
    .commit();
  return new Map(
    wanted.map(({ entry }, at) => {
      const response = responses[at];
      return [entry.id, response?.type === "range" ? response.range.kvs[0] : undefined];
    }),
  );
}

function asStored(entry: StoredEntry, write: TxnWrite): Plan {
  return send(entry, write.compare, write.operations, write.onConflict !== undefined);
}

async function withHandler(
  { entry, key, handler: name, intended, args }: Computed,
  handler: OutboxHandler | undefined,
  kv: KeyValue | undefined,
): Promise<Plan> {
  if (handler === undefined) {
    const reason = `no handler is registered under the name ${JSON.stringify(name)}: outbox.handle(name, …) does that`;
    return { type: "wait", entry, reason };
  }
  const context: HandlerContext = { key: toText(key), intended, args };
  try {
    const next = await handler(kv?.value, context);
    if (next === null)
      return { type: "refuse", entry, reason: `the handler ${JSON.stringify(name)} dropped the write` };
    const condition = compare.modRevision(key).equals(kv?.modRevision ?? 0);
    // A key keeps the lease that it has.
    const operation =
      next === undefined ? op.deleteRange(key) : op.put(key, toBytes(next), { ignoreLease: kv !== undefined });
    return send(entry, [condition], [operation], true);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { type: "refuse", entry, reason: `the handler ${JSON.stringify(name)} failed: ${why}` };
  }
}

function send(
  entry: StoredEntry,
  compares: readonly Compare[],
  operations: readonly RequestOp[],
  mayRepeat: boolean,
): Plan {
  return { type: "send", entry, compare: compares, operations, mayRepeat };
}
