/**
 * Judges a run when the members are well again. What the cluster holds in the end, as events from its first revision
 * on, is the order that every answer must agree with; the checkers are the simulator's.
 */
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import { putRequest, deleteRangeRequest } from "../../src/protocol/api/kv.ts";
import type { RequestOp } from "../../src/protocol/api/kv.ts";
import { encode } from "../../src/protocol/codec/proto-codec.ts";
import { internalRaftRequest } from "../../src/protocol/peer/internal.ts";
import { internalRaftRequestSchema } from "../../src/protocol/peer/internal-schema.ts";
import { type History, KEYS } from "../sim/history.ts";
import { checkKey } from "../sim/linearizability.ts";
import { ReferenceModel } from "../sim/reference-model.ts";
import { checkRevisionOrder, placesOf } from "../sim/revision-order.ts";

export interface Event {
  readonly type: "PUT" | "DELETE";
  readonly key: string;
  readonly value: string;
}

/** Events by revision. */
export type Log = ReadonlyMap<number, readonly Event[]>;

/** What a watch was sent at once. */
export interface Sent {
  readonly events: readonly {
    readonly type: "PUT" | "DELETE";
    readonly kv: { readonly key: Uint8Array; readonly modRevision: number };
  }[];
}

/** Returns what is wrong, first thing first. */
export function judge(history: History, log: Log): readonly string[] {
  const model = new ReferenceModel();
  const wrong: string[] = [];
  const last = Math.max(1, ...log.keys());
  for (let revision = 2; revision <= last; revision++) {
    const complaint = model.apply(entryOf(model.lastIndex + 1, log.get(revision) ?? []));
    if (complaint !== undefined) wrong.push(complaint);
    if (model.revision !== revision) return [...wrong, `revision ${revision} has no events`];
  }
  const disorder = checkRevisionOrder(history.calls, model);
  if (disorder !== undefined) wrong.push(`order of revisions: ${disorder}`);
  const places = placesOf(history.calls, model);
  for (let key = 0; key < KEYS; key++) {
    const result = checkKey(history.calls, key, places);
    if (result.type === "not-linearizable") wrong.push(`linearizability of key ${key}:\n${result.because}`);
  }
  return wrong;
}

/** Compares what a watcher was sent during the run with the log. */
export function judgeWatch(name: string, seen: readonly Sent[], log: Log): readonly string[] {
  let next = 0;
  for (const { events } of seen) {
    for (const [at, { type, kv }] of events.entries()) {
      const revision = kv.modRevision;
      const isFirst = at === 0 || events[at - 1]?.kv.modRevision !== revision;
      if (isFirst && next !== 0 && revision !== next)
        return [`${name} was sent revision ${revision} in place of ${next}`];
      const expected = log.get(revision) ?? [];
      const place = events.slice(0, at).filter((each) => each.kv.modRevision === revision).length;
      const same = expected[place];
      if (same?.type !== type || same.key !== utf8Decode(kv.key))
        return [`${name} was sent another event at ${revision}`];
      if (place === expected.length - 1) next = revision + 1;
    }
  }
  return [];
}

function entryOf(index: number, events: readonly Event[]): Parameters<ReferenceModel["apply"]>[0] {
  const success = events.map(({ type, key, value }): RequestOp =>
    type === "PUT"
      ? { type: "put", put: putRequest({ key: utf8Encode(key), value: utf8Encode(value) }) }
      : { type: "deleteRange", deleteRange: deleteRangeRequest({ key: utf8Encode(key) }) },
  );
  const request = { type: "txn", txn: { compare: [], success, failure: [] } } as const;
  return { type: "normal", term: 1, index, data: encode(internalRaftRequestSchema, internalRaftRequest({ request })) };
}
