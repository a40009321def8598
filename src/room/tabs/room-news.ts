/** What the tab with the member tells the tabs that it serves, beside their calls; and what they ask of it. */
import type { MemberView } from "../../member/api/services.ts";
import type { TabState } from "../common/tab-state.ts";

export interface RoomNews {
  readonly type: "news";
  readonly state: TabState;
  readonly view: MemberView | undefined;
}

/**
 * look: for the news of now. follow, unfollow: for news whenever the member's numbers change; earlier versions do not know
 * these. The others are what a person has decided; see `Room`.
 */
export type TabRequest = "look" | "follow" | "unfollow" | "foundAnew" | "leave";

/** What only a person decides. */
export type PersonsRequest = Extract<TabRequest, "foundAnew" | "leave">;

const REQUESTS: readonly unknown[] = [
  "look",
  "follow",
  "unfollow",
  "foundAnew",
  "leave",
] satisfies readonly TabRequest[];
const STATES: readonly unknown[] = ["waiting", "opening", "asking", "running", "stopped"];

export function tabRequest(data: unknown): TabRequest | undefined {
  return REQUESTS.includes(data) ? (data as TabRequest) : undefined;
}

/** A page of another version may send what this one does not know. */
export function roomNews(data: unknown): RoomNews | undefined {
  const { type, state, view } = (data ?? {}) as Partial<RoomNews>;
  if (type !== "news" || typeof state !== "object" || !STATES.includes(state.type)) return undefined;
  const isView = view === undefined || (typeof view === "object" && Array.isArray(view.members));
  return isView ? { type, state, view } : undefined;
}
