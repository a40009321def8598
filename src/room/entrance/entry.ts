/**
 * How a tab comes into its room: as the founder, as one who joins, or as the member that it was.
 *
 * What the registry says and what the store says can be at odds after crashes, evictions and a registry that forgot.
 * The rules, each of which keeps two clusters from taking the same name or one member from living twice:
 *
 * - A fresh store asks who may found. Whoever may not, joins, always under an id that nobody had before.
 * - A store that was begun, but never got as far as having a log, is worth nothing: it goes on only if the registry
 *   still says the same; else it is thrown away.
 * - A store with a past goes on by itself, without asking: nothing that the registry says can make it wrong.
 */
import type { Identity, Storage } from "../../storage/storage.ts";
import type { RoomInfo, RoomRegistry } from "../../transport/room.ts";

export type Entry =
  | { readonly type: "found" | "join"; readonly identity: Identity }
  | { readonly type: "past"; readonly identity: Identity }
  /** The store is of no use: delete it and come again. */
  | { readonly type: "discard" };

export type StoredPast = Pick<Storage, "identity" | "appliedAtOpen"> & {
  readonly log: Pick<Storage["log"], "lastIndex">;
};

/** Rejects with RoomError when a fresh store has nobody to ask. */
export async function enter(storage: StoredPast, registry: RoomRegistry, newId: () => bigint): Promise<Entry> {
  const { identity } = storage;
  if (identity === undefined) return enterFresh(registry, newId);
  if (storage.log.lastIndex() > 0 || storage.appliedAtOpen > 0) return { type: "past", identity };
  const room = await registry.info();
  if (room.cluster !== identity.clusterId) return { type: "discard" };
  if (room.founder !== identity.memberId) return { type: "join", identity };
  // Confirmed means that the founder's log was durable once: this store went back in time.
  return room.confirmed ? { type: "discard" } : { type: "found", identity };
}

async function enterFresh(registry: RoomRegistry, newId: () => bigint): Promise<Entry> {
  const memberId = newId();
  const room = await registry.claim(memberId, newId());
  if (room.cluster === undefined) throw new Error("a claim was answered without a cluster");
  const identity = { memberId, clusterId: room.cluster, name: nameOf(memberId) };
  return { type: room.founded ? "found" : "join", identity };
}

/** What to do when the registry was asked while the member runs. */
export type RegistryCheck = "agrees" | "confirm" | "register" | "discard" | "conflict";

export interface OwnStanding {
  readonly memberId: bigint;
  readonly clusterId: bigint;
  /** It has been taken in: it came with a log, or has got one. */
  readonly belongs: boolean;
  /** It is alone, or a copy of what objects decided, and nobody has written anything. */
  readonly hasNothing: boolean;
}

export function checkRegistry(own: OwnStanding, room: RoomInfo): RegistryCheck {
  if (room.cluster === own.clusterId) return room.founder === own.memberId && !room.confirmed ? "confirm" : "agrees";
  // Nothing is lost with a store that nobody has put anything into.
  if (!own.belongs) return "discard";
  if (room.cluster === undefined) return "register";
  return own.hasNothing ? "discard" : "conflict";
}

/** Ids are long; people read names. */
export function nameOf(memberId: bigint): string {
  return `tab-${(memberId & 0xffffn).toString(16).padStart(4, "0")}`;
}
