/** Converts the calls that queue a write to what is stored. */
import { invalid, keyRange, toBytes } from "../common/convert.ts";
import type { Bytes } from "../common/types.ts";
import { compare, op } from "../facade/txn.ts";
import type { Compare, RequestOp } from "../facade/txn.ts";
import type { NewEntry, StoredWrite } from "./outbox-store.ts";
import type {
  QueuedDeleteOptions,
  QueuedPutOptions,
  QueuedTxn,
  QueuedUpdateOptions,
  QueueOptions,
} from "./outbox-types.ts";

export type WriteCall =
  | { readonly type: "put"; readonly key: Bytes; readonly value: Bytes; readonly options: QueuedPutOptions }
  | { readonly type: "delete"; readonly key: Bytes; readonly options: QueuedDeleteOptions }
  | { readonly type: "txn"; readonly options: QueuedTxn }
  | {
      readonly type: "update";
      readonly key: Bytes;
      readonly handler: string;
      readonly options: QueuedUpdateOptions;
    };

/** What an entry takes beside its keys and values. */
const ENTRY_BYTES = 128;
const OPERATIONS_MAX = 127;

/** Throws EtcdError (InvalidArgument) for a write that is none. `now`: milliseconds since 1970. */
export function newEntry(id: string, call: WriteCall, now: number, markerTtl: number): NewEntry {
  const write = writeOf(call);
  return {
    id,
    queuedAt: now,
    expiresAt: now + expiresIn(call.options, markerTtl * 1_000),
    sizeBytes: ENTRY_BYTES + sizeOf(write),
    write,
  };
}

function writeOf(call: WriteCall): StoredWrite {
  switch (call.type) {
    case "put": {
      const { ifMatch, lease, onConflict, args } = call.options;
      const key = keyOf(call.key);
      if (onConflict !== undefined && ifMatch === undefined) {
        throw invalid("onConflict needs ifMatch: a put without a condition meets no conflict");
      }
      return {
        type: "txn",
        compare: matches(key, ifMatch),
        operations: [op.put(key, call.value, { lease })],
        ...(onConflict === undefined ? {} : { onConflict: { handler: onConflict, args } }),
      };
    }
    case "delete": {
      const { ifMatch, prefix, rangeEnd, fromKey } = call.options;
      const range = { prefix, rangeEnd, fromKey };
      const key = prefix === true || fromKey === true ? toBytes(call.key) : keyOf(call.key);
      if (ifMatch !== undefined && keyRange(key, range).rangeEnd.length > 0) {
        throw invalid("ifMatch is for one key, not for a range");
      }
      return { type: "txn", compare: matches(key, ifMatch), operations: [op.deleteRange(key, range)] };
    }
    case "txn":
      return txnOf(call.options);
    case "update":
      return { type: "update", key: keyOf(call.key), handler: call.handler, args: call.options.args };
  }
}

function txnOf({ compare: compares = [], success: operations }: QueuedTxn): StoredWrite {
  if (operations.length === 0) throw invalid("a queued txn puts or deletes something");
  if (operations.some(({ type }) => type !== "put" && type !== "deleteRange")) {
    throw invalid("a queued txn puts and deletes: nobody waits for what another operation returns");
  }
  if (Math.max(operations.length, compares.length) > OPERATIONS_MAX) {
    throw invalid(`a queued txn has at most ${OPERATIONS_MAX} comparisons and ${OPERATIONS_MAX} operations`);
  }
  return { type: "txn", compare: compares, operations };
}

function keyOf(key: Bytes): Uint8Array {
  const bytes = toBytes(key);
  if (bytes.length === 0) throw invalid("a key is not empty");
  return bytes;
}

function matches(key: Uint8Array, ifMatch: string | undefined): readonly Compare[] {
  if (ifMatch === undefined) return [];
  if (!/^(?:0|[1-9]\d{0,15})$/.test(ifMatch)) {
    throw invalid(`ifMatch is an entry's etag, or "0" for none, not ${JSON.stringify(ifMatch)}`);
  }
  return [compare.modRevision(key).equals(Number(ifMatch))];
}

function expiresIn({ expiresIn: given }: QueueOptions, maxMs: number): number {
  if (given === undefined) return maxMs;
  if (!(given > 0 && given <= maxMs)) {
    throw invalid(`expiresIn is a number of milliseconds above 0, and at most ${maxMs} (markerTtl)`);
  }
  return given;
}

function sizeOf(write: StoredWrite): number {
  if (write.type === "update") return write.key.length + argsSize(write.args);
  const compared = write.compare.reduce((sum, { key, rangeEnd, targetUnion }) => {
    const value = targetUnion?.type === "value" ? targetUnion.value.length : 0;
    return sum + key.length + rangeEnd.length + value;
  }, 0);
  const changed = write.operations.reduce((sum, operation) => sum + operationSize(operation), 0);
  return compared + changed + argsSize(write.onConflict?.args);
}

function operationSize(operation: RequestOp): number {
  if (operation.type === "put") return operation.put.key.length + operation.put.value.length;
  if (operation.type !== "deleteRange") return 0;
  return operation.deleteRange.key.length + operation.deleteRange.rangeEnd.length;
}

/** About as much as the store takes for it. */
function argsSize(args: unknown): number {
  if (args instanceof Uint8Array) return args.length;
  return args === undefined ? 0 : (JSON.stringify(args, (_, value: unknown) => plain(value)) ?? "").length;
}

function plain(value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
