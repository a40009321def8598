/**
 * The package's `quorate/room`, for browsers: this tab becomes a member of a room.
 *
 * ```ts
 * import { openRoom } from "quorate/room";
 *
 * const room = openRoom("planning", { signalling: "https://quorate.example", secret: location.hash });
 * await room.ready;
 * await room.kv.put("agenda", "…");
 * console.log(room.room.link);
 * ```
 */
export { openRoom } from "../room/open-room.ts";
export type { OpenRoomOptions } from "../room/open-room.ts";
export { OpenRoomError } from "../room/common/errors.ts";
export type { OpenRoomErrorReason } from "../room/common/errors.ts";
export type { InviteOptions, NewRoomInvitation, RoomInvitation } from "../room/member/invitations.ts";
export type { Room, RoomClient } from "../room/room-client.ts";
export type { RoomShape } from "../room/common/room-edge.ts";
export type { RunningState, StoppedState, TabState } from "../room/common/tab-state.ts";
export type { RoomInfo } from "../transport/room.ts";
export type { MemberView, MemberViewPeer, ProblemCode } from "../member/api/services.ts";
export type { MemberFlagName } from "../member/flags.ts";
