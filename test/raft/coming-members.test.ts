import { expect, test } from "vitest";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import type { ConfChangeSingle, Entry } from "../../src/protocol/peer/raft-message.ts";
import { PendingMembers } from "../../src/raft/pending-members.ts";
import { encodeChange } from "../../src/raft/conf-change-entry.ts";
import { encodeMember } from "../../src/member/membership/membership.ts";

function change(index: number, ...changes: readonly ConfChangeSingle[]): Entry {
  const context = encodeMember(memberRecord({ id: 1n }));
  return { type: "conf-change", term: 1, index, data: encodeChange({ id: 1n, transition: "auto", changes, context }) };
}

const normal = (index: number): Entry => ({ type: "normal", term: 1, index, data: new Uint8Array(0) });

test("whoever an entry adds is known until the entry is applied, rewritten, or replaced by a snapshot", () => {
  const coming = new PendingMembers();
  const learner = change(3, { type: "add-learner", nodeId: 7n });
  const voter = change(5, { type: "add-node", nodeId: 7n });
  coming.append([normal(2), learner, normal(4), voter]);
  expect([coming.roleOf(7n), coming.roleOf(8n)]).toEqual(["voter", undefined]);
  coming.append([normal(5)]);
  expect(coming.roleOf(7n)).toBe("learner");
  coming.appliedTo(3);
  expect(coming.roleOf(7n)).toBeUndefined();
  coming.append([voter]);
  coming.clear();
  expect(coming.roleOf(7n)).toBeUndefined();
});

test("a member that starts finds them in its log, behind what it has applied", () => {
  const entries = [change(1, { type: "add-node", nodeId: 1n }), normal(2), change(3, { type: "add-node", nodeId: 7n })];
  const reader = {
    firstIndex: () => 1,
    lastIndex: () => 3,
    term: () => 1,
    // One at a time, as a log does whose entries are large.
    entries: (low: number) => entries.slice(low - 1, low),
  };
  const coming = new PendingMembers();
  coming.load(reader, 1);
  expect([coming.roleOf(1n), coming.roleOf(7n)]).toEqual([undefined, "voter"]);
});

test("a removal adds nobody, and data that is no change is none", () => {
  const coming = new PendingMembers();
  coming.append([change(1, { type: "remove-node", nodeId: 7n }), { ...normal(2), type: "conf-change" }]);
  expect(coming.roleOf(7n)).toBeUndefined();
});
