/** What the page needs for inviting others to a room. */
import type { InviteOptions, RoomInvitation } from "../../src/entry/room.ts";

export type Invited = RoomInvitation;
export type InvitationForm = Required<InviteOptions>;

export interface Inviting {
  /** False for whoever was invited itself. */
  mayInvite(): boolean;
  /** Returns the link. Rejects with the reason. */
  invite(wanted: InvitationForm): Promise<string>;
  list(): Promise<readonly Invited[]>;
  revoke(id: string): Promise<void>;
}
