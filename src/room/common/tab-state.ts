/** Where a tab is on its way to being a member of its room. */
import type { ProblemCode } from "../../member/api/services.ts";
import type { SignallingState } from "../../transport/channel.ts";
import type { RoomShape } from "./room-edge.ts";
import type { RoomInfo, RoomRefusalCode } from "../../transport/room.ts";

/** Where a tab is on its way to being a member. */
export type TabState =
  /** Another tab of this profile is the member. */
  | { readonly type: "waiting" }
  /** Another tab of this profile is the member, and serves this one; `holder` is its state. */
  | { readonly type: "served"; readonly holder: TabState }
  /** `trouble`: the disk is full, and the tab tries again; it is not said while a copy in memory answers reads. */
  | { readonly type: "opening"; readonly trouble?: string }
  /** A fresh store, and whoever knows whose room this is has not answered yet. */
  | { readonly type: "asking"; readonly sinceMs: number; readonly trouble: string | undefined }
  | RunningState
  | StoppedState;

/** This tab is a member, or is about to be one. */
export interface RunningState {
  readonly type: "running";
  readonly sinceMs: number;
  readonly shape: RoomShape;
  /** The connection to the signalling server, or to the room's objects where it has some. */
  readonly signalling: { readonly state: SignallingState; readonly text: string };
  /**
   * Ids of the members that are reached over the room's server only, because a direct connection is not possible. Undefined
   * where another tab of this profile, of an earlier version of the page, serves this one.
   */
  readonly relayed?: readonly string[];
  /** What the room's registry said last. */
  readonly room: RoomInfo | undefined;
  readonly roomTrouble: string | undefined;
  /** The registry knows another cluster for this room, and this one has something to lose. */
  readonly isConflict: boolean;
  /** Nobody else has been online since; undefined while somebody is. */
  readonly aloneSinceMs: number | undefined;
}

/** This tab's member has stopped for good, and why. */
export interface StoppedState {
  readonly type: "stopped";
  readonly code: ProblemCode;
  readonly text: string;
  /** Why the registry refuses this tab, or that this browser cannot be a member here, when `code` says that it is refused. */
  readonly refusal?: RoomRefusalCode | "unsupported" | undefined;
  /** What is stored here is damaged: the tab can only begin anew, under a new id. */
  readonly isDamaged: boolean;
}
