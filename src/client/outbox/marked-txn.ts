/** The txns of an outbox. Each compares the marker with the value that this copy knows, and moves it to another one. */
import { type EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { KvClient } from "../client.ts";
import { compare, op } from "../facade/txn.ts";
import type { RequestOp, Txn } from "../facade/txn.ts";
import type { KeyValue, OpResult, TxnResult } from "../common/types.ts";
import type { OutboxIdentity } from "./outbox-store.ts";
import type { Plan } from "./plan.ts";

export type Sendable = Extract<Plan, { readonly type: "send" }>;

/** What the txn found, and the revision at which it did. */
export type Found =
  /** The writes were executed. */
  | { readonly type: "committed"; readonly revision: number }
  /** The condition of the only write did not hold. */
  | { readonly type: "refused"; readonly kvs: readonly KeyValue[]; readonly revision: number }
  /** Nothing was done: the marker is another one, or a condition did not hold. */
  | { readonly type: "neither"; readonly marker: KeyValue | undefined };

export interface Markers {
  readonly committed: string;
  readonly refused: string;
}

/** Executes all writes, or none. One alone that may not be planned again is refused in the same txn. */
export async function commitWrites(
  kv: Pick<KvClient, "txn">,
  identity: OutboxIdentity,
  batch: readonly Sendable[],
  markers: Markers,
): Promise<Found> {
  const compares = batch.flatMap((plan) => plan.compare);
  const isRefusedHere = batch.length === 1 && batch[0]?.mayRepeat === false && compares.length > 0;
  const otherwise: RequestOp = isRefusedHere
    ? op.txn(refusal(kv, identity, compares, markers.refused))
    : op.range(identity.key);
  const { succeeded, header, responses } = await kv
    .txn()
    .if(here(identity), ...compares)
    .then(move(identity, markers.committed), ...batch.flatMap((plan) => plan.operations))
    .else(otherwise)
    .commit();
  // A txn within a txn has no revision of its own.
  const { revision } = header;
  if (succeeded) return { type: "committed", revision };
  const [response] = responses;
  if (response?.type !== "txn") return { type: "neither", marker: rangeAt(responses, 0) };
  const { txn } = response;
  if (!txn.succeeded) return { type: "neither", marker: rangeAt(txn.responses, 0) };
  const kvs = txn.responses.flatMap((each) => (each.type === "range" ? each.range.kvs : []));
  return { type: "refused", kvs: distinct(kvs), revision };
}

/** Moves the marker, and nothing else. */
export async function moveMarker(
  kv: Pick<KvClient, "txn">,
  identity: OutboxIdentity,
  marker: string,
): Promise<Exclude<Found, { readonly type: "refused" }>> {
  const { succeeded, responses, header }: TxnResult = await kv
    .txn()
    .if(here(identity))
    .then(move(identity, marker))
    .else(op.range(identity.key))
    .commit();
  if (succeeded) return { type: "committed", revision: header.revision };
  return { type: "neither", marker: rangeAt(responses, 0) };
}

/** At the revision at which the condition did not hold. */
function refusal(
  kv: Pick<KvClient, "txn">,
  identity: OutboxIdentity,
  compares: Sendable["compare"],
  marker: string,
): Txn {
  return kv
    .txn()
    .if(here(identity))
    .then(move(identity, marker), ...compares.map(({ key, rangeEnd }) => rangeOp(key, rangeEnd)))
    .else(op.range(identity.key));
}

function here({ key, marker }: OutboxIdentity): Sendable["compare"][number] {
  return compare.value(key).equals(marker);
}

function move({ key, lease }: OutboxIdentity, marker: string): RequestOp {
  return op.put(key, marker, { lease });
}

function rangeOp(key: Uint8Array, rangeEnd: Uint8Array | undefined): RequestOp {
  return op.range(key, rangeEnd === undefined || rangeEnd.length === 0 ? {} : { rangeEnd });
}

export function rangeAt(responses: readonly OpResult[], at: number): KeyValue | undefined {
  const response = responses[at];
  return response?.type === "range" ? response.range.kvs[0] : undefined;
}

export function valueOf(kv: KeyValue | undefined): string | undefined {
  return kv === undefined ? undefined : new TextDecoder().decode(kv.value);
}

/** Several comparisons may name one key. */
export function distinct(kvs: readonly KeyValue[]): readonly KeyValue[] {
  const byKey = new Map(kvs.map((kv) => [kv.key.join(), kv]));
  return [...byKey.values()];
}

/** The same request would fail again. */
export function isAboutTheWrite({ code }: EtcdError): boolean {
  return (
    code === GrpcCode.InvalidArgument ||
    code === GrpcCode.NotFound ||
    code === GrpcCode.PermissionDenied ||
    code === GrpcCode.OutOfRange
  );
}
