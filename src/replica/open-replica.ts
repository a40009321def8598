/** Opens a replica: a copy of some prefixes in this browser, which follows the cluster. */
import type { ConnectOptions } from "../client/app/connect.ts";
import { SYSTEM_BACKOFF } from "../client/common/backoff.ts";
import { toBytes } from "../client/common/convert.ts";
import type { Bytes } from "../client/common/types.ts";
import { lazyUser } from "../client/facade/lazy-user.ts";
import { clusterEndpoint, platformWebSocket } from "../client/http/endpoint.ts";
import { httpClientServices } from "../client/http/http-client-services.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import { checkedPrefixes, nameOf } from "./copy/prefixes.ts";
import { replicaClient } from "./replica-client.ts";
import type { ReplicaClient } from "./replica-types.ts";
import { indexedDbReplicaStore } from "./store/indexeddb-replica-store.ts";

/** Options of `openReplica()`: those of `connect()`, and which keys are held. */
export interface ReplicaOptions extends ConnectOptions {
  /** The keys that are held: those with one of these prefixes, 64 at most. The empty prefix stands for all keys. */
  readonly prefixes: readonly Bytes[];
  /**
   * Most bytes that the copy may have in memory, 64 for each key included; on disk it takes about as much. Default 64 MiB.
   * With more than that the replica stops, and `replica.getSnapshot().error` says so.
   */
  readonly maxBytes?: number | undefined;
  /**
   * Names the copy in this browser. Default: by its prefixes. A name for prefixes that change from visit to visit keeps
   * one copy instead of many; pages that are open at the same time have the same prefixes under one name.
   */
  readonly name?: string | undefined;
}

const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Returns a client with a copy of its own: for a browser that may read only a part of the keys, for a page that must show
 * something at once and without a network, and for more readers than a room has members.
 *
 * The copy is of one revision, that of the first list, and follows the cluster from there. It is kept in IndexedDB, so a
 * page that is opened again reads at once and resumes where it stopped. Live maps follow the copy; reads marked
 * `serializable` and watches without an old `startRevision` are answered by it. All other calls are those of `connect()`:
 * writes go to the cluster, and a read that is not marked asks it for the newest state, because that is what a read promises
 * everywhere else. `connection` is "connected" while the copy is current; otherwise it says since when it may be old.
 *
 * A prefix that the user may not read any more is deleted here at once. A cluster other than the one that was copied is
 * copied anew.
 *
 * Throws EtcdError (InvalidArgument) for an endpoint, prefixes or a limit that are none. The caller closes the client, with
 * `close()` or `await using`.
 */
export function openReplica(options: ReplicaOptions): ReplicaClient {
  const { user, token = "", requireLeader = false, timeoutMs, signal } = options;
  const endpoint = clusterEndpoint(options.endpoint, options.cluster);
  const prefixes = checkedPrefixes(options.prefixes.map(toBytes));
  const sizeBytesMax = checkedLimit(options.maxBytes ?? MAX_BYTES);
  const WebSocket = options.WebSocket ?? platformWebSocket();
  const http = httpClientServices({
    endpoint,
    token: user === undefined ? token : "",
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(WebSocket === undefined || WebSocket === false ? {} : { WebSocket }),
  });
  const place = user === undefined ? endpoint : `${endpoint}@${user.name}`;
  return replicaClient({
    remote: user === undefined ? http : lazyUser(http, user),
    prefixes,
    sizeBytesMax,
    requireLeader,
    place,
    openStore: () => indexedDbReplicaStore(databaseName(place, options.name, prefixes)),
    backoff: SYSTEM_BACKOFF,
    outbox: options.outbox,
    onClose: () => http.close(),
    signal,
  });
}

/** By whose rights, and which prefixes: no user finds the copy of another one. */
function databaseName(place: string, name: string | undefined, prefixes: readonly Uint8Array[]): string {
  const which =
    name === undefined ? prefixes.map((prefix) => encodeURIComponent(nameOf(prefix))).join("&") : `#${name}`;
  return `quorate/replica/${place}?${which}`;
}

function checkedLimit(maxBytes: number): number {
  if (Number.isSafeInteger(maxBytes) && maxBytes >= 1) return maxBytes;
  throw new EtcdError(GrpcCode.InvalidArgument, `maxBytes is a whole number above 0, not ${String(maxBytes)}`);
}
