/** Random Raft messages that a member could send: the entries of an append follow each other. */
import fc from "fast-check";
import type { Entry, RaftMessage } from "../../../src/protocol/peer/raft-message.ts";
import { confStateSchema } from "../../../src/protocol/peer/raft-message-schema.ts";
import { arbitraryMessage } from "./arbitrary.ts";

const id = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const small = fc.nat(1000);
const index = fc.oneof(small, fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 10 }));
const data = fc.uint8Array({ maxLength: 20 });
const entryType = fc.constantFrom<Entry["type"]>("normal", "conf-change");

export function arbitraryRaftMessage(): fc.Arbitrary<RaftMessage> {
  const base = { from: id, to: id, term: index };
  const one = <Type extends RaftMessage["type"]>(...types: Type[]): { type: fc.Arbitrary<Type> } => ({
    type: fc.constantFrom(...types),
  });
  return fc.oneof(
    append(),
    fc.record({ ...base, ...one("append-response"), index, reject: fc.boolean(), rejectHint: index, hintTerm: index }),
    fc.record({ ...base, ...one("vote", "pre-vote"), lastIndex: index, lastTerm: index, transfer: fc.boolean() }),
    fc.record({ ...base, ...one("vote-response", "pre-vote-response"), reject: fc.boolean() }),
    fc.record({ ...base, ...one("heartbeat"), commit: index, context: data }),
    fc.record({ ...base, ...one("heartbeat-response", "read-index"), context: data }),
    fc.record({
      ...base,
      ...one("snapshot"),
      snapshot: fc.record({ index, term: index, confState: arbitraryMessage(confStateSchema) }),
    }),
    fc.record({
      ...base,
      ...one("propose"),
      session: index,
      sequence: index,
      entries: fc.array(fc.record({ type: entryType, term: index, index, data }), { maxLength: 3 }),
    }),
    fc.record({ ...base, ...one("read-index-response"), context: data, index }),
    fc.record({ ...base, ...one("timeout-now"), lastIndex: index, lastTerm: index }),
    fc.record({ ...base, ...one("transfer-leader"), transferee: id }),
  );
}

function append(): fc.Arbitrary<RaftMessage> {
  const parts = { from: id, to: id, prevIndex: index, prevTerm: small, commit: index, newer: fc.nat(5) };
  const entries = fc.array(fc.record({ type: entryType, data, step: fc.nat(2) }), { maxLength: 4 });
  return fc.record({ ...parts, entries }).map(({ entries: raw, newer, ...message }) => {
    let { prevIndex: at, prevTerm: term } = message;
    const run = raw.map(({ type, data: bytes, step }) => {
      at += 1;
      term += step;
      return { type, term, index: at, data: bytes };
    });
    return { type: "append", ...message, term: term + newer, entries: run };
  });
}
