/** Describes a tab's member in words and numbers. Pure. */
import { unreachable } from "../../src/base/assert.ts";
import type { MemberProblem, MemberView, MemberViewPeer } from "../../src/member/api/services.ts";
import { JOIN_REFUSALS } from "../../src/protocol/peer/join-refusal.ts";
import type { RoomInfo } from "../../src/transport/room.ts";
import { countOf, numberText, sizeText } from "../model/bytes-text.ts";
import { durationText, lagText, shortId, UNKNOWN } from "../model/situation.ts";
import type { Action, Fact, MemberRow, Situation, Tone } from "../model/situation.ts";
import { roomProblem } from "../../src/room/room-connection.ts";
import type { RoomShape } from "../../src/room/common/room-edge.ts";
import type { RunningState, StoppedState, TabState } from "../../src/room/common/tab-state.ts";

export interface RoomKnowledge {
  /** Anybody who knows its name may join. */
  readonly isOpen: boolean;
  /** The link asks for it, and the room has another one. */
  readonly shapeAsked?: RoomShape | undefined;
  readonly state: TabState;
  /** Undefined while there is no member. */
  readonly view: MemberView | undefined;
  readonly nowMs: number;
  /** Milliseconds since 1970. */
  readonly nowWallMs: number;
  /** Why this tab's data did not become a new room, when somebody wanted that. */
  readonly recoveryTrouble?: string | undefined;
  /** Why it was not changed who votes. */
  readonly reshapeTrouble?: string | undefined;
  /** Since when it has been unable to serve. */
  readonly problemSinceMs: number;
}

export interface RoomActions {
  readonly joinOther: () => void;
  readonly foundAnew: () => void;
  readonly recover: () => void;
  /** Tabs vote with the server's object from now on. */
  readonly mix: () => void;
  /** The server's object votes alone from now on. */
  readonly unmix: () => void;
  /** Tabs vote alone from now on. */
  readonly toTabs: () => void;
  readonly deleteStore: () => void;
  readonly reload: () => void;
}

type Standing = Situation["standing"];

const VOTERS: Readonly<Record<RoomShape, string>> = {
  tabs: "the browsers",
  edge: "the server",
  mixed: "the server and browsers",
};

/** How long a newcomer waits for others before it is offered the room for itself. */
const OFFER_ROOM_AFTER_MS = 5_000;

/** A member that reloads its page is back sooner. */
const OFFER_RECOVERY_AFTER_MS = 10_000;

const RECOVERY_WARNING =
  "Do this only if the members that are missing are gone for good. The room begins anew with what this tab holds: what was " +
  "written since this copy is lost for the room, also if it was confirmed. The other members keep their copies of the old " +
  "room to themselves, are told so, and may join the new one as new members. This cannot be undone.";

const MIX_WARNING =
  "Browsers then vote together with the server, and go on while it cannot be reached. When all of them are closed in the same " +
  "moment, the room waits until enough of them are open again. Who votes can change much: it is for people who are trusted.";
const UNMIX_WARNING =
  "The server alone then decides, with any number of browsers, or none. While it cannot be reached, nothing is written.";

const KEEP_WARNING =
  "The server then decides, and keeps this room also while no browser has it open. It sees what the room holds, which it did " +
  "not before. The browsers go on until it has everything.";
const TABS_WARNING =
  "The browsers that are open then vote, and the server deletes what it has of this room. When all of them are closed, the " +
  "room waits until enough of them are open again; when their data is deleted, it is lost.";

export function roomSituation(knowledge: RoomKnowledge, actions: RoomActions): Situation {
  const { state, view } = knowledge;
  return {
    badge: badgeOf(state, view),
    standing: standingOf(knowledge, actions),
    facts: factsOf(view, knowledge),
    members: view === undefined ? [] : view.members.map((peer) => rowOf(peer, view)),
    revision: view?.revision ?? 0,
    readOnly: invitedAs(view) === "reader" ? READ_ONLY : undefined,
  };
}

const READ_ONLY =
  "You were invited to read only: you see everything in this room as it changes, and cannot change anything.";

function invitedAs(view: MemberView | undefined): "member" | "reader" | undefined {
  return view?.members.find(({ id }) => id === view.id)?.invited;
}

const STOPPED_BADGES: Partial<Record<StoppedState["code"], string>> = { removed: "Removed", refused: "Refused" };

function badgeOf(state: TabState, view: MemberView | undefined): Situation["badge"] {
  switch (state.type) {
    case "waiting":
    case "opening":
    case "asking":
      return { text: "Starting", tone: "busy" };
    case "stopped":
      return { text: STOPPED_BADGES[state.code] ?? "Stopped", tone: "bad" };
    case "running":
      return view === undefined ? { text: "Starting", tone: "busy" } : roleBadge(view);
    case "served":
      return badgeOf(state.holder, view);
    default:
      return unreachable(state);
  }
}

function roleBadge({ role, problem }: MemberView): Situation["badge"] {
  if (problem?.code === "joining") return { text: "Joining", tone: "busy" };
  if (problem?.code === "disk-full") return { text: "Disk full", tone: "bad" };
  const text = `${role.charAt(0).toUpperCase()}${role.slice(1)}`;
  return { text, tone: problem === undefined ? "good" : "busy" };
}

function standingOf(knowledge: RoomKnowledge, actions: RoomActions): Standing {
  const { state, nowMs } = knowledge;
  switch (state.type) {
    case "waiting":
      return say(
        "busy",
        "This room is open in another tab of this browser profile. Asking that one to serve this tab.",
      );
    case "served": {
      const standing = standingOf({ ...knowledge, state: state.holder }, actions);
      // What only the member can do is offered where it is.
      const own: readonly (() => void)[] = [actions.recover, actions.mix, actions.unmix, actions.toTabs];
      const offered = standing.actions.filter(({ run }) => !own.includes(run));
      return { ...standing, text: `${standing.text} ${SERVED}`, actions: offered };
    }
    case "opening":
      return state.trouble === undefined ? say("busy", "Opening this tab’s storage.") : say("bad", state.trouble);
    case "asking": {
      if (state.trouble === undefined) return say("busy", "Asking the server whose room this is.");
      const since = durationText(nowMs - state.sinceMs);
      return say(
        "bad",
        `The server of this page does not answer, so nobody can say whose room this is (${since}): ${state.trouble}.`,
      );
    }
    case "stopped": {
      if (state.code === "removed") return removed(actions);
      const again: Action = { label: "Reload", run: actions.reload };
      const anew: Action = { label: "Delete this tab’s copy", warning: DAMAGED_WARNING, run: actions.deleteStore };
      return say("bad", stoppedText(state.code, state.text), state.isDamaged ? [again, anew] : [again]);
    }
    case "running":
      return running(state, knowledge, actions);
    default:
      return unreachable(state);
  }
}

const DAMAGED_WARNING =
  "What this browser stored of the room is deleted, and the tab joins again as a new member. If no other member has " +
  "the room’s keys, they are gone.";

function removed({ deleteStore }: RoomActions): Standing {
  const text =
    "This tab was removed from its room: somebody took its membership away, and the others do not take it back. What it " +
    "stored of the room is still in this browser, and grows old.";
  const warning = "What this browser stored of the room is deleted. It stays removed: the members know it by its key.";
  return say("bad", text, [{ label: "Delete this tab’s copy", warning, run: deleteStore }]);
}

function stoppedText(code: string, text: string): string {
  if (code === "refused") return text;
  const what =
    code === "storage" ? "Storage failed, so this tab’s member has stopped" : "This tab’s member has stopped";
  return `${what}. ${sentence(text)}`;
}

const SERVED =
  "Another tab of this browser profile is the member, and serves this one, which takes over when that is closed.";

function running(state: RunningState, knowledge: RoomKnowledge, actions: RoomActions): Standing {
  const { view, nowMs, nowWallMs, problemSinceMs } = knowledge;
  if (state.isConflict && view !== undefined) return conflict(state, view, actions);
  if (view === undefined) return say("busy", "Starting.");
  const problem = roomProblem(state, view, nowWallMs);
  if (problem === undefined) return serving(state, view, knowledge, actions);
  if (problem.code === "disk-full") return say("bad", problem.text);
  const duration = ` Since ${durationText(nowMs - problemSinceMs)}.`;
  // It is the same server.
  const isSaid = state.roomTrouble === undefined || problem.code === "no-signalling";
  const hint = isSaid ? "" : ` ${sentence(state.roomTrouble)}`;
  const text = `${problem.text}${problem.sinceWallMs === undefined ? duration : ""}${hint}`;
  if (view.joinRefusal === JOIN_REFUSALS.otherKey) return notThisBrowsers(actions);
  if (isOfOtherVersion(view.joinRefusal)) return say("bad", `${joinRefusalText(view.joinRefusal)} ${text}`);
  if (state.shape !== "tabs" && view.problem?.code !== "joining") return say("busy", text);
  if (view.problem?.code === "no-quorum") return withoutQuorum(text, problem, knowledge, actions);
  if (view.problem?.code !== "joining") return say("busy", text);
  if (problem.code === "no-signalling") return say("bad", text);
  return joining(state, view.joinRefusal, nowMs, actions);
}

/** Somebody brought a copy of another browser's store, or this browser has lost its key. */
function notThisBrowsers({ deleteStore }: RoomActions): Standing {
  const warning = "What this browser stored of the room is deleted, and the tab asks to be let in as a new member.";
  return say("bad", joinRefusalText(JOIN_REFUSALS.otherKey), [
    { label: "Join as a new member", warning, run: deleteStore },
  ]);
}

function withoutQuorum(
  text: string,
  { sinceWallMs = Infinity }: MemberProblem,
  { nowWallMs, recoveryTrouble, view }: RoomKnowledge,
  { recover }: RoomActions,
): Standing {
  const isInvited = invitedAs(view) !== undefined;
  const trouble =
    recoveryTrouble === undefined ? "" : ` This tab’s data did not become a new room: ${recoveryTrouble}.`;
  // Only who knows the room's secret founds it anew.
  if (nowWallMs - sinceWallMs < OFFER_RECOVERY_AFTER_MS || isInvited) return say("bad", text);
  return say("bad", `${text}${trouble}`, [
    { label: "Go on from this tab’s data", warning: RECOVERY_WARNING, run: recover },
  ]);
}

function joining(
  { room, aloneSinceMs }: RunningState,
  refusal: string | undefined,
  nowMs: number,
  actions: RoomActions,
): Standing {
  if (aloneSinceMs === undefined && refusal !== undefined) return say("bad", joinRefusalText(refusal));
  if (aloneSinceMs === undefined) return say("busy", "Joining: asking the members that are here to add this one.");
  const founded = room?.cluster === undefined ? "" : ` It was founded by ${founderOf(room)}.`;
  const since = durationText(nowMs - aloneSinceMs);
  const text = `Nobody of this room is here (${since}).${founded} This tab joins as soon as one of its members is back.`;
  if (nowMs - aloneSinceMs < OFFER_ROOM_AFTER_MS) return say("busy", text);
  const warning =
    "The room begins anew, empty. Members that still have the old keys cannot bring them into the new room; if they " +
    "come back, they are told and keep their copy to themselves.";
  return say("busy", text, [{ label: "Found the room anew", warning, run: actions.foundAnew }]);
}

function isOfOtherVersion(refusal: string | undefined): refusal is string {
  return refusal === JOIN_REFUSALS.peerOlder || refusal === JOIN_REFUSALS.peerNewer;
}

/** A later version may have other reasons. */
function joinRefusalText(refusal: string): string {
  switch (refusal) {
    case JOIN_REFUSALS.full:
      return (
        "This room is full: it has as many members as it takes. This tab goes on asking, and comes in when one of them " +
        "leaves, or has been closed for ten minutes."
      );
    case JOIN_REFUSALS.notAdmitted:
      return "The members of this room do not let this tab in: it has not proved to them that it knows the room’s secret.";
    case JOIN_REFUSALS.otherKey:
      return (
        "The members of this room do not let this tab in: what this browser stored of the room belongs to a member of " +
        "another browser, whose key it does not have."
      );
    case JOIN_REFUSALS.keyRemoved:
      return (
        "This browser was removed from the room, and the members do not let it in again. It keeps nothing of what was " +
        "written since."
      );
    case JOIN_REFUSALS.peerOlder:
      return "A tab of this room runs an older version of Quorate, which this one does not meet. Reload that tab.";
    case JOIN_REFUSALS.peerNewer:
      return "The tabs of this room run a newer version of Quorate, which this one does not meet. Reload this page.";
    case JOIN_REFUSALS.badName:
      return "The members of this room do not let this tab in: its name is too long.";
    default:
      return `The members of this room do not let this tab in: ${refusal}.`;
  }
}

function conflict({ room, shape }: RunningState, view: MemberView, { joinOther }: RoomActions): Standing {
  if (shape === "edge") return conflictAtEdge(room, view, joinOther);
  const founder = room?.cluster === undefined ? "somebody else" : founderOf(room);
  const text =
    `This room was founded anew by ${founder}, but this tab belongs to the cluster that was here before. ` +
    "The two never meet. This tab goes on with its own, and newcomers join the other one.";
  const warning =
    `This browser’s copy of the old room is deleted: everything in it, up to revision ${numberText(view.revision)}. ` +
    "The tab then joins the new room as a new member.";
  return say("bad", text, [{ label: "Join the new one", warning, run: joinOther }]);
}

/** A learner cannot go on with what it has. */
function conflictAtEdge(room: RoomInfo | undefined, view: MemberView, joinOther: () => void): Standing {
  const isGone = room?.cluster === undefined;
  const what = isGone
    ? "The room was deleted at its server"
    : "The room began anew at its server, as a restored room does";
  const text =
    `${what}. This tab has a copy of the former room, up to revision ${numberText(view.revision)}, which can be read and ` +
    "saved as a snapshot. Nothing of it enters the new room. Writes that are queued in this browser are kept.";
  const warning =
    "This browser’s copy of the former room is deleted, and the tab joins the new room as a new member. Writes that are queued " +
    "here are sent to the new room then.";
  return say("bad", text, [{ label: isGone ? "Found it anew" : "Join the new one", warning, run: joinOther }]);
}

function serving(
  state: RunningState,
  view: MemberView,
  { isOpen, reshapeTrouble, shapeAsked }: RoomKnowledge,
  actions: RoomActions,
): Standing {
  const voters = view.members.filter(({ learner }) => !learner).length;
  const stake =
    voters === 1 && view.role === "leader" ? " Only this browser votes yet: while it is closed, nobody can write." : "";
  if (state.shape === "mixed" && state.signalling.state !== "open") {
    return say(
      "busy",
      `Ready: the browsers go on without the room’s server, which cannot be reached.${relayedText(state)}`,
    );
  }
  if (state.signalling.state !== "open" && state.signalling.state !== "connecting") {
    return say("busy", `Ready, but newcomers cannot find this room: ${state.signalling.text}.${stake}`);
  }
  const kept = state.shape === "tabs" ? "" : " The server keeps this room, also while no tab is open.";
  const isReader = invitedAs(view) === "reader";
  const served = isReader ? "reads are served, and you were invited to read only" : "reads and writes are served";
  const trouble = reshapeTrouble === undefined ? "" : ` It was not changed who votes: ${sentence(reshapeTrouble)}`;
  const text = `Ready: ${served}.${kept}${relayedText(state)}${stake}${otherShapeText(shapeAsked)}${trouble}`;
  return say("good", text, isOpen || invitedAs(view) !== undefined ? [] : reshapings(state, actions));
}

function reshapings({ shape }: RunningState, { mix, unmix, toTabs }: RoomActions): readonly Action[] {
  const leave: Action = { label: "Let only browsers hold this room", warning: TABS_WARNING, run: toTabs };
  switch (shape) {
    case "tabs":
      return [{ label: "Let the server keep this room", warning: KEEP_WARNING, run: unmix }];
    case "edge":
      return [{ label: "Let browsers vote, too", warning: MIX_WARNING, run: mix }, leave];
    case "mixed":
      return [{ label: "Let only the server vote", warning: UNMIX_WARNING, run: unmix }, leave];
  }
}

function otherShapeText(asked: RoomShape | undefined): string {
  if (asked === undefined) return "";
  return ` This link asks for a room in which ${VOTERS[asked]} would vote; the room has its own shape, and keeps it.`;
}

/** What passes over the server is sealed, and takes longer. */
function relayedText({ relayed = [] }: RunningState): string {
  if (relayed.length === 0) return "";
  const who = relayed.length === 1 ? "One member is" : `${relayed.length} members are`;
  return ` ${who} reached over the server, which cannot read along, because no direct connection is possible.`;
}

function say(tone: Tone, text: string, actions: readonly Action[] = []): Standing {
  return { tone, text, actions };
}

/** Adds a full stop unless there is one: texts from the core come with and without it. */
function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

function founderOf({ founder, sinceMs }: RoomInfo): string {
  return `member ${shortId(String(founder ?? 0n))} on ${new Date(sinceMs).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })}`;
}

function factsOf(view: MemberView | undefined, { isOpen, state }: RoomKnowledge): readonly Fact[] {
  const number = (value: number | undefined): string => (value === undefined ? UNKNOWN : numberText(value));
  return [
    { label: "Role", value: view === undefined ? UNKNOWN : roleWord(view) },
    { label: "Leader", value: view === undefined ? UNKNOWN : leaderName(view) },
    { label: "Term", value: number(view?.term) },
    { label: "Commit", value: number(view?.commit) },
    { label: "Applied", value: number(view?.applied) },
    { label: "Revision", value: number(view?.revision) },
    { label: "Members", value: view === undefined ? UNKNOWN : membersText(view.members) },
    { label: "Stored", value: view === undefined ? UNKNOWN : sizeText(view.dbSizeBytes) },
    { label: "Room", value: entranceText(isOpen, view) },
    { label: "Who votes", value: votersText(state) },
  ];
}

function entranceText(isOpen: boolean, view: MemberView | undefined): string {
  if (isOpen) return "open to anybody";
  const invited = invitedAs(view);
  if (invited === undefined) return "closed: by its link";
  return invited === "reader" ? "by invitation: read only" : "by invitation";
}

function votersText(state: TabState): string {
  if (state.type === "served") return votersText(state.holder);
  if (state.type !== "running") return UNKNOWN;
  return VOTERS[state.shape];
}

const STOPPED_CODES: ReadonlySet<string> = new Set(["stopped", "storage", "disk-full", "removed"]);

function roleWord({ role, problem }: MemberView): string {
  if (problem === undefined) return role;
  return STOPPED_CODES.has(problem.code) ? "stopped" : problem.code === "joining" ? "joining" : role;
}

function leaderName({ leader, members, id, name }: MemberView): string {
  if (leader === "0") return "none";
  if (leader === id) return name;
  return members.find((member) => member.id === leader)?.name ?? shortId(leader);
}

function membersText(members: readonly MemberViewPeer[]): string {
  const learners = members.filter(({ learner }) => learner).length;
  const voters = countOf(members.length - learners, "voter");
  return learners === 0 ? voters : `${voters} + ${learners}`;
}

function rowOf(peer: MemberViewPeer, view: MemberView): MemberRow {
  const isSelf = peer.id === view.id;
  const isLeader = peer.id === view.leader;
  const voter = isLeader ? "leader" : "voter";
  const behind = isSelf ? view.commit - view.applied : peer.match === undefined ? undefined : view.commit - peer.match;
  return {
    id: peer.id,
    name: peer.name === "" ? shortId(peer.id) : peer.name,
    isSelf,
    role: peer.learner ? "learner" : voter,
    invited: peer.invited,
    lag: lagText(behind),
    present: isSelf ? true : (peer.active ?? (isLeader ? true : undefined)),
  };
}
