/**
 * The frequent calls without a `Request` and a `Response` for each: a caller that batches many passes bodies and gets
 * bodies back. The responses are those of the JSON gateway (rpc-routes.ts).
 */
import type { CallContext, KvService } from "../member/api/services.ts";
import { decodeJson } from "../protocol/codec/json-decode.ts";
import { encodeJson } from "../protocol/codec/json-encode.ts";
import { KV_RPCS } from "../protocol/api/rpc/kv-rpcs.ts";
import type { Rpc } from "../protocol/api/rpc/rpc.ts";
import { type ErrorParts, errorParts } from "./http/errors.ts";

/** A successful response has no `error`. */
export interface KvHttpResponse {
  readonly body: string;
  readonly error?: ErrorParts | undefined;
}

/** Never rejects. */
export type KvCall = (body: string, context: CallContext) => Promise<KvHttpResponse>;

const { range, put, deleteRange, txn } = KV_RPCS;

/** Short calls, which no other call waits for. */
export const KV_CALL_PATHS: ReadonlySet<string> = new Set([range, put, deleteRange, txn].flatMap(({ paths }) => paths));

export function kvCalls(kv: KvService): ReadonlyMap<string, KvCall> {
  return new Map([
    ...callsOf(range, (message, context) => kv.range(message, context)),
    ...callsOf(put, (message, context) => kv.put(message, context)),
    ...callsOf(deleteRange, (message, context) => kv.deleteRange(message, context)),
    ...callsOf(txn, (message, context) => kv.txn(message, context)),
  ]);
}

function callsOf<Q, R>(
  { paths, request, response }: Rpc<Q, R>,
  run: (message: Q, context: CallContext) => Promise<R>,
): readonly (readonly [string, KvCall])[] {
  const call: KvCall = async (body, context) => {
    try {
      return { body: encodeJson(response, await run(decodeJson(request, body), context)) };
    } catch (thrown) {
      const error = errorParts(thrown);
      return { body: error.body, error };
    }
  };
  return paths.map((path) => [path, call]);
}
