import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLeftToTabs, votesStep } from "../../../src/member/membership/mixed-autopilot.ts";
import type { MixedMember, MixedView, VotesStep } from "../../../src/member/membership/mixed-autopilot.ts";

const OPTIONS = { votersMax: 5, goneAfterMs: 10_000 };
const OBJECT = 1n;

type Kind = "here" | "silent" | "gone" | "left" | "slow";

function tab(id: bigint, isVoter: boolean, kind: Kind = "here"): MixedMember {
  const sinceContactMs = kind === "gone" ? 20_000 : kind === "silent" ? 5_000 : 100;
  return {
    id,
    isVoter,
    mayVote: true,
    isObject: false,
    isCaughtUp: kind !== "slow",
    hasLeft: kind === "left",
    sinceContactMs,
    isUp: kind !== "gone",
  };
}

const object = (isVoter: boolean, kind: Kind = "here", id = OBJECT): MixedMember => ({
  ...tab(id, isVoter, kind),
  isObject: true,
});

/** The leader is the first that is here. */
function view(...members: readonly MixedMember[]): MixedView {
  const leader = members.find(({ isVoter, sinceContactMs }) => isVoter && sinceContactMs < 1_000)?.id ?? 0n;
  return { shape: "mixed", members, leader, leadingMs: 1e9 };
}

function after(before: MixedView, { promote, demote }: VotesStep): MixedView {
  const members = before.members.map((one) =>
    promote.includes(one.id) || demote.includes(one.id) ? { ...one, isVoter: promote.includes(one.id) } : one,
  );
  return { ...before, members };
}

const votersOf = ({ members }: MixedView): readonly MixedMember[] => members.filter(({ isVoter }) => isVoter);

/** Ids of the voters after one step. */
function next(before: MixedView): readonly bigint[] {
  const step = votesStep(before, OPTIONS);
  return votersOf(step === undefined ? before : after(before, step)).map(({ id }) => id);
}

describe("M69 who votes in a room of objects and tabs", () => {
  test("of the object and one tab the object alone; with two tabs all three, at once", () => {
    expect(votesStep(view(object(true), tab(2n, false)), OPTIONS)).toBeUndefined();
    const step = votesStep(view(object(true), tab(2n, false), tab(3n, false)), OPTIONS);
    expect(step).toEqual({ promote: [2n, 3n], demote: [] });
  });

  test("an odd number, up to the limit, and who votes goes on to", () => {
    const others = [6n, 5n, 4n, 3n, 2n].map((id) => tab(id, false));
    expect(next(view(object(true), ...others))).toEqual([1n, 5n, 4n, 3n, 2n]);
    expect(next(view(object(true), tab(9n, true), tab(8n, true), tab(2n, false)))).toEqual([1n, 9n, 8n]);
  });

  test("a tab that leaves loses its vote at once: to another tab, or together with one", () => {
    const leaving = [object(true), tab(2n, true, "left"), tab(3n, true)] as const;
    expect(votesStep(view(...leaving), OPTIONS)).toEqual({ promote: [], demote: [2n, 3n] });
    expect(votesStep(view(...leaving, tab(4n, false)), OPTIONS)).toEqual({ promote: [4n], demote: [2n] });
  });

  test("a silent voter loses its vote after some seconds of a leader that has led so long, and not before", () => {
    const silent = view(object(true), tab(2n, true, "silent"), tab(3n, true), tab(4n, false));
    expect(votesStep(silent, OPTIONS)).toBeUndefined();
    const gone = view(object(true), tab(2n, true, "gone"), tab(3n, true), tab(4n, false));
    expect(next(gone)).toEqual([1n, 3n, 4n]);
    expect(votesStep({ ...gone, leadingMs: 9_000 }, OPTIONS)).toBeUndefined();
  });

  test("without the object three tabs go on, and it gets its vote back from one of them", () => {
    const cut = view(object(true, "gone"), tab(2n, true), tab(3n, true), tab(4n, false));
    expect(next(cut)).toEqual([2n, 3n, 4n]);
    const back = view(object(false), tab(2n, true), tab(3n, true), tab(4n, true));
    expect(votesStep(back, OPTIONS)).toEqual({ promote: [1n], demote: [4n] });
    expect(
      votesStep(view(object(false, "slow"), tab(2n, true), tab(3n, true), tab(4n, true)), OPTIONS),
    ).toBeUndefined();
  });

  test("fewer than three tabs never hold the room alone", () => {
    expect(votesStep(view(object(true, "gone"), tab(2n, true), tab(3n, true)), OPTIONS)).toBeUndefined();
    const leaving = view(object(false, "gone"), tab(2n, true), tab(3n, true), tab(4n, true, "left"));
    expect(votesStep(leaving, OPTIONS)).toBeUndefined();
  });

  test("one that was invited to read only never votes", () => {
    const reader = { ...tab(3n, false), mayVote: false };
    expect(votesStep(view(object(true), tab(2n, false), reader), OPTIONS)).toBeUndefined();
  });

  test("no step that those who are there cannot complete", () => {
    const lost = view(object(true), tab(2n, true, "left"), tab(3n, true, "left"));
    expect(votesStep(lost, OPTIONS)).toBeUndefined();
  });
});

describe("M69 back to shape edge", () => {
  test("the objects vote, and no tab; then operators decide", () => {
    const mixed = view(object(true), tab(2n, true), tab(3n, true));
    expect(votesStep({ ...mixed, shape: "edge" }, OPTIONS)).toEqual({ promote: [], demote: [2n, 3n] });
    const edge = view(object(true), object(false, "here", 9n), tab(2n, false));
    expect(votesStep({ ...edge, shape: "edge" }, OPTIONS)).toBeUndefined();
  });

  test("an object that lost its vote gets it first; without one nothing changes", () => {
    const without = view(object(false), tab(2n, true), tab(3n, true), tab(4n, true));
    expect(votesStep({ ...without, shape: "edge" }, OPTIONS)).toEqual({ promote: [1n], demote: [2n, 3n, 4n] });
    const away = view(object(false, "gone"), tab(2n, true), tab(3n, true), tab(4n, true));
    expect(votesStep({ ...away, shape: "edge" }, OPTIONS)).toBeUndefined();
  });
});

describe("M76 to shape tabs", () => {
  const tabs = (...members: readonly MixedMember[]): MixedView => ({ ...view(...members), shape: "tabs" });

  test("a tab that leads takes the objects' votes, and gives them to as many tabs as are there and make an odd number", () => {
    const led = { ...tabs(object(true), tab(2n, true), tab(3n, true), tab(4n, false)), leader: 2n };
    expect(votesStep(led, OPTIONS)).toEqual({ promote: [4n], demote: [1n] });
    const two = { ...tabs(object(true), tab(2n, true), tab(3n, true)), leader: 2n };
    expect(votesStep(two, OPTIONS)).toEqual({ promote: [], demote: [1n, 3n] });
  });

  test("an object that leads votes with several tabs, and gives its vote to a single one at once", () => {
    expect(votesStep(tabs(object(true), tab(2n, false), tab(3n, false), tab(4n, false)), OPTIONS)).toEqual({
      promote: [2n, 3n],
      demote: [],
    });
    expect(votesStep(tabs(object(true), tab(2n, true), tab(3n, true), tab(4n, false)), OPTIONS)).toBeUndefined();
    expect(votesStep(tabs(object(true), tab(2n, false)), OPTIONS)).toEqual({ promote: [2n], demote: [1n] });
  });

  test("a tab that is not there, not connected, behind, or a reader gets no object's vote", () => {
    for (const kind of ["silent", "gone", "left", "slow"] as const) {
      expect(votesStep(tabs(object(true), tab(2n, false, kind)), OPTIONS)).toBeUndefined();
    }
    for (const changed of [{ isUp: false }, { mayVote: false }]) {
      expect(votesStep(tabs(object(true), { ...tab(2n, false), ...changed }), OPTIONS)).toBeUndefined();
    }
  });

  test("then the rules of rooms of tabs hold, as they do until an object has come", () => {
    const arrived = (): boolean => true;
    expect(isLeftToTabs(tabs(object(false), tab(2n, true)), arrived)).toBe(true);
    expect(isLeftToTabs(tabs(object(true), tab(2n, true)), arrived)).toBe(false);
    for (const shape of ["edge", "mixed"] as const) {
      const coming = { ...tabs(object(false, "slow"), tab(2n, true)), shape };
      expect([isLeftToTabs(coming, () => false), isLeftToTabs(coming, arrived)]).toEqual([true, false]);
      expect(isLeftToTabs({ ...tabs(object(false), tab(2n, true)), shape }, () => false)).toBe(false);
    }
  });
});

const kinds = fc.constantFrom<Kind>("here", "silent", "gone", "left", "slow");
const members = fc
  .array(fc.record({ kind: kinds, isVoter: fc.boolean(), isObject: fc.boolean() }), { minLength: 1, maxLength: 9 })
  .map((list) =>
    list.map(({ kind, isVoter, isObject }, at) => ({
      ...tab(BigInt(at + 1), isVoter, kind),
      isObject: at < 2 && isObject,
    })),
  );
const views = fc
  .record({ members, shape: fc.constantFrom("mixed" as const, "edge" as const, "tabs" as const) })
  .map(({ members: list, shape }) => ({ ...view(...list), shape }));
const isHere = ({ hasLeft, sinceContactMs }: MixedMember): boolean => !hasLeft && sinceContactMs < 3_000;
const hasQuorum = (state: MixedView): boolean => votersOf(state).filter(isHere).length * 2 > votersOf(state).length;

describe("M69 from any state", () => {
  test("a step leads to an odd number of voters, of which a majority is there, as before it", () => {
    fc.assert(
      fc.property(views, (start) => {
        const step = votesStep(start, OPTIONS);
        if (step === undefined) return;
        const end = after(start, step);
        expect([votersOf(end).length % 2, hasQuorum(start), hasQuorum(end)]).toEqual([1, true, true]);
        expect(votersOf(end).length).toBeLessThanOrEqual(OPTIONS.votersMax);
      }),
    );
  });

  test("after one step there is no other, and the order of the members does not matter", () => {
    fc.assert(
      fc.property(views, (start) => {
        const step = votesStep(start, OPTIONS);
        const turned = votesStep({ ...start, members: start.members.toReversed() }, OPTIONS);
        const ids = (one: VotesStep | undefined): readonly string[] =>
          [...(one?.promote ?? []), -1n, ...(one?.demote ?? [])].map(String).toSorted();
        expect(ids(turned)).toEqual(ids(step));
        if (step !== undefined) expect(votesStep(after(start, step), OPTIONS)).toBeUndefined();
      }),
    );
  });

  test("a vote is given to those that are there only, and in shape mixed tabs alone are three at least", () => {
    fc.assert(
      fc.property(views, (start) => {
        const step = votesStep(start, OPTIONS);
        if (step === undefined) return;
        expect(start.members.filter((one) => step.promote.includes(one.id)).every(isHere)).toBe(true);
        const voters = votersOf(after(start, step));
        expect(start.shape === "tabs" || voters.some(({ isObject }) => isObject) || voters.length >= 3).toBe(true);
      }),
    );
  });
});
