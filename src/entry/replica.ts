/**
 * The package's `quorate/replica`: a copy of some prefixes in this browser, which follows a cluster.
 *
 * ```ts
 * import { openReplica } from "quorate/replica";
 *
 * const replica = openReplica({ endpoint: "https://quorate.example", prefixes: ["flags/"] });
 * await replica.ready;
 * console.log(replica.connection.getSnapshot().state, await replica.namespace("flags/").list({ serializable: true }));
 * ```
 */
export { openReplica } from "../replica/open-replica.ts";
export type { ReplicaOptions } from "../replica/open-replica.ts";
export type { Replica, ReplicaClient, ReplicaSnapshot } from "../replica/replica-types.ts";
