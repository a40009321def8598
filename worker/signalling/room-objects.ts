/**
 * A room whose cluster gets objects, or gives them up, while it is in use. The log of the cluster decides; the room asks an
 * object what its log says, and records that:
 *
 *     tabs ── prepare ──► prepared ── look: an object votes ──► its cluster has objects
 *       ▲                     │ another cluster: they are deleted            │
 *       └─────────────────────┴── look: no object votes, nor will ───────────┘  they are deleted
 *
 * A snapshot that was restored into the room makes it another cluster of the same objects, with other ids: look() finds that
 * out, too (worker/member/restore.ts).
 *
 * Prepared objects wait until the tabs add them to their cluster, whose id is in the objects' names. All steps can be
 * repeated, and whoever comes later takes an interrupted one up. Whoever has the room's key and is no member may wish for a
 * shape: the tab that leads reads that, and changes the log.
 */
import type { RoomStanding } from "../common/member-rpc.ts";
import type { Env } from "../common/env.ts";
import { recordOfKey } from "../common/cluster-record.ts";
import { objectNameOf } from "../common/identity.ts";
import { REGISTRY_NAME } from "../common/registry-rpc.ts";
import { edgeClaim, edgeOf, foundEdge, newEdgeKey } from "./room-cluster.ts";
import type { RoomClaim } from "./room-claims.ts";
import type { Caller } from "./room-founding.ts";
import type { RoomOwnership } from "./room-ownership.ts";
import { respond } from "./room-responses.ts";

const PREPARED = "prepared-edge";
const WISH = "wished-shape";
const OBJECTS = 1;

export interface RoomObjectsHost {
  readonly env: Env;
  /** The name of the room's object. */
  readonly name: string;
  readonly kv: SyncKvStorage;
  readonly ownership: RoomOwnership;
  /** What the caller may know of the room. */
  readonly describe: (caller: Caller) => object;
}

export class RoomObjects {
  readonly #host: RoomObjectsHost;

  constructor(host: RoomObjectsHost) {
    this.#host = host;
  }

  /** Prepares objects for the cluster that the room's tabs have. Access was checked. `wish`: not by a member. */
  async prepare(cluster: string, wish: unknown, caller: Caller): Promise<Response> {
    const { env, name, kv, describe } = this.#host;
    const room = caller.shown;
    if (room === undefined) return respond(400, { error: "an open room has no secret, and can have no object" });
    if (!this.#isOfTabs(cluster)) return respond(409, describe(caller));
    const joins = BigInt(cluster).toString(16).padStart(16, "0");
    const former = kv.get<string>(PREPARED);
    if (former !== undefined && recordOfKey(former)?.joins !== joins) await this.#drop(former);
    const key = newEdgeKey(name, OBJECTS, room, joins);
    if (key === undefined) return respond(400, { error: "a room of this name or place can have no edge" });
    const founded = await foundEdge(env, key);
    if (founded.type === "refused") return respond(founded.status, { error: founded.message });
    // Meanwhile the room may have been founded anew. Then the next call drops these objects.
    kv.put(PREPARED, founded.key);
    if (wish === "edge" || wish === "mixed") kv.put(WISH, wish);
    else kv.delete(WISH);
    if (!this.#isOfTabs(cluster)) return respond(409, describe(caller));
    return respond(200, { ...describe(caller), edge: edgeOf({ edgeKey: founded.key }) });
  }

  /** Records what the objects' log says, if an object can be asked. */
  async look(): Promise<void> {
    const { kv, ownership } = this.#host;
    const prepared = kv.get<string>(PREPARED);
    const key = ownership.slot.get()?.edgeKey ?? prepared;
    const standing = key === undefined ? undefined : await this.#ask(key);
    const founding = ownership.slot.get();
    if (key === undefined || standing === undefined || founding === undefined) return;
    if (founding.edgeKey === key && founding.restored !== standing.restored) {
      return ownership.slot.put(edgeClaim(key, founding.sinceMs, founding.confirmed, standing.restored));
    }
    if (founding.cluster !== standing.cluster) return;
    if (founding.edgeKey === undefined && key === prepared && standing.isAtEdge) {
      ownership.slot.put({ ...founding, edgeKey: key });
      kv.delete(PREPARED);
    } else if (founding.edgeKey === key && standing.hasGivenUp) {
      const { edgeKey: _, restored: _former, ...ofTabs } = founding;
      ownership.slot.put(ofTabs);
      kv.put(PREPARED, key);
      await this.#drop(key);
    } else if (key === prepared && standing.hasGivenUp) await this.#drop(key);
  }

  /** Of a room of tabs, until one of them has heard of it. */
  get wish(): string | undefined {
    return this.#host.ownership.slot.get()?.edgeKey === undefined ? this.#host.kv.get<string>(WISH) : undefined;
  }

  /** Whoever asks may take up what nobody finished. */
  get isUnfinished(): boolean {
    return this.#host.kv.get<string>(PREPARED) !== undefined;
  }

  /** The cluster of these objects was deleted. */
  forget(key: string): void {
    if (this.#host.kv.get<string>(PREPARED) === key) this.#host.kv.delete(PREPARED);
  }

  #isOfTabs(cluster: string): boolean {
    const founding: RoomClaim | undefined = this.#host.ownership.slot.get();
    return founding?.confirmed === true && founding.cluster === cluster && founding.edgeKey === undefined;
  }

  async #ask(key: string): Promise<RoomStanding | undefined> {
    const { MEMBERS } = this.#host.env;
    try {
      return await MEMBERS.get(MEMBERS.idFromName(objectNameOf(key, 1))).standing();
    } catch {
      return undefined;
    }
  }

  async #drop(key: string): Promise<void> {
    const { CLUSTER_REGISTRY } = this.#host.env;
    await CLUSTER_REGISTRY?.get(CLUSTER_REGISTRY.idFromName(REGISTRY_NAME)).dropRoom(key);
    this.forget(key);
  }
}
