import { expect, test } from "vitest";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import type { ConfChangeSingle, Entry } from "../../../src/protocol/peer/raft-message.ts";
import { PendingMembers } from "../../../src/raft/log/pending-members.ts";
import { encodeChange } from "../../../src/raft/conf-change/conf-change-entry.ts";
import { encodeMember } from "../../../src/member/membership/membership.ts";

function change(index: number, ...changes: readonly ConfChangeSingle[]): Entry {
  const context = encodeMember(memberRecord({ id: 1n }));
  return { type: "conf-change", term: 1, index, data: encodeChange({ id: 1n, transition: "auto", changes, context }) };
}

const normal = (index: number): Entry => ({ type: "normal", term: 1, index, data: new Uint8Array(0) });

test("R37 a member that an entry adds is known until the entry is applied, rewritten, or replaced by a snapshot", () => {
  const pending = new PendingMembers();
  const learner = change(3, { type: "add-learner", nodeId: 7n });
  const voter = change(5, { type: "add-node", nodeId: 7n });
  pending.append([normal(2), learner, normal(4), voter]);
  expect([pending.roleOf(7n), pending.roleOf(8n)]).toEqual(["voter", undefined]);
  pending.append([normal(5)]);
  expect(pending.roleOf(7n)).toBe("learner");
  pending.appliedTo(3);
  expect(pending.roleOf(7n)).toBeUndefined();
  pending.append([voter]);
  pending.clear();
  expect(pending.roleOf(7n)).toBeUndefined();
});

test("R37 a member that starts loads them from its log, after the applied index", () => {
  const entries = [change(1, { type: "add-node", nodeId: 1n }), normal(2), change(3, { type: "add-node", nodeId: 7n })];
  const reader = {
    firstIndex: () => 1,
    lastIndex: () => 3,
    term: () => 1,
    // One entry per read, as a log with large entries returns them.
    entries: (low: number) => entries.slice(low - 1, low),
  };
  const pending = new PendingMembers();
  pending.load(reader, 1);
  expect([pending.roleOf(1n), pending.roleOf(7n)]).toEqual([undefined, "voter"]);
});

test("R37 a removal adds no member, and data that is not a change adds none", () => {
  const pending = new PendingMembers();
  pending.append([change(1, { type: "remove-node", nodeId: 7n }), { ...normal(2), type: "conf-change" }]);
  expect(pending.roleOf(7n)).toBeUndefined();
});
