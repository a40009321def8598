import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { autopilotStep } from "../../../src/member/membership/autopilot.ts";
import type { AutopilotMember, AutopilotStep, AutopilotView } from "../../../src/member/membership/autopilot.ts";

const OPTIONS = { votersMax: 5, goneAfterMs: 60_000 };
const LEADER = 1n;

type Kind = "voter" | "silent voter" | "gone voter" | "learner" | "slow learner" | "reading learner" | "gone learner";

function member(id: bigint, kind: Kind): AutopilotMember {
  const sinceContactMs = kind.startsWith("gone") ? 100_000 : kind.startsWith("silent") ? 20_000 : 100;
  const [learner, mayVote] = [kind.endsWith("learner"), kind !== "reading learner"];
  return { id, learner, mayVote, caughtUp: kind !== "slow learner", sinceContactMs };
}

/** The leader votes and has id 1; the others follow it. */
function view(...others: readonly Kind[]): AutopilotView {
  const members = [member(LEADER, "voter"), ...others.map((kind, at) => member(BigInt(at + 2), kind))];
  return { members, leader: LEADER, leadingMs: 1e9, learnersMax: 64 };
}

function after({ members, ...rest }: AutopilotView, step: AutopilotStep): AutopilotView {
  const changed = members.map((one) => (one.id === step.id ? { ...one, learner: step.type === "demote" } : one));
  return { ...rest, members: changed };
}

/** Makes steps until there is none. */
function settled(start: AutopilotView): { readonly end: AutopilotView; readonly steps: readonly AutopilotStep[] } {
  const steps: AutopilotStep[] = [];
  let now = start;
  for (let step = autopilotStep(now, OPTIONS); step !== undefined; step = autopilotStep(now, OPTIONS)) {
    steps.push(step);
    now = after(now, step);
    expect(steps.length).toBeLessThan(30);
  }
  return { end: now, steps };
}

const voters = ({ members }: AutopilotView): readonly AutopilotMember[] => members.filter((one) => !one.learner);
const present = (members: readonly AutopilotMember[]): number =>
  members.filter((one) => one.sinceContactMs < 3_000).length;
const hasQuorum = (state: AutopilotView): boolean => present(voters(state)) * 2 > voters(state).length;

describe("the autopilot", () => {
  test("leaves a single voter alone, also with one learner", () => {
    expect(settled(view()).steps).toEqual([]);
    expect(settled(view("learner")).steps).toEqual([]);
  });

  test("M21 promotes two learners one after the other", () => {
    expect(settled(view("learner", "learner")).steps).toEqual([
      { type: "promote", id: 2n },
      { type: "promote", id: 3n },
    ]);
  });

  test("promotes up to the limit and no further", () => {
    const { end } = settled(view("learner", "learner", "learner", "learner", "learner", "learner", "learner"));
    expect(voters(end)).toHaveLength(5);
  });

  test("promotes no learner that has not caught up, or is not present", () => {
    expect(settled(view("slow learner", "gone learner", "learner")).steps).toEqual([]);
  });

  test("M66 promotes nobody that was invited to read only", () => {
    expect(settled(view("reading learner", "reading learner", "learner")).steps).toEqual([]);
    expect(settled(view("voter", "gone voter", "reading learner")).end.members.at(-1)?.learner).toBe(true);
  });

  test("gives the vote of a voter that is gone to a present learner", () => {
    const { end } = settled(view("voter", "gone voter", "learner"));
    expect(voters(end).map(({ id }) => id)).toEqual([1n, 2n, 4n]);
  });

  test("M21 takes the vote of a voter that is gone also if nobody can have it, while a quorum decides that", () => {
    // Three of five are there: the next one that leaves would stop the room.
    const { end } = settled(view("voter", "voter", "gone voter", "gone voter"));
    expect(voters(end).map(({ id }) => id)).toEqual([1n, 2n, 3n]);
    // Of two members one votes.
    expect(voters(settled(view("voter", "gone voter")).end).map(({ id }) => id)).toEqual([1n]);
    expect(settled(view("voter", "silent voter")).steps).toEqual([]);
  });

  test("M21 a learner that is there takes the vote of a silent voter before that counts as gone", () => {
    const soon = { ...OPTIONS, replaceAfterMs: 10_000 };
    const start = view("voter", "silent voter", "learner");
    const first = autopilotStep(start, soon);
    expect(first).toEqual({ type: "promote", id: 4n });
    const second = first === undefined ? undefined : autopilotStep(after(start, first), soon);
    expect(second).toEqual({ type: "demote", id: 3n });
    // Nobody is there to replace it, so it has the longer time.
    expect(autopilotStep(view("voter", "silent voter"), soon)).toBeUndefined();
    expect(autopilotStep({ ...start, leadingMs: 9_000 }, soon)).toBeUndefined();
  });

  test("does not take the vote of one that was silent for a moment", () => {
    expect(settled(view("voter", "silent voter", "learner")).steps).toEqual([]);
  });

  test("M21 returns to an odd number when the second of two learners went away", () => {
    expect(settled(view("voter", "gone learner")).steps).toEqual([{ type: "demote", id: 2n }]);
    expect(settled(view("voter", "voter", "voter", "voter", "voter")).steps).toEqual([{ type: "demote", id: 6n }]);
  });

  test("takes no voter for gone before it has led long enough itself", () => {
    const young = { ...view("voter", "gone voter", "learner"), leadingMs: 1_000 };
    expect(autopilotStep(young, OPTIONS)).toBeUndefined();
  });
});

const kinds = fc.constantFrom<Kind>("voter", "silent voter", "gone voter", "learner", "slow learner", "gone learner");
const views = fc.array(kinds, { maxLength: 9 }).map((list) => view(...list));

describe("a room that is full", () => {
  const OPTIONS_OF_ROOM = { ...OPTIONS, learnerGoneAfterMs: 90_000 };
  /** An even number of learners that are there would be promoted. */
  const full = { ...view("gone learner", "learner", "gone learner"), learnersMax: 3 };

  test("removes one learner that is gone, and the one that has been silent for longest first", () => {
    expect(autopilotStep(full, OPTIONS_OF_ROOM)).toEqual({ type: "remove", id: 2n });
    const later = full.members.map((one) => (one.id === 4n ? { ...one, sinceContactMs: Infinity } : one));
    expect(autopilotStep({ ...full, members: later }, OPTIONS_OF_ROOM)).toEqual({ type: "remove", id: 4n });
  });

  test("removes no learner while there is room, none that was silent for less, and none without the option", () => {
    expect(autopilotStep({ ...full, learnersMax: 4 }, OPTIONS_OF_ROOM)).toBeUndefined();
    expect(autopilotStep(full, { ...OPTIONS_OF_ROOM, learnerGoneAfterMs: 100_000 })).toBeUndefined();
    expect(autopilotStep(full, OPTIONS)).toBeUndefined();
  });

  test("removes no learner before it has led long enough itself", () => {
    expect(autopilotStep({ ...full, leadingMs: 90_000 }, OPTIONS_OF_ROOM)).toBeUndefined();
  });

  test("removes no voter", () => {
    const voting = { ...view("voter", "gone voter"), learnersMax: 0 };
    expect(settled(voting).steps.filter(({ type }) => type === "remove")).toEqual([]);
  });
});

describe("from any state", () => {
  test("M21 no step takes the quorum from the present members", () => {
    fc.assert(
      fc.property(views, (start) => {
        fc.pre(hasQuorum(start));
        let now = start;
        for (let step = autopilotStep(now, OPTIONS); step !== undefined; step = autopilotStep(now, OPTIONS)) {
          now = after(now, step);
          if (!hasQuorum(now)) return false;
        }
        return true;
      }),
    );
  });

  test("M21 the leader keeps its vote, and each step changes one vote", () => {
    fc.assert(
      fc.property(views, (start) => {
        const { steps } = settled(start);
        return steps.every(({ id }) => id !== LEADER);
      }),
    );
  });

  test("M21 it ends with an odd number of voters, unless a silent one may still come back", () => {
    fc.assert(
      fc.property(views, (start) => {
        const { end } = settled(start);
        const waits = voters(end).some(
          ({ sinceContactMs }) => sinceContactMs > 3_000 && sinceContactMs < OPTIONS.goneAfterMs,
        );
        return waits || voters(end).length % 2 === 1;
      }),
    );
  });

  test("M21 no voter that is gone keeps its vote, unless a silent one may still come back", () => {
    fc.assert(
      fc.property(views, (start) => {
        const { end } = settled(start);
        const isWaiting = voters(end).length % 2 === 0;
        const gone = voters(end).some(({ sinceContactMs }) => sinceContactMs > OPTIONS.goneAfterMs);
        return isWaiting || !gone;
      }),
    );
  });

  test("the order of the members does not matter", () => {
    fc.assert(
      fc.property(views, (start) => {
        const turned = { ...start, members: [...start.members].reverse() };
        expect(autopilotStep(turned, OPTIONS)).toEqual(autopilotStep(start, OPTIONS));
      }),
    );
  });
});
