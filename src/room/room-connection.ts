/** What is true of a tab's member, in one word and a sentence. Pure: from what is known to what is told. */
import { unreachable } from "../base/assert.ts";
import type { ConnectionState } from "../client/app/connection.ts";
import type { MemberView } from "../member/api/services.ts";
import type { TabState } from "./tab-state.ts";

export interface RoomStanding {
  readonly state: ConnectionState;
  /** For people; empty while connected. */
  readonly reason: string;
}

/** `view` is undefined while there is no member. */
export function standingOf(state: TabState, view: MemberView | undefined): RoomStanding {
  switch (state.type) {
    case "waiting":
      return {
        state: "unavailable",
        reason:
          "This room is open in another tab of this browser profile; this tab takes over when that one is closed.",
      };
    case "opening":
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
      return runningStanding(state, view);
    default:
      return unreachable(state);
  }
}

function runningStanding(state: TabState, view: MemberView | undefined): RoomStanding {
  if (view === undefined) return { state: "joining", reason: "Starting." };
  const problem = roomProblem(state, view);
  if (problem === undefined) return { state: "connected", reason: "" };
  const isJoining = view.problem?.code === "joining" || view.problem?.code === "starting";
  return { state: isJoining ? "joining" : "unavailable", reason: problem.text };
}

/** The member's own reason, or that signalling is why it meets nobody. */
export function roomProblem(state: TabState, view: MemberView): MemberView["problem"] {
  const { problem } = view;
  if (problem === undefined || state.type !== "running" || state.signalling.state === "open") return problem;
  if (problem.code === "stopped" || problem.code === "storage" || problem.code === "removed") return problem;
  const text = `The signalling server does not answer, so other members cannot be found: ${state.signalling.text}.`;
  return { code: "no-signalling", text: `${text} ${problem.text}` };
}
