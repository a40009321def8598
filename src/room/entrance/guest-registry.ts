/**
 * The registry as somebody who was invited has it: it tells who is online, and no more. A room that has no cluster yet, or
 * is open, is not the one that the invitation is of.
 */
import { RoomError, RoomRefusal } from "../../transport/room.ts";
import type { RoomRegistry } from "../../transport/room.ts";

export function guestRegistry(registry: RoomRegistry): RoomRegistry {
  const info: RoomRegistry["info"] = async () => {
    const room = await asked(registry.info());
    if (room.access !== "closed") throw new RoomRefusal("invitation-unknown");
    return room;
  };
  return {
    info,
    look: info,
    prepareObjects: () => Promise.reject(new RoomError("whoever was invited does not change who votes")),
    claim: async () => {
      const room = await info();
      if (room.cluster === undefined) throw new RoomRefusal("invitation-unknown");
      return { ...room, founded: false };
    },
    peers: () => asked(registry.peers()),
    ticket: (peerId, token) => asked(registry.ticket(peerId, token)),
    confirm: () => Promise.resolve(false),
    forget: () => Promise.resolve(false),
    setGuests: () => Promise.reject(new RoomError("whoever was invited invites nobody")),
  };
}

async function asked<Value>(answer: Promise<Value>): Promise<Value> {
  try {
    return await answer;
  } catch (error) {
    const isStranger = error instanceof RoomRefusal && (error.code === "key-wrong" || error.code === "room-open");
    throw isStranger ? new RoomRefusal("invitation-unknown") : error;
  }
}
