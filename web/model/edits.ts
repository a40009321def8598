/**
 * Changes made on the page. Each is guarded by the revision that its author saw: if the key has changed since, nothing is
 * written, and the author sees the current value.
 */
import type { Client } from "../../src/client/client.ts";
import type { Bytes, KeyValue, TxnResult } from "../../src/client/common/types.ts";
import type { RequestOp } from "../../src/client/facade/txn.ts";

export type EditOutcome =
  | { readonly type: "done"; readonly revision: number }
  /** The key had changed; `now` is its current value, undefined if it was deleted. */
  | { readonly type: "changed"; readonly now: KeyValue | undefined };

/** `seen` is the modification revision that the author saw; 0 for a key that did not exist. */
export async function putGuarded(
  client: Client,
  key: Bytes,
  value: Uint8Array,
  seenModRevision: number,
): Promise<EditOutcome> {
  return guarded(client, key, seenModRevision, client.op.put(key, value));
}

export async function deleteGuarded(client: Client, key: Bytes, seenModRevision: number): Promise<EditOutcome> {
  return guarded(client, key, seenModRevision, client.op.deleteRange(key));
}

async function guarded(client: Client, key: Bytes, seenModRevision: number, change: RequestOp): Promise<EditOutcome> {
  const result = await client.kv
    .txn()
    .if(client.compare.modRevision(key).equals(seenModRevision))
    .then(change)
    .else(client.op.range(key))
    .commit();
  return result.succeeded
    ? { type: "done", revision: result.header.revision }
    : { type: "changed", now: found(result) };
}

function found({ responses }: TxnResult): KeyValue | undefined {
  const [response] = responses;
  return response?.type === "range" ? response.range.kvs[0] : undefined;
}
