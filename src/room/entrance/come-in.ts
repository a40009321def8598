/** The way from a store to a member that may begin: whose room it is, what its log begins with, and who founds it. */
import type { BootstrapOptions } from "../../member/options.ts";
import { bootstrapStorage } from "../../member/node/bootstrap.ts";
import { member as memberRecord } from "../../protocol/api/cluster.ts";
import type { Identity, Storage } from "../../storage/storage.ts";
import type { RoomRegistry } from "../../transport/room.ts";
import type { Patience } from "../common/patience.ts";
import { enter } from "./entry.ts";
import type { Entry } from "./entry.ts";

export interface Entrance {
  readonly registry: RoomRegistry;
  /** 64 random bits, not 0. */
  readonly newId: () => bigint;
  readonly patience: Patience;
  readonly signal: AbortSignal;
  /** Called when the registry is asked, and with the reason when it did not answer. */
  readonly onAsking: (trouble: string | undefined) => void;
}

export interface Beginning {
  readonly identity: Identity;
  readonly bootstrap: BootstrapOptions;
}

/**
 * Asks until somebody answers. "discard": the store is of no use. Undefined when the signal has aborted. Rejects with
 * RoomRefusal, and with StorageError.
 */
export async function comeIn(storage: Storage, entrance: Entrance): Promise<Beginning | "discard" | undefined> {
  const { registry, newId, patience, signal, onAsking } = entrance;
  onAsking(undefined);
  const entry = await patience.until(() => enter(storage, registry, newId), onAsking, signal);
  if (entry === undefined || entry.type === "discard") return entry?.type;
  const { identity } = entry;
  const bootstrap = bootstrapOf(entry);
  await prepared(storage, identity, bootstrap);
  if (entry.type === "found") {
    const { memberId, clusterId } = identity;
    const isConfirmed = await patience.until(
      () => registry.confirm(memberId, clusterId),
      () => {},
      signal,
    );
    if (isConfirmed !== true) return isConfirmed === undefined ? undefined : "discard";
  }
  return { identity, bootstrap };
}

function bootstrapOf({ type, identity }: Exclude<Entry, { readonly type: "discard" }>): BootstrapOptions {
  if (type !== "found") return { type: "join" };
  return { type: "found", members: [memberRecord({ id: identity.memberId, name: identity.name })] };
}

function prepared(storage: Storage, identity: Identity, beginning: BootstrapOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    bootstrapStorage(storage, identity, beginning, (error) => (error === undefined ? resolve() : reject(error)));
  });
}
