/** Converts `If-Match` and `If-None-Match` of a write to the compares of a txn. */
import {
  compare,
  type Compare,
  type CompareResult,
  rangeRequest,
  type RequestOp,
  type ResponseOp,
  txnRequest,
  type TxnRequest,
  type TxnResponse,
} from "../../protocol/api/kv.ts";
import type { Conditions } from "./plain-request.ts";

/**
 * The operation is executed if one tag of If-Match holds (each is a txn in the previous one's else branch) and none of
 * If-None-Match. Otherwise the key is read.
 */
export function conditional(key: Uint8Array, operation: RequestOp, { match, noneMatch }: Conditions): TxnRequest {
  const mod = (result: CompareResult, modRevision: number): Compare =>
    compare({ key, target: "MOD", result, targetUnion: { type: "modRevision", modRevision } });
  const none = noneMatch === "any" ? [mod("EQUAL", 0)] : (noneMatch ?? []).map((tag) => mod("NOT_EQUAL", tag));
  const ways = match === "any" ? [[mod("NOT_EQUAL", 0)]] : (match?.map((tag) => [mod("EQUAL", tag)]) ?? [[]]);
  let otherwise: RequestOp = { type: "range", range: rangeRequest({ key, keysOnly: true }) };
  let request = txnRequest();
  for (const way of ways.toReversed()) {
    request = txnRequest({ compare: [...way, ...none], success: [operation], failure: [otherwise] });
    otherwise = { type: "txn", txn: request };
  }
  return request;
}

/** Returns the result of the innermost txn that was executed. */
export function outcomeOf(response: TxnResponse): ResponseOp | undefined {
  const [first] = response.responses;
  return first?.type === "txn" ? outcomeOf(first.txn) : first;
}
