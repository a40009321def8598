/** Who votes in the cluster of a room, at one of its objects: how that is changed, and what the log says of it. */
import { type ErrorParts, errorParts } from "../../src/gateway/http/errors.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import type { RoomStanding } from "../common/member-rpc.ts";
import { clearStorage } from "./clear-storage.ts";

const KEY = "gave-up";

/** Returns why that is not possible; undefined if it is decided. */
export function reshape(
  { changes, machine }: Member,
  shape: "edge" | "mixed" | "tabs",
  isObject: (id: MemberId) => boolean,
): Promise<ErrorParts | undefined> {
  const objects = machine.membership.members.map(({ id }) => id).filter(isObject);
  return new Promise((resolve) => {
    changes.reshape({ shape, objects }, (outcome) => resolve(outcome.ok ? undefined : errorParts(outcome.error)));
  });
}

export function standingOf({ clusterId, machine: { membership } }: Member, restored: string | undefined): RoomStanding {
  const { shape, objects } = membership.shape;
  const { voters, votersOutgoing } = membership.confState;
  const doObjectsVote = objects.some((id) => voters.includes(id) || votersOutgoing.includes(id));
  return {
    cluster: String(clusterId),
    restored,
    isAtEdge: (shape === "edge" || shape === "mixed") && objects.some((id) => voters.includes(id)),
    // The log lets none of these objects vote again (src/member/membership/change-rules.ts).
    hasGivenUp: shape === "tabs" && !doObjectsVote,
  };
}

/** Undefined for an object that has a member. */
export function givenUp(storage: DurableObjectStorage): RoomStanding | undefined {
  const cluster = storage.kv.get<string>(KEY);
  return cluster === undefined ? undefined : { cluster, restored: undefined, isAtEdge: false, hasGivenUp: true };
}

/** Deletes the member, in one transaction. From then on the object says that it has given up. */
export function giveUp(storage: DurableObjectStorage, cluster: string): void {
  storage.transactionSync(() => {
    clearStorage(storage);
    storage.kv.put(KEY, cluster);
  });
}
