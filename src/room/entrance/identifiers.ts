/** Chance and small memory of a browser profile. */
import { parseEdge } from "../../transport/room.ts";
import type { RoomEdge } from "../../transport/room.ts";
import { isInvitationCode } from "../../transport/invitation-text.ts";
import { isRoomSecret } from "../../transport/room-secret.ts";
import type { EdgeMemory } from "../common/room-edge.ts";
import type { KnownKeys } from "./room-door.ts";

/** 64 random bits; 0 means "nobody" in Raft. */
export function randomId(): bigint {
  for (;;) {
    const [id] = crypto.getRandomValues(new BigUint64Array(1));
    if (id !== undefined && id !== 0n) return id;
  }
}

/**
 * What proves to the signalling server that a reloaded page is the same member: random, kept beside the store, and
 * worthless to others. Without a place to keep it, a reload waits until the server gives the former page up.
 */
export function signallingToken(room: string): string {
  const place = `quorate/token/${room}`;
  const fresh = randomId().toString(36);
  try {
    const kept = localStorage.getItem(place);
    if (kept === null) localStorage.setItem(place, fresh);
    return kept ?? fresh;
  } catch {
    return fresh;
  }
}

/** The room's secret, beside its store: whoever can read the one can read the other. */
export function knownSecrets(room: string): KnownKeys {
  return knownKeys(`quorate/secret/${room}`, isRoomSecret);
}

/** The invitation by which this profile came, for its way back. */
export function knownInvitations(room: string): KnownKeys {
  return knownKeys(`quorate/invitation/${room}`, isInvitationCode);
}

function knownKeys(place: string, isKey: (text: string) => boolean): KnownKeys {
  return {
    get: () => {
      const known = quietly(() => localStorage.getItem(place)) ?? "";
      return isKey(known) ? known : undefined;
    },
    set: (key) => {
      // Another tab of this profile may have been faster.
      const known = quietly(() => localStorage.getItem(place)) ?? "";
      if (isKey(known)) return known;
      quietly(() => localStorage.setItem(place, key));
      return key;
    },
    forget: () => {
      quietly(() => localStorage.removeItem(place));
    },
  };
}

/** The objects of a room's cluster, for a profile that comes back without a server. */
export function edgeMemory(room: string): EdgeMemory {
  const place = `quorate/edge/${room}`;
  let last: RoomEdge | undefined;
  return {
    get: () => {
      last ??= quietly(() => parseEdge(JSON.parse(localStorage.getItem(place) ?? "null")));
      return last;
    },
    set: (edge) => {
      last = edge;
      quietly(() => {
        if (edge === undefined) localStorage.removeItem(place);
        else localStorage.setItem(place, JSON.stringify({ path: edge.path, objects: edge.objects.map(String) }));
      });
    },
  };
}

/** Without a place to keep things, the address is all that there is. */
function quietly<Value>(act: () => Value): Value | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

/** Some browsers ask their user, so we ask only once. */
export async function askToPersist(): Promise<void> {
  const place = "quorate/asked-to-persist";
  try {
    if (localStorage.getItem(place) !== null || (await navigator.storage.persisted())) return;
    localStorage.setItem(place, "yes");
    await navigator.storage.persist();
  } catch {
    // Then the browser decides by itself what it keeps.
  }
}
