/** What `status()` of a room's client tells: the member's view, or why there is none. */
import type { MemberView } from "../member/api/services.ts";
import type { TabState } from "./common/tab-state.ts";
import { roomProblem, standingOf } from "./room-connection.ts";

const NO_VIEW: Omit<MemberView, "problem"> = {
  id: "0",
  name: "",
  clusterId: "0",
  role: "learner",
  term: 0,
  leader: "0",
  commit: 0,
  applied: 0,
  lastIndex: 0,
  revision: 0,
  compactRevision: 0,
  dbSizeBytes: 0,
  members: [],
};

/** `state` is that of the tab that has the member. `last` is what was known of a member that has stopped. */
export function roomStatus(
  state: TabState,
  ofMember: MemberView | undefined,
  last: MemberView | undefined,
): MemberView {
  if (state.type === "stopped") {
    return { ...(ofMember ?? last ?? NO_VIEW), problem: { code: state.code, text: state.text } };
  }
  if (ofMember === undefined) {
    const code = state.type === "asking" && state.trouble !== undefined ? "no-signalling" : "starting";
    return { ...NO_VIEW, problem: { code, text: standingOf(state, undefined, Date.now()).reason } };
  }
  const { problem: _, ...view } = ofMember;
  const problem = roomProblem(state, ofMember, Date.now());
  return problem === undefined ? view : { ...view, problem };
}
