/** RPC methods of a room (worker/signalling/signalling.ts), for the registry of clusters and for objects. */
import type { RoomGuests } from "../signalling/room-guests.ts";

/** What they may ask of it. */
export interface RoomRpc extends Rpc.DurableObjectBranded {
  /**
   * Makes the room that of a cluster with members in tabs, which is about to be created. False: the room belongs to
   * somebody else.
   */
  takeForCluster(key: string): Promise<boolean>;
  /** Of the room's own cluster: whom the room lets ask without its key. */
  keepGuests(key: string, list: RoomGuests): Promise<void>;
  /** The cluster was deleted: the room is free. */
  releaseFromCluster(key: string): Promise<void>;
}
