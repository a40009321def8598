/** What a tab's member needs of its surroundings: the browser's storage and network, the room's registry, and who is told. */
import type { FlaggedOptions } from "../../member/flags.ts";
import type { Clock } from "../../member/clock.ts";
import type { Services } from "../../member/api/services.ts";
import type { Member } from "../../member/node/member.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import type { Invitations } from "../../protocol/peer/invitations-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { ReadOnlyStorage } from "../../storage/common/read-only.ts";
import type { Identity, Storage } from "../../storage/storage.ts";
import type { SignallingState } from "../../transport/channel.ts";
import type { SigningKey } from "../../transport/greeting/signing-key.ts";
import type { RoomEdge, RoomRegistry } from "../../transport/room.ts";
import type { SwitchableServices } from "../common/switchable-services.ts";
import type { TabState } from "../common/tab-state.ts";
import type { TabTransport } from "./tab-transport.ts";

export interface TabMemberOptions {
  /** See MemberOptions.quotaBackendBytes; the settings may say otherwise. */
  readonly quotaBytes?: () => Promise<number>;
  readonly settings: FlaggedOptions;
  readonly registry: RoomRegistry;
  /** Rejects with StorageError. */
  readonly openStorage: () => Promise<Storage>;
  /**
   * What is stored, for reading only: the disk is too full to open the store. Undefined: there is nothing to read. Rejects
   * with StorageError.
   */
  readonly readStorage: () => Promise<ReadOnlyStorage | undefined>;
  /** Whether the disk has room again, after a write found it full. Rejects with StorageError. */
  readonly hasRoom: () => Promise<boolean>;
  readonly deleteStorage: () => Promise<void>;
  /** Makes the store, which nobody uses, that of another member, with the state that `fill` writes; all of it or nothing. */
  readonly replaceStorage: (identity: Identity, fill: (tables: StateTables) => void) => Promise<void>;
  readonly openTransport: (
    identity: Identity,
    key: SigningKey | undefined,
    edge: RoomEdge | undefined,
    onSignalling: (state: SignallingState, text: string) => void,
    onRelayed: (peers: readonly MemberId[]) => void,
    invited: () => Invitations,
  ) => Promise<TabTransport>;
  /** The objects of the room's cluster; undefined: all its members are tabs. */
  readonly edge: () => RoomEdge | undefined;
  readonly clock: Clock;
  /** This profile's own key in this room. */
  readonly ownKey: () => Promise<SigningKey | undefined>;
  /** 64 random bits, not 0. */
  readonly newId: () => bigint;
  readonly late: SwitchableServices;
  readonly onChange: (state: TabState) => void;
  /** A tab that has nothing of the room yet is refused: another secret holds there, or its invitation is over. */
  readonly onRefused: () => void;
  /** Called once for each cluster that the tab comes into. */
  readonly onRunning: (member: Member, services: Services) => void;
}
