import { describe, expect, test } from "vitest";
import { Membership, encodeMember } from "../../../src/member/membership/membership.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import type { ConfChange, ConfChangeType, ConfState } from "../../../src/protocol/peer/raft-message.ts";
import { EMPTY_CONF_STATE, changeConfiguration } from "../../../src/raft/conf-change/conf-change.ts";

/** A membership and Raft's configuration, changed together as a member does it. */
class Harness {
  readonly tables: MemoryTables = new MemoryTables();
  membership: Membership = new Membership(this.tables);

  change(type: ConfChangeType, id: bigint, name?: string): "applied" | "refused" {
    const context = name === undefined ? new Uint8Array(0) : encodeMember(memberRecord({ id, name }));
    const change: ConfChange = { id: 0n, transition: "auto", changes: [{ type, nodeId: id }], context };
    if (this.membership.validate(change) !== "apply") return "refused";
    const before: ConfState = this.membership.confState;
    this.membership.apply(change, changeConfiguration(before, change) ?? before);
    return "applied";
  }

  /** Reopens it from the store. */
  restart(): void {
    this.membership = new Membership(this.tables);
  }

  get picture(): string {
    const { confState, members } = this.membership;
    const names = members.map(({ id, name, isLearner }) => `${id}:${name}${isLearner ? "(learner)" : ""}`);
    return `${names.join(" ")} | ${confState.voters.join(" ")} | ${confState.learners.join(" ")}`;
  }
}

describe("the membership", () => {
  test("begins without members", () => {
    expect(new Harness().membership.confState).toEqual(EMPTY_CONF_STATE);
  });

  test("has the same members after a restart", () => {
    const harness = new Harness();
    harness.change("add-node", 1n, "one");
    harness.change("add-learner", 2n, "two");
    harness.change("add-learner", 3n, "three");
    harness.change("add-node", 2n);
    harness.change("remove-node", 3n);
    harness.membership.setAttributes(2n, { name: "zwei", clientUrls: ["http://two"] });
    const before = harness.picture;
    expect(before).toBe("1:one 2:zwei | 1 2 | ");
    harness.restart();
    expect(harness.picture).toBe(before);
    expect(harness.membership.wasRemoved(3n)).toBe(true);
    expect(harness.membership.get(2n)?.clientUrls).toEqual(["http://two"]);
  });

  test("M11 never accepts a removed id again, before and after a restart", () => {
    const harness = new Harness();
    harness.change("add-node", 1n, "one");
    harness.change("add-learner", 2n, "two");
    harness.change("remove-node", 2n);
    for (const type of ["add-node", "add-learner", "update-node"] as const) {
      expect(harness.change(type, 2n, "again")).toBe("refused");
    }
    harness.restart();
    expect(harness.change("add-learner", 2n, "again")).toBe("refused");
    expect(harness.picture).toBe("1:one | 1 | ");
  });

  test("does not remove what Raft must keep: the last voter", () => {
    const harness = new Harness();
    harness.change("add-node", 1n, "one");
    harness.change("remove-node", 1n);
    expect(harness.membership.has(1n)).toBe(true);
    expect(harness.membership.wasRemoved(1n)).toBe(false);
  });

  test("keeps the name when a member is promoted without one, and marks learners", () => {
    const harness = new Harness();
    harness.change("add-node", 1n, "one");
    harness.change("add-learner", 2n, "two");
    expect(harness.membership.get(2n)).toMatchObject({ name: "two", isLearner: true });
    harness.change("add-node", 2n);
    expect(harness.membership.get(2n)).toMatchObject({ name: "two", isLearner: false });
    harness.change("add-learner", 2n);
    expect(harness.membership.get(2n)).toMatchObject({ name: "two", isLearner: true });
  });

  test("ignores attributes of an id that is not a member", () => {
    const harness = new Harness();
    harness.membership.setAttributes(9n, { name: "nobody", clientUrls: [] });
    expect(harness.membership.members).toEqual([]);
  });
});
