/**
 * The objects of a room's cluster, where the room has some. In shape "edge" they vote, and the tabs are learners, which hold
 * everything and forward what they are asked to write. What a profile knows of them is kept beside its store, so that it
 * finds them without asking.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { RoomEdge, RoomInfo, RoomRegistry } from "../../transport/room.ts";

/**
 * Who is a voter of a room's cluster. "tabs": the tabs themselves. "edge": objects at the server, and tabs are learners.
 * "mixed": an object and tabs together, an odd number.
 */
export type RoomShape = "tabs" | "edge" | "mixed";

export interface EdgeMemory {
  get(): RoomEdge | undefined;
  /** Undefined: the room has none. */
  set(edge: RoomEdge | undefined): void;
}

/** The registry, which keeps what it hears of the room's objects in `memory`. */
export function withEdgeMemory(registry: RoomRegistry, memory: EdgeMemory): RoomRegistry {
  const heard = <Info extends RoomInfo>(info: Info): Info => {
    if (info.cluster !== undefined) memory.set(info.edge);
    return info;
  };
  return {
    ...registry,
    claim: async (member, cluster) => heard(await registry.claim(member, cluster)),
    info: async () => heard(await registry.info()),
    look: async () => heard(await registry.look()),
  };
}

/**
 * The address of an object's socket for tabs; undefined for a member that is none of the room's objects. One that was added
 * later has its number in its name.
 */
export function peerAddress(
  server: string,
  { path, objects }: RoomEdge,
  name: string,
  member: MemberId,
): string | undefined {
  const number = objects.indexOf(member) + 1 || Number(/^edge-([1-9][0-9]{0,4})$/.exec(name)?.[1] ?? 0);
  if (number === 0) return undefined;
  const { origin } = new URL(server);
  return `${origin.replace(/^http/, "ws")}${path}m/${number}/quorate/peer`;
}
