/** What `openRoom` returns. */
import type { ApplicationClient } from "../client/app/application-client.ts";
import type { MemberView, MemberViewPeer } from "../member/api/services.ts";
import type { InviteOptions, NewRoomInvitation, RoomInvitation } from "./member/invitations.ts";
import type { RoomShape } from "./common/room-edge.ts";
import type { TabState } from "./common/tab-state.ts";

/** A client of the room that this tab is a member of, or another tab of this browser profile, which serves this one. */
export interface RoomClient extends Omit<ApplicationClient, "close"> {
  /**
   * Resolves when this tab has a copy of the room, which serializable reads and watches answer from: at once for a tab
   * that was here before, without a server and without a quorum. A newcomer waits until a member lets it in;
   * `connection` says what it waits for. Rejects with OpenRoomError when the tab may not come in, and with EtcdError when
   * its member stops first or the room is closed, also by `signal`.
   */
  readonly ready: Promise<void>;
  readonly room: Room;
  /**
   * Ends everything: locks are released, leadership goes to another member, the storage is closed. Resolves when that is
   * done; the room may be opened again at once. Does not reject.
   */
  close(): Promise<void>;
}

/** What a member of a room knows beyond its data: the link, the members, its own state. */
export interface Room {
  readonly name: string;
  /** Resolves when it is decided that this tab comes in, and with which secret. Rejects with OpenRoomError. */
  readonly admitted: Promise<void>;
  /** Resolves when the copy in this tab answers serializable reads; a newcomer's is empty at first. */
  readonly opened: Promise<void>;
  /**
   * Resolves when this tab is connected for the first time: a quorum is there and this tab's copy is current, so writes
   * and linearizable reads are served. Rejects as `ready` does. Later changes are those of `connection`.
   */
  readonly connected: Promise<void>;
  /** This page's address with the secret in its fragment. Undefined before `admitted`. */
  readonly link: string | undefined;
  /** Undefined before `admitted`, and in an open room. */
  readonly secret: string | undefined;
  /**
   * Makes an invitation to this room: a link that lets in as many browser profiles as it says, until its time, and that
   * shows nobody the room's secret. Resolves when it is in the log of the room.
   *
   * Rejects with EtcdError: without a quorum, of a room without a secret, of a member that was invited itself, and in a tab
   * that another one serves.
   */
  invite(options?: InviteOptions): Promise<NewRoomInvitation>;
  /** The invitations that were made, the latest first, as this tab knows them. Also those that are over, for a while. */
  invitations(): Promise<readonly RoomInvitation[]>;
  /**
   * Ends an invitation: nobody comes in by it any more. Members that came in stay; `client.cluster` removes them, and then
   * they do not come back by any invitation. Rejects as `invite` does.
   */
  revoke(id: string): Promise<void>;
  /** As what this browser was invited. Undefined: it knows the room's secret, or is not a member yet. */
  readonly invited: "member" | "reader" | undefined;
  /** Anybody who knows the room's name may join it. */
  readonly isOpen: boolean;
  /**
   * Who votes: "tabs", the tabs themselves; "edge", objects at the server, where tabs are learners; or "mixed", an object
   * and tabs together. Undefined while this tab is not a member.
   */
  readonly shape: RoomShape | undefined;
  /** The shape that `openRoom` was asked for, where the room had another one before and keeps it. Undefined otherwise. */
  readonly shapeAsked: RoomShape | undefined;
  /** As this tab knows them. `active` is known at the leader only. */
  readonly members: readonly MemberViewPeer[];
  /** Where this tab is on its way to being a member. */
  readonly state: TabState;
  /** What the member tells of itself; undefined while there is none. */
  readonly view: MemberView | undefined;
  /**
   * Calls `listener` after `state`, `view` or `members` have changed; of a tab that is served, four times a second at most.
   * Returns a function that ends it. Looking again and again is not needed, except for what only time changes.
   */
  subscribe(listener: () => void): () => void;
  /** While another tab serves this one: becomes the member in its place, and serves it. Does nothing otherwise. */
  takeOver(): void;
  /** For one who waits in vain for members to join: founds the room anew, empty. For a person to decide. */
  foundAnew(): Promise<void>;
  /**
   * Changes who votes: "edge", an object at the server alone; "mixed", the object and tabs; or "tabs", the tabs alone, and the
   * server deletes what it had of the room. The change goes through the log, and votes move in steps that never stop the
   * room: an object that joins tabs has all of the log before it votes, and it keeps its vote until tabs can go on without
   * it. Resolves when it is decided; `shape` tells when it is done. It may be changed again at any time.
   *
   * Rejects with EtcdError: code 9 in an open room, where the server can keep no object, in a room of tabs with members that
   * were invited, and in a tab that another one serves; 7 while auth is enabled; 14 without a quorum.
   */
  reshape(shape: RoomShape): Promise<void>;
  /**
   * Goes on without the former members: a new cluster under the room's name, whose only member is this tab, with what
   * this tab holds, or with a snapshot (of `maintenance.snapshot()`, or of etcd). What others have and this tab has not
   * is not in it, although it may have been acknowledged. Former members never mix with it; they are told when they come
   * back. For a room that has lost its quorum for good, and for a person to decide.
   *
   * Rejects with EtcdError, and everything is as it was, where the room's cluster is at the edge, if the snapshot is damaged, if the server cannot be reached, or
   * if another member was faster.
   */
  recover(snapshot?: Blob | Uint8Array): Promise<void>;
  /**
   * Closes, and deletes what this browser stores of the room, except the key by which its members know it. The other tabs
   * of the profile stop, too.
   */
  leave(): Promise<void>;
}
