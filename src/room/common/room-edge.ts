/**
 * The objects of a room's cluster, where the room has some (shape "edge"). They vote; the tabs are learners, which hold
 * everything and forward what they are asked to write. What a profile knows of them is kept beside its store, so that it
 * finds them without asking.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { RoomEdge, RoomInfo, RoomRegistry } from "../../transport/room.ts";

/**
 * Who is a voter of a room's cluster. "tabs": the tabs themselves. "edge": objects at the server, and tabs are learners.
 */
export type RoomShape = "tabs" | "edge";

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
  };
}

/** The address of an object's socket for tabs; undefined for a member that is none of the room's objects. */
export function peerAddress(server: string, { path, objects }: RoomEdge, member: MemberId): string | undefined {
  const at = objects.indexOf(member);
  if (at === -1) return undefined;
  const { origin } = new URL(server);
  return `${origin.replace(/^http/, "ws")}${path}m/${at + 1}/quorate/peer`;
}
