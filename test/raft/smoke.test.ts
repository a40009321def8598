import { expect, test } from "vitest";
import { Group } from "./support/group.ts";

test.each([false, true])(
  "a group of three elects, replicates and applies (reader shows undurable: %s)",
  (showsUndurable) => {
    const group = new Group(3, { showsUndurable });
    group.elect(1);
    expect(group.propose(1, "a", "b")).toBe("accepted");
    expect(group.propose(2, "c")).toBe("accepted");
    for (const member of group.members.values()) {
      expect(member.state.values).toEqual(["a", "b", "c"]);
      member.raft.checkInvariants();
    }
    group.at(3).raft.readIndex(new Uint8Array([7]));
    group.settle();
    expect(group.at(3).reads).toEqual([{ context: new Uint8Array([7]), index: 5 }]);
  },
);

test("a single member elects itself and commits alone", () => {
  const group = new Group(1);
  group.elect(1);
  group.propose(1, "a");
  expect(group.at(1).state.values).toEqual(["a"]);
});
