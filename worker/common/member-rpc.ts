/** RPC methods of a member's object, beside `fetch`, for the worker and the other members' objects. */
import type { ErrorParts } from "../../src/gateway/http/errors.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import type { ClientStep, RestoreReply, RestoreCall, StepResponse } from "../member/restore.ts";
import type { BatchTarget } from "../calls/batched-calls.ts";

/** Response to frames of another member. `isBad`: they could not be parsed. */
export type FramesResponse =
  | { readonly type: "batch"; readonly batch: Uint8Array }
  | { readonly type: "refused"; readonly isBad: boolean; readonly reason: string };

/** Who votes in a room's cluster, as an object of it knows from the log. */
export interface RoomStanding {
  /** Decimal. */
  readonly cluster: string;
  /** The id of the restore that created the cluster, from which its ids follow; undefined: it was founded. */
  readonly restored: string | undefined;
  /** True where the shape of the cluster has objects that vote, and one of them does. */
  readonly isAtEdge: boolean;
  /** True where no object votes any more, nor will: this object has stopped, and may be erased. */
  readonly hasGivenUp: boolean;
}

export interface MemberRpc extends Rpc.DurableObjectBranded, BatchTarget {
  /** Accepts frames of another member (src/transport/http.ts) and returns frames for it. */
  raft(batch: Uint8Array): Promise<FramesResponse>;
  /** Opens the member if it was evicted. Called by another one that needs it in a moment, and opens meanwhile. */
  wake(): Promise<void>;
  /** Executes a step of a client's restore. */
  restore(step: ClientStep, context: CallContext): Promise<StepResponse | ErrorParts>;
  /** Returns why the caller may not use this endpoint; undefined if it may. */
  refusal(context: CallContext): Promise<ErrorParts | undefined>;
  /** Returns why the caller may not restore a snapshot; undefined if it may. */
  restoreRefusal(context: CallContext): Promise<StepResponse | ErrorParts | undefined>;
  /** Returns why the caller may not manage users; undefined if it may: then it may do everything. */
  administratorRefusal(context: CallContext): Promise<ErrorParts | undefined>;
  /** Returns a snapshot in etcd's format, with its hash at the end, for whom the worker has checked. Rejects if the member is down. */
  snapshot(): Promise<ReadableStream<Uint8Array>>;
  /** Whether etcd's users decide who may do what. Rejects if the member is down. */
  isAuthEnabled(): Promise<boolean>;
  /** Changes who votes in the cluster of a room. Returns why that is not possible; undefined if it is decided. */
  reshape(shape: "edge" | "mixed" | "tabs"): Promise<ErrorParts | undefined>;
  /** Tells the room's registry what this member's log says of who votes in the room. Rejects if the member is down. */
  standing(): Promise<RoomStanding>;
  /**
   * Deletes everything that the member has stored, for ever; for the registry, which has taken its cluster off the list.
   * Returns the highest number of a member that there ever was, as far as it knew. If that is more than `known`, nothing
   * was deleted: those members are to be erased first.
   */
  erase(known: number): Promise<number>;
  /** Called by another member about a snapshot that is being restored; see restore.ts. */
  restoring(call: RestoreCall): Promise<RestoreReply>;
}
