/** How a tab begins a new incarnation of its room: it takes the room, ends its member, and gives the store to a new one. */
import type { Member } from "../../member/node/member.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { Identity } from "../../storage/storage.ts";
import type { RoomRegistry } from "../../transport/room.ts";
import { deferred } from "../common/deferred.ts";
import type { Deferred } from "../common/deferred.ts";
import { nameOf } from "../entrance/entry.ts";

/** A new incarnation for which the room was taken. */
export interface Recovery {
  readonly identity: Identity;
  readonly fill: (tables: StateTables) => void;
  /** Settled when the store is the new member's. */
  readonly replaced: Deferred;
}

/** Rejects with nothing changed if the snapshot is none, or if the room cannot be taken at its server. */
export async function prepareRecovery(
  member: Member,
  snapshot: Uint8Array | undefined,
  registry: RoomRegistry,
  newId: () => bigint,
): Promise<Recovery> {
  const memberId = newId();
  const identity: Identity = { memberId, clusterId: newId(), name: nameOf(memberId) };
  const { incarnationOf, ownSnapshot } = await import("./incarnation.ts");
  const fill = incarnationOf(snapshot ?? ownSnapshot(member), identity, member.machine.store.revision);
  await claimAnew(registry, member.clusterId, identity);
  return { identity, fill, replaced: deferred() };
}

/** The store is closed. If it fails, it is the former member's, which comes back as it was. */
export async function replaceStore(
  { identity, fill, replaced }: Recovery,
  replace: (identity: Identity, fill: (tables: StateTables) => void) => Promise<void>,
): Promise<void> {
  try {
    await replace(identity, fill);
    replaced.resolve();
  } catch (error) {
    replaced.reject(error instanceof Error ? error : new Error(String(error)));
  }
}

/** Newcomers find the new incarnation from now on. An unconfirmed claim that comes to nothing expires by itself. */
async function claimAnew(registry: RoomRegistry, former: bigint, { memberId, clusterId }: Identity): Promise<void> {
  await registry.forget(former);
  const { founded } = await registry.claim(memberId, clusterId);
  if (founded) return;
  throw new EtcdError(GrpcCode.Aborted, "another member has taken the room meanwhile: this one is as it was");
}
