/** What a process's object offers to the two listeners of its process. */
import type { MemberRpc } from "../common/member-rpc.ts";

/** What a member tells one that joins. */
export interface PeerList {
  readonly clusterId: string;
  readonly members: readonly { readonly id: string; readonly name: string; readonly peerUrls: readonly string[] }[];
}

/** Without what only the registry of many clusters, backups in a bucket, rooms and objects that were evicted call. */
export interface ProcessRpc extends Omit<
  MemberRpc,
  "erase" | "isAuthEnabled" | "snapshot" | "wake" | "reshape" | "standing"
> {
  /** Lists the members. Rejects if this one does not run. */
  peers(): Promise<PeerList>;
}

/** Paths of the peer listener. */
export const RAFT_PATH = "/quorate/peer/raft";
export const MEMBERS_PATH = "/quorate/peer/members";
