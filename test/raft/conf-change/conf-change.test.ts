/**
 * Checks configuration changes against a simple model, and against the purpose of their rules: majorities of successive
 * configurations meet.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConfChange, ConfChangeSingle, ConfState } from "../../../src/protocol/peer/raft-message.ts";
import { changeConfiguration, isConfState, isJoint, LEAVE_JOINT } from "../../../src/raft/conf-change/conf-change.ts";
import { JointQuorum } from "../../../src/raft/conf-change/quorum.ts";
import { confOf } from "../support/group.ts";

const single: fc.Arbitrary<ConfChangeSingle> = fc.record({
  type: fc.constantFrom("add-node", "remove-node", "add-learner", "update-node"),
  nodeId: fc.bigInt(0n, 6n),
});

const change: fc.Arbitrary<ConfChange> = fc.record({
  id: fc.constant(0n),
  transition: fc.constantFrom("auto", "joint-implicit", "joint-explicit"),
  changes: fc.array(single, { maxLength: 4 }),
  context: fc.constant(new Uint8Array(0)),
});

/** The role of one node: a model whose roles must add up to the sets of a configuration. */
function dumbRoles(start: ConfState, changes: readonly ConfChangeSingle[]): Map<bigint, "voter" | "learner"> {
  const roles = new Map<bigint, "voter" | "learner">();
  for (const id of start.voters) roles.set(id, "voter");
  for (const id of start.learners) roles.set(id, "learner");
  for (const { type, nodeId } of changes) {
    if (nodeId === 0n || type === "update-node") continue;
    if (type === "remove-node") roles.delete(nodeId);
    else roles.set(nodeId, type === "add-node" ? "voter" : "learner");
  }
  return roles;
}

function rolesOf(conf: ConfState): Map<bigint, "voter" | "learner"> {
  const roles = new Map<bigint, "voter" | "learner">();
  for (const id of conf.voters) roles.set(id, "voter");
  for (const id of conf.learners) roles.set(id, "learner");
  return roles;
}

function sorted<T>(map: ReadonlyMap<bigint, T>): readonly (readonly [bigint, T])[] {
  return [...map].sort(([left], [right]) => (left < right ? -1 : 1));
}

/** Returns whether one group of members is a quorum of `left` and its complement one of `right`. */
function canSplit(left: ConfState, right: ConfState): boolean {
  const everybody = [...new Set([left, right].flatMap((conf) => [...conf.voters, ...conf.votersOutgoing]))];
  for (let bits = 0; bits < 1 << everybody.length; bits++) {
    const inside = (id: bigint) => ((bits >> everybody.indexOf(id)) & 1) === 1;
    const wins = (conf: ConfState, yes: (id: bigint) => boolean) =>
      new JointQuorum(conf.voters, conf.votersOutgoing).voteResult(yes) === "won";
    if (wins(left, inside) && wins(right, (id) => !inside(id))) return true;
  }
  return false;
}

describe("configuration changes", () => {
  test("R30 conf change: every step leads to a well-formed configuration whose quorums meet those of the one before", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        let conf = confOf([1n, 2n, 3n]);
        for (const each of changes) {
          const next = changeConfiguration(conf, each);
          if (next === undefined) continue;
          expect(isConfState(next)).toBe(true);
          expect(canSplit(conf, next)).toBe(false);
          conf = next;
        }
      }),
      { numRuns: 500 },
    );
  });

  test("R30 conf change: a change, left if it is joint, gives each node the role that its last step names", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), (changes) => {
        let conf = confOf([1n, 2n, 3n]);
        for (const each of changes.filter(({ changes: list }) => list.length > 0)) {
          const expected = dumbRoles(conf, each.changes);
          const next = changeConfiguration(conf, each);
          const hasVoters = [...expected.values()].includes("voter");
          expect(next !== undefined).toBe(hasVoters);
          if (next === undefined) continue;
          conf = isJoint(next) ? (changeConfiguration(next, LEAVE_JOINT) ?? next) : next;
          expect(sorted(rolesOf(conf))).toEqual(sorted(expected));
        }
      }),
      { numRuns: 1000 },
    );
  });

  test("R31 conf change: while joint, only leaving is possible; otherwise leaving is impossible", () => {
    const conf = confOf([1n, 2n, 3n]);
    const add = (nodeId: bigint) => ({ type: "add-node", nodeId }) as const;
    const joint = changeConfiguration(conf, { ...LEAVE_JOINT, changes: [add(4n), add(5n)] });
    expect(joint).toMatchObject({ votersOutgoing: [1n, 2n, 3n], autoLeave: true });
    expect(joint && changeConfiguration(joint, { ...LEAVE_JOINT, changes: [add(6n)] })).toBeUndefined();
    expect(changeConfiguration(conf, LEAVE_JOINT)).toBeUndefined();
  });

  test("R30 conf change: an explicit transition waits for the change that leaves it", () => {
    const changes = [{ type: "add-node", nodeId: 4n }] as const;
    const joint = changeConfiguration(confOf([1n]), { ...LEAVE_JOINT, transition: "joint-explicit", changes });
    expect(joint).toMatchObject({ voters: [1n, 4n], votersOutgoing: [1n], autoLeave: false });
  });

  test("R30 conf change: a voter that becomes a learner in a joint change keeps its old vote until the group leaves it", () => {
    const changes = [
      { type: "add-learner", nodeId: 3n },
      { type: "add-node", nodeId: 4n },
    ] as const;
    const joint = changeConfiguration(confOf([1n, 2n, 3n]), { ...LEAVE_JOINT, changes });
    expect(joint).toMatchObject({ voters: [1n, 2n, 4n], learners: [], learnersNext: [3n] });
    expect(joint && changeConfiguration(joint, LEAVE_JOINT)).toMatchObject({ voters: [1n, 2n, 4n], learners: [3n] });
  });
});
