/** What carries the frames of a tab's member. */
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { ClusterShape } from "../../protocol/peer/cluster-shape-schema.ts";
import type { Transport } from "../../transport/transport.ts";

/** Who belongs to the room, and who votes, according to the log. */
export interface RoomMembership {
  readonly shape: ClusterShape;
  readonly members: readonly Pick<MemberRecord, "id" | "name" | "isLearner">[];
}

/** A transport that can be told that the network, or the page, is back. */
export interface TabTransport extends Transport {
  retryNow(): void;
  /** Call it whenever the log says something new about the members. */
  follow?(membership: RoomMembership): void;
}
