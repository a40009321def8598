/** What is true of a tab's member, in one word and a sentence. Pure: from what is known to what is told. */
import { unreachable } from "../base/assert.ts";
import type { ConnectionState } from "../client/app/connection.ts";
import type { MemberView, ProblemCode } from "../member/api/services.ts";
import { problemText } from "./member/outage.ts";
import type { TabState } from "./common/tab-state.ts";

export interface RoomStanding {
  readonly state: ConnectionState;
  /** For people; empty while connected. */
  readonly reason: string;
  /** Milliseconds since 1970: since when this tab's copy may be old. Undefined: since the state is this one. */
  readonly since?: number | undefined;
}

/** `view` is undefined while there is no member. */
export function standingOf(state: TabState, view: MemberView | undefined, nowWallMs: number): RoomStanding {
  switch (state.type) {
    case "waiting":
      return {
        state: "unavailable",
        reason: "This room is open in another tab of this browser profile; this tab is about to be served by it.",
      };
    case "served":
      return standingOf(state.holder, view, nowWallMs);
    case "opening":
      if (state.trouble !== undefined) return { state: "unavailable", reason: state.trouble };
      return { state: "joining", reason: "Opening this tab’s storage." };
    case "asking":
      return {
        state: "joining",
        reason:
          state.trouble === undefined
            ? "Asking the signalling server whose room this is."
            : `The signalling server does not respond, so nobody can say whose room this is: ${state.trouble}.`,
      };
    case "stopped":
      return { state: "stopped", reason: state.text };
    case "running":
      return runningStanding(state, view, nowWallMs);
    default:
      return unreachable(state);
  }
}

function runningStanding(state: TabState, view: MemberView | undefined, nowWallMs: number): RoomStanding {
  if (view === undefined) return { state: "joining", reason: "Starting." };
  const problem = roomProblem(state, view, nowWallMs);
  if (problem === undefined) return { state: "connected", reason: "" };
  const isAlone = view.problem?.code === "joining" && state.type === "running" && state.aloneSinceMs !== undefined;
  const reason = isAlone ? `${ALONE} ${problem.text}` : problem.text;
  return { state: stateOf(view.problem?.code), reason, since: problem.sinceWallMs };
}

const ALONE = "Nobody else of this room is here; this tab joins as soon as one of its members is back.";

function stateOf(code: ProblemCode | undefined): ConnectionState {
  if (code === "joining" || code === "starting") return "joining";
  return code === "catching-up" ? "catching-up" : "unavailable";
}

/** The member's own reason, or that signalling is why it meets nobody. */
export function roomProblem(state: TabState, view: MemberView, nowWallMs: number): MemberView["problem"] {
  if (view.problem === undefined) return undefined;
  const problem = { ...view.problem, text: problemText(view.problem, nowWallMs) };
  if (state.type !== "running" || state.signalling.state === "open") return problem;
  if (STOPPED.has(problem.code)) return problem;
  if (state.shape !== "tabs") {
    const waiting = state.shape === "edge" ? ` ${READS_ONLY}` : "";
    const text = `This tab cannot reach the room’s server: ${state.signalling.text}.${waiting}`;
    return { ...problem, code: "no-signalling", text: `${text} ${problem.text}` };
  }
  const text = `Other members cannot be found: ${state.signalling.text}.`;
  return { ...problem, code: "no-signalling", text: `${text} ${problem.text}` };
}

const READS_ONLY = "Until it is back, this tab reads its own copy, and writes wait or fail.";

/** What the signalling server cannot change. */
const STOPPED: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "stopped",
  "storage",
  "disk-full",
  "removed",
  "catching-up",
]);
