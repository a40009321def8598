/** What the benchmark asks an endpoint, as etcd's JSON gateway takes it: Quorate and etcd get the same bytes. */
import { type Connection, postRequest } from "./connection.ts";

export const KEYS = 100_000;
const KEY_BYTES = 64;
const VALUE = Buffer.alloc(256, "v").toString("base64");
const FILL_OPERATIONS = 100;
/** Enough different ones that no cache of an endpoint holds the answer, few enough to be made beforehand. */
const PREPARED = 4_096;

export type Operation = "put" | "linearizable" | "serializable";

export const OPERATIONS: readonly Operation[] = ["put", "linearizable", "serializable"];

export function putRequest(url: string, at: number): Buffer {
  return postRequest(`${url}/v3/kv/put`, { key: keyAt(at), value: VALUE });
}

export function rangeRequest(url: string, at: number, serializable: boolean): Buffer {
  return postRequest(`${url}/v3/kv/range`, { key: keyAt(at), ...(serializable ? { serializable } : {}) });
}

/** Of the first `keys` keys, over all of them. */
export function preparedRequests(url: string, operation: Operation, keys: number = KEYS): readonly Buffer[] {
  return Array.from({ length: PREPARED }, (_, at) => {
    const key = (at * 61_803) % keys;
    return operation === "put" ? putRequest(url, key) : rangeRequest(url, key, operation === "serializable");
  });
}

/** Writes keys, many in a transaction, until it is time to stop. Returns how many. */
export async function fill(
  url: string,
  connections: readonly Connection[],
  keys: number = KEYS,
  untilMs: number = Infinity,
): Promise<number> {
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      while (next < keys && performance.now() < untilMs) {
        const from = next;
        next += FILL_OPERATIONS;
        const success = Array.from({ length: FILL_OPERATIONS }, (_, at) => ({
          requestPut: { key: keyAt(from + at), value: VALUE },
        }));
        const { status, body } = await connection.send(postRequest(`${url}/v3/kv/txn`, { success }));
        if (status !== 200) throw new Error(`the fill was answered ${status}: ${body.toString()}`);
      }
    }),
  );
  return next;
}

function keyAt(at: number): string {
  return Buffer.from(`bench/${String(at).padStart(6, "0")}/`.padEnd(KEY_BYTES, "k")).toString("base64");
}
