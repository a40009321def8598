/** What the page says: of bytes, of a room, of the edge. */
import { expect, test } from "vitest";
import type { MemberProblem, MemberView } from "../../src/member/api/services.ts";
import { edgeSituation } from "../../web/edge/edge-situation.ts";
import { bytesOfHex, hexOf, keyText, previewOf, sizeText, textOf } from "../../web/model/bytes-text.ts";
import { pageMode } from "../../web/page-mode.ts";
import { JOIN_REFUSALS } from "../../src/protocol/peer/join-refusal.ts";
import { roomOutage } from "../../src/room/member/outage.ts";
import { roomProblem, standingOf } from "../../src/room/room-connection.ts";
import { roomSituation } from "../../web/room/room-situation.ts";
import type { RoomActions, RoomKnowledge } from "../../web/room/room-situation.ts";
import type { RunningState, TabState } from "../../src/room/common/tab-state.ts";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test("bytes are shown as text only if the same bytes come back from it", () => {
  expect(textOf(utf8("héllo\n\tworld"))).toBe("héllo\n\tworld");
  expect(textOf(utf8("\ufeffbom"))).toBe("\ufeffbom");
  expect(textOf(new Uint8Array([0xff]))).toBeUndefined();
  expect(textOf(new Uint8Array([0x61, 0x00]))).toBeUndefined();
  expect(previewOf(new Uint8Array())).toEqual({ type: "empty", text: "empty" });
  expect(previewOf(utf8("two\nlines"))).toEqual({ type: "text", text: "two lines" });
  expect(previewOf(new Uint8Array([0, 255]))).toEqual({ type: "binary", text: "binary, 2 bytes: 00 ff" });
  expect(keyText(new Uint8Array([0, 255]))).toBe("0x00ff");
});

test("a long text stays text where its preview ends within a letter", () => {
  expect(previewOf(utf8("é".repeat(1000))).type).toBe("text");
  expect(previewOf(utf8(`a${"é".repeat(1000)}`)).type).toBe("text");
});

test("hex is read as it is written, and anything else is refused", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  expect(bytesOfHex(hexOf(bytes))).toEqual(bytes);
  expect(bytesOfHex(" 0A\n0b ")).toEqual(new Uint8Array([10, 11]));
  expect(bytesOfHex("")).toEqual(new Uint8Array());
  for (const wrong of ["0", "0g", "zz", "0x00"]) expect(bytesOfHex(wrong)).toBeUndefined();
});

test("sizes are short enough for a card", () => {
  expect([0, 1023, 1024, 102_399, 1_500_000, 3e8].map(sizeText)).toEqual([
    "0 B",
    "1023 B",
    "1.0 KiB",
    "100 KiB",
    "1.4 MiB",
    "286 MiB",
  ]);
});

test("the address says what the page is, and a name that cannot be a room's is refused", () => {
  expect(pageMode("")).toEqual({ type: "edge" });
  expect(pageMode("?other=1")).toEqual({ type: "edge" });
  expect(pageMode("?room=team-1.a~b_c")).toEqual({ type: "room", room: "team-1.a~b_c" });
  for (const bad of ["", "a b", "-a", "a/b", "ä", "x".repeat(65)]) {
    expect(pageMode(`?room=${encodeURIComponent(bad)}`)).toEqual({ type: "bad-room", room: bad });
  }
});

const VIEW: MemberView = {
  id: "1",
  name: "tab-0001",
  clusterId: "10",
  role: "leader",
  term: 3,
  leader: "1",
  commit: 120,
  applied: 120,
  lastIndex: 120,
  revision: 100,
  compactRevision: -1,
  dbSizeBytes: 2048,
  members: [
    { id: "1", name: "tab-0001", learner: false, match: 120, active: true },
    { id: "2", name: "", learner: true, match: 20, active: false },
  ],
};

/** Of the machine's own time zone, as people read it. */
const NOON = new Date(2026, 10, 28, 12, 0).getTime();

const RUNNING: RunningState = {
  type: "running",
  shape: "tabs",
  relayed: [],
  sinceMs: 0,
  signalling: { state: "open", text: "others can find this member" },
  room: { access: "closed", cluster: 10n, founder: 1n, confirmed: true, sinceMs: 0, members: [1n] },
  roomTrouble: undefined,
  isConflict: false,
  aloneSinceMs: undefined,
};

const JOINING: MemberView = {
  ...VIEW,
  role: "learner",
  leader: "0",
  members: [],
  problem: { code: "joining", text: "Waiting to be added to the cluster by its leader." },
};

const none = (): void => {};
const ACTIONS: RoomActions = {
  joinOther: none,
  foundAnew: none,
  recover: none,
  mix: none,
  unmix: none,
  toTabs: none,
  deleteStore: none,
  reload: none,
};

function situation(state: TabState, view: MemberView | undefined, nowMs = 0): ReturnType<typeof roomSituation> {
  const knowledge: RoomKnowledge = { isOpen: false, state, view, nowMs, nowWallMs: NOON + nowMs, problemSinceMs: 0 };
  return roomSituation(knowledge, ACTIONS);
}

const labels = ({ standing }: ReturnType<typeof roomSituation>): readonly string[] =>
  standing.actions.map(({ label }) => label);

test("a leader shows how far each member is behind, and that it alone votes", () => {
  const shown = situation(RUNNING, VIEW);
  expect(shown.badge).toEqual({ text: "Leader", tone: "good" });
  expect(shown.standing.text).toBe(
    "Ready: reads and writes are served. Only this browser votes yet: while it is closed, nobody can write.",
  );
  expect(shown.members.map(({ name, role, lag, present }) => [name, role, lag, present])).toEqual([
    ["tab-0001", "leader", "in step", true],
    ["2", "learner", "100 behind", false],
  ]);
});

test("a link that asks for another shape than the room has is told so, and the room keeps its own", () => {
  const asked = (shapeAsked: RoomKnowledge["shapeAsked"]): string => {
    const knowledge = { isOpen: false, state: RUNNING, view: VIEW, nowMs: 0, nowWallMs: NOON, problemSinceMs: 0 };
    return roomSituation({ ...knowledge, shapeAsked }, ACTIONS).standing.text;
  };
  expect(asked(undefined)).not.toContain("asks for");
  expect(asked("edge")).toContain("asks for a room in which the server would vote; the room has its own shape");
});

test("a follower does not guess how far others are", () => {
  const members = VIEW.members.map(({ id, name, learner }) => ({ id, name, learner }));
  const shown = situation(RUNNING, { ...VIEW, role: "follower", leader: "2", applied: 117, members });
  expect(shown.members.map(({ lag, present }) => [lag, present])).toEqual([
    ["3 behind", true],
    ["–", true],
  ]);
});

test("a newcomer in an empty room is offered the room only after a while, and with a warning", () => {
  const alone: RunningState = { ...RUNNING, aloneSinceMs: 0 };
  expect(labels(situation(alone, JOINING, 4_000))).toEqual([]);
  const later = situation(alone, JOINING, 5_000);
  expect(labels(later)).toEqual(["Found the room anew"]);
  expect(later.standing.actions[0]?.warning).toMatch(/begins anew, empty/);
  expect(later.standing.text).toMatch(/Nobody of this room is here \(5 s\)\. It was founded by member 1 on /);
  expect(later.badge.text).toBe("Joining");
});

test("a newcomer that is not admitted sees why, also while nobody is there to admit it", () => {
  const text = (joinRefusal: string): string => situation(RUNNING, { ...JOINING, joinRefusal }).standing.text;
  expect(text(JOIN_REFUSALS.full)).toMatch(/^This room is full: .* closed for ten minutes\.$/);
  expect(text(JOIN_REFUSALS.notAdmitted)).toMatch(/has not proved/);
  expect(text(JOIN_REFUSALS.keyRemoved)).toMatch(/was removed from the room, and .* do not let it in again/);
  expect(text(JOIN_REFUSALS.otherKey)).toMatch(/belongs to a member of another browser/);
  expect(text(JOIN_REFUSALS.peerOlder)).toMatch(/runs an older version of Quorate, .* Reload that tab/);
  expect(text(JOIN_REFUSALS.peerNewer)).toMatch(/run a newer version of Quorate, .* Reload this page/);
  expect(text(JOIN_REFUSALS.badName)).toMatch(/its name is too long/);
  expect(text("moon-phase")).toMatch(/do not let this tab in: moon-phase\.$/);
  expect(situation(RUNNING, { ...JOINING, joinRefusal: JOIN_REFUSALS.full }).standing.tone).toBe("bad");
  expect(situation(RUNNING, JOINING).standing.text).toMatch(/^Joining: asking/);
  const alone = situation({ ...RUNNING, aloneSinceMs: 0 }, { ...JOINING, joinRefusal: JOIN_REFUSALS.full }, 1_000);
  expect(alone.standing.text).toMatch(/^Nobody of this room is here/);
});

test("a lost server is the reason where it keeps members apart, and a remark where it does not", () => {
  const cutOff: RunningState = { ...RUNNING, signalling: { state: "lost", text: "the server cannot be reached" } };
  expect(roomProblem(cutOff, JOINING, NOON)?.code).toBe("no-signalling");
  expect(roomProblem(cutOff, VIEW, NOON)).toBeUndefined();
  expect(situation(cutOff, VIEW).standing.text).toMatch(/^Ready, but newcomers cannot find this room/);
  const stopped = { ...VIEW, problem: { code: "storage", text: "full" } } as const;
  expect(roomProblem(cutOff, stopped, NOON)?.code).toBe("storage");
});

test("a tab without any network says once that the server is away, and what works all the same", () => {
  const problem: MemberProblem = {
    code: "no-quorum",
    text: "for operators",
    sinceWallMs: NOON - 90 * 60_000,
    voters: { here: 1, total: 3 },
  };
  const roomTrouble = "the room could not be asked: Failed to fetch";
  const view = { ...VIEW, leader: "0", problem };
  const offline: RunningState = {
    ...RUNNING,
    signalling: { state: "lost", text: "the signalling server cannot be reached" },
    roomTrouble,
  };
  const quorum =
    "No quorum: 1 of 3 voters here since 10:30. Reads marked serializable answer from this tab’s copy; writes fail.";
  expect(situation(offline, view, 1_000).standing.text).toBe(
    `Other members cannot be found: the signalling server cannot be reached. ${quorum}`,
  );
  expect(situation({ ...RUNNING, roomTrouble }, view, 1_000).standing.text).toBe(
    `${quorum} The room could not be asked: Failed to fetch.`,
  );
});

test("without a quorum it says so, since when, and what works all the same", () => {
  const problem: MemberProblem = {
    code: "no-quorum",
    text: "for operators",
    sinceWallMs: NOON - 90 * 60_000,
    voters: { here: 1, total: 3 },
  };
  const shown = situation(RUNNING, { ...VIEW, role: "candidate", leader: "0", problem }, 7_000);
  expect(shown.standing.text).toBe(
    "No quorum: 1 of 3 voters here since 10:30. Reads marked serializable answer from this tab’s copy; writes fail.",
  );
  expect(shown.standing.tone).toBe("bad");
  expect(shown.badge).toEqual({ text: "Candidate", tone: "busy" });
  const yesterday = { ...problem, sinceWallMs: NOON - 24 * 3_600_000 };
  expect(situation(RUNNING, { ...VIEW, problem: yesterday }).standing.text).toMatch(/since 27 Nov 2026, 12:00\. /);
});

test("a tab without a quorum may go on from its data, after a while and with a warning, and says why it could not", () => {
  const lost = (sinceMs: number): MemberProblem => ({ code: "no-quorum", text: "", sinceWallMs: NOON - sinceMs });
  expect(labels(situation(RUNNING, { ...VIEW, problem: lost(9_000) }))).toEqual([]);
  const shown = situation(RUNNING, { ...VIEW, problem: lost(11_000) });
  expect(labels(shown)).toEqual(["Go on from this tab’s data"]);
  expect(shown.standing.actions[0]?.warning).toMatch(/gone for good.*lost for the room, also if it was confirmed/);
  expect(shown.standing.actions[0]?.warning).toMatch(/cannot be undone/);
});

test("a tab that is behind is not ready: it says how far, and as of when its copy is", () => {
  const text = "Catching up: about 4,300 entries behind the leader.";
  const problem = { code: "catching-up", text, sinceWallMs: NOON - 60_000 } as const;
  const shown = situation(RUNNING, { ...VIEW, role: "follower", problem });
  expect(shown.standing).toMatchObject({ tone: "busy", text: `${text} This tab’s copy is as of 11:59.` });
  expect(standingOf(RUNNING, { ...VIEW, problem }, NOON)).toMatchObject({
    state: "catching-up",
    since: problem.sinceWallMs,
  });
});

test("requests end for the reason that is known, at once where waiting is vain", () => {
  const quorum: MemberProblem = { code: "no-quorum", text: "", sinceWallMs: NOON, voters: { here: 1, total: 3 } };
  const facts = { nowWallMs: NOON + 60_000, aloneSinceWallMs: undefined };
  const lost = roomOutage(quorum, facts);
  expect(lost?.failAfterMs).toBe(1_000);
  expect(lost?.error(false)).toMatchObject({ code: 14, message: "no quorum: 1 of 3 voters here since 12:00" });
  expect(lost?.error(true).message).toMatch(/since 12:00; this write was proposed before, and its outcome is unknown$/);
  const joining = { code: "joining", text: "" } as const;
  expect(roomOutage(joining, facts)?.failAfterMs).toBe(Infinity);
  const alone = roomOutage(joining, { ...facts, aloneSinceWallMs: NOON });
  expect(alone?.failAfterMs).toBe(1_000);
  expect(alone?.error(false).message).toBe(
    "this tab is not a member of its room yet, and nobody else has been here since 12:00",
  );
  expect(roomOutage(joining, { ...facts, aloneSinceWallMs: facts.nowWallMs - 2_000 })?.failAfterMs).toBe(Infinity);
  expect(roomOutage({ code: "no-leader", text: "" }, facts)).toMatchObject({ failAfterMs: Infinity });
  expect(roomOutage({ code: "stopped", text: "" }, facts)).toBeUndefined();
});

test("a stopped member has no role any more", () => {
  const view: MemberView = { ...VIEW, role: "follower", leader: "0", problem: { code: "storage", text: "full" } };
  const shown = situation({ type: "stopped", code: "storage", text: "full", isDamaged: false }, view);
  expect(shown.facts.slice(0, 2)).toEqual([
    { label: "Role", value: "stopped" },
    { label: "Leader", value: "none" },
  ]);
});

test("a room that was founded anew elsewhere leaves the choice to a person", () => {
  const shown = situation({ ...RUNNING, isConflict: true }, VIEW);
  expect(shown.standing.text).toMatch(/The two never meet/);
  expect(labels(shown)).toEqual(["Join the new one"]);
  expect(shown.standing.actions[0]?.warning).toMatch(/up to revision 100/);
});

test("a second tab shows the room as the first does, and says that it is served", () => {
  expect(situation({ type: "waiting" }, undefined).badge).toEqual({ text: "Starting", tone: "busy" });
  const shown = situation({ type: "served", holder: RUNNING }, VIEW);
  expect(shown.badge).toEqual({ text: "Leader", tone: "good" });
  expect(shown.standing.text).toMatch(/^Ready: reads and writes are served\..*Another tab of this browser profile/);
  expect(shown.members).toEqual(situation(RUNNING, VIEW).members);
});

test("a stopped tab says why, and offers to delete its copy only if that is damaged", () => {
  const full = situation({ type: "stopped", code: "storage", text: "no more room", isDamaged: false }, undefined);
  expect(full.standing.text).toBe("Storage failed, so this tab’s member has stopped. No more room.");
  expect(labels(full)).toEqual(["Reload"]);
  const damaged = situation({ type: "stopped", code: "storage", text: "damaged", isDamaged: true }, undefined);
  expect(labels(damaged)).toEqual(["Reload", "Delete this tab’s copy"]);
});

test("a tab that was removed from its room says so, and joins as a new member only if somebody wants that", () => {
  const removed = situation(
    { type: "stopped", code: "removed", text: "This member was removed.", isDamaged: false },
    VIEW,
  );
  expect(removed.standing.text).toMatch(/^This tab was removed from its room/u);
  expect(removed.badge).toEqual({ text: "Removed", tone: "bad" });
  expect(labels(removed)).toEqual(["Delete this tab’s copy"]);
  expect(removed.standing.actions[0]?.warning).toMatch(/is deleted/u);
});

test("the edge is ready with a quorum, says how many are there, and what is wrong with the others", () => {
  const edge = (number: number): MemberView => ({
    ...VIEW,
    id: String(number),
    name: `edge-${number}`,
    role: number === 1 ? "leader" : "follower",
    members: [1, 2, 3].map((id) => ({ id: String(id), name: `edge-${id}`, learner: false })),
  });
  const up = (number: number) => ({ number, view: edge(number), trouble: undefined });
  expect(edgeSituation([up(1), up(2), up(3)], 0).standing.tone).toBe("good");
  const lame = edgeSituation([up(1), up(2), { number: 3, view: undefined, trouble: "cannot be reached" }], 0);
  expect(lame.standing).toMatchObject({ tone: "busy", text: expect.stringContaining("2 of 3") });
  expect(lame.members[2]).toMatchObject({ name: "edge-3", present: false, trouble: "cannot be reached" });
  const dark = edgeSituation([{ number: 1, view: undefined, trouble: "does not answer" }], 9_000);
  expect(dark.standing).toMatchObject({
    tone: "bad",
    text: "No member can be asked (9 s): does not answer. Trying again.",
  });
});

test("whoever was invited to read only is told, in three places, and is offered nothing that only members do", () => {
  const members = VIEW.members.map((one) => ({ ...one, learner: one.id === "1", invited: "reader" as const }));
  const reader: MemberView = { ...VIEW, role: "learner", leader: "2", members };
  const shown = situation(RUNNING, reader);
  expect(shown.readOnly).toMatch(/^You were invited to read only/);
  expect(shown.standing.text).toBe("Ready: reads are served, and you were invited to read only.");
  expect(shown.facts).toContainEqual({ label: "Room", value: "by invitation: read only" });
  expect(situation(RUNNING, VIEW).readOnly).toBeUndefined();
  const alone = { code: "no-quorum", text: "No quorum.", sinceWallMs: NOON } as const;
  expect(labels(situation(RUNNING, { ...reader, problem: alone }, 60_000))).toEqual([]);
  expect(labels(situation(RUNNING, { ...VIEW, problem: alone }, 60_000))).toEqual(["Go on from this tab’s data"]);
});
