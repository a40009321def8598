/**
 * The list of the clusters beside the first one: one Durable Object for a deployment. A worker asks it when it meets a
 * name for the first time, and a member when it is new. Nothing else needs it: clusters go on without it.
 *
 *     POST /quorate/clusters/create   {"name":"…","size":3,"locations":"weur,enam","jurisdiction":"eu","room":"HASH"}
 *     POST /quorate/clusters/list     {"after":"…","limit":100}
 *     POST /quorate/clusters/delete   {"name":"…"}
 *
 * A cluster with `room` has members in browser tabs, too: those of the room of its name (worker/signalling/room-cluster.ts).
 *
 * A cluster that is deleted leaves the list first. From then on no member of it starts any more, because members that
 * know nothing of themselves ask here. Then its members are erased, and whatever could not be reached is tried again.
 */
import { DurableObject } from "cloudflare:workers";
import { callContext } from "../../src/gateway/http/context.ts";
import { responseOf } from "../../src/gateway/http/errors.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { boundedJson } from "../common/bounded-json.ts";
import { checkRecord, clusterEnv } from "../common/cluster-env.ts";
import { clusterKey, type ClusterRecord, clusterSetupToken, recordOfKey } from "../common/cluster-record.ts";
import { Entrance, SETUP_TOKEN_LENGTH_MIN } from "../common/entrance.ts";
import { clusterSize, type Env } from "../common/env.ts";
import { objectNameOf, roomObjectNameOf } from "../common/identity.ts";
import { operatorEvent } from "../common/operator-event.ts";
import type { FoundedRoom, RegistryRpc } from "../common/registry-rpc.ts";
import type { RoomRpc } from "../common/room-rpc.ts";
import { type AllowedNames, allowedNames } from "./allowed-names.ts";
import { ClusterTable } from "./cluster-table.ts";

/** Of a setting without MAX_CLUSTERS. */
const CLUSTERS_MAX = 100_000;
const LIST_MAX = 1_000;
const PAGE = 100;
const ERASE_AGAIN_MS = 30_000;
/** Of one alarm: the platform lets an object call a bounded number of others in one event. */
const ERASED_AT_ONCE = 50;

type Step = "create" | "list" | "delete";

interface Reply {
  readonly status: number;
  readonly body: object;
}

interface Refusal extends Reply {
  readonly body: { readonly code: GrpcCode; readonly message: string };
}

export class ClusterRegistry extends DurableObject<Env> implements RegistryRpc {
  readonly #table: ClusterTable;
  readonly #entrance: Entrance;
  readonly #allowed: AllowedNames;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#table = new ClusterTable(ctx.storage);
    this.#entrance = new Entrance({ SETUP_TOKEN: env.SETUP_TOKEN, OPEN: this.#hasToken ? "false" : env.OPEN });
    this.#allowed = allowedNames(env.CLUSTERS ?? "*");
  }

  async find(name: string): Promise<ClusterRecord | undefined> {
    return this.#table.find(name);
  }

  async page(after: string): Promise<readonly ClusterRecord[]> {
    return this.#table.list(after, PAGE);
  }

  async isCurrent(key: string): Promise<boolean> {
    const record = recordOfKey(key);
    const known = record === undefined ? undefined : this.#table.find(record.name);
    return known !== undefined && clusterKey(known) === key;
  }

  async foundRoom(record: ClusterRecord): Promise<FoundedRoom> {
    const known = this.#table.find(record.name);
    // The room's claim was lost, or another request is first.
    if (known?.room === record.room && known.joins === record.joins) return { type: "founded", key: clusterKey(known) };
    const refusal = this.#refusalOf(record);
    if (refusal !== undefined) return { type: "refused", status: refusal.status, message: refusal.body.message };
    this.#table.add(record, Date.now());
    operatorEvent("cluster-created", { cluster: record.name, size: record.size });
    return { type: "founded", key: clusterKey(record) };
  }

  async dropRoom(key: string): Promise<void> {
    const record = recordOfKey(key);
    if (record === undefined || !(await this.isCurrent(key))) return;
    await this.#drop(key, record.name);
  }

  override async fetch(request: Request): Promise<Response> {
    const step = new URL(request.url).pathname.slice("/quorate/clusters/".length);
    if (!isStep(step)) return replied(refused(404, GrpcCode.NotFound, "Not Found"));
    if (request.method !== "POST") return replied(refused(405, GrpcCode.Unimplemented, "Method Not Allowed"));
    // A page has no reason to, and a page of this machine may be anybody's.
    if (request.headers.has("origin")) {
      return replied(refused(403, GrpcCode.PermissionDenied, "pages may not manage clusters"));
    }
    const refusal = this.#entrance.callRefusal(callContext(request), false);
    if (refusal !== undefined) return responseOf(refusal);
    const body = await boundedJson(request);
    if (body === undefined) return replied(refused(400, GrpcCode.InvalidArgument, "the body is not a JSON object"));
    return replied(await this.#take(step, body));
  }

  #take(step: Step, body: Record<string, unknown>): Reply | Promise<Reply> {
    switch (step) {
      case "create":
        return this.#create(body);
      case "list":
        return this.#list(body);
      case "delete":
        return this.#delete(body);
    }
  }

  /** Erases what could not be reached before. */
  override async alarm(): Promise<void> {
    for (const key of this.#table.deleted(ERASED_AT_ONCE)) {
      await this.#erase(key).catch((error: unknown) =>
        operatorEvent("cluster-erase-failed", { reason: String(error) }),
      );
    }
    if (this.#table.deleted(1).length > 0) await this.ctx.storage.setAlarm(Date.now() + ERASE_AGAIN_MS);
  }

  async #create({ name, size, locations = "", jurisdiction = "", room = "" }: Record<string, unknown>): Promise<Reply> {
    const texts = [name, locations, jurisdiction, room];
    if (!isTexts(texts)) {
      return refused(400, GrpcCode.InvalidArgument, "name, locations, jurisdiction and room are texts");
    }
    if (size !== undefined && typeof size !== "number" && typeof size !== "string") {
      return refused(400, GrpcCode.InvalidArgument, "size is a number");
    }
    const defaultSize = room === "" ? clusterSize(this.env) : 1;
    const record = recordOf(texts, Number(size ?? defaultSize));
    const refusal = this.#refusalOf(record);
    if (refusal !== undefined) return refusal;
    if (record.room !== "" && !(await this.#takeRoom(record))) {
      return refused(409, GrpcCode.AlreadyExists, `the room "${record.name}" exists, and has a cluster of its own`);
    }
    // Another request may have been faster meanwhile.
    const late = this.#refusalOf(record);
    if (late !== undefined) return late;
    this.#table.add(record, Date.now());
    operatorEvent("cluster-created", { cluster: record.name, size: record.size });
    return { status: 200, body: { ...record, ...this.#tokenOf(record) } };
  }

  /** Returns why a cluster of this record cannot be created; undefined if it can. */
  #refusalOf(record: ClusterRecord): Refusal | undefined {
    try {
      checkRecord(record);
      clusterEnv(this.env, record);
    } catch (error) {
      return refused(400, GrpcCode.InvalidArgument, error instanceof Error ? error.message : String(error));
    }
    if (!this.#allowed(record.name)) {
      return refused(403, GrpcCode.PermissionDenied, `CLUSTERS of this deployment does not allow "${record.name}"`);
    }
    if (record.name === this.env.CLUSTER_NAME || this.#table.find(record.name) !== undefined) {
      return refused(409, GrpcCode.AlreadyExists, `the cluster "${record.name}" exists`);
    }
    if (this.#table.count() >= this.#clustersMax) {
      return refused(
        429,
        GrpcCode.ResourceExhausted,
        `there are ${this.#clustersMax} clusters, as many as MAX_CLUSTERS`,
      );
    }
    return undefined;
  }

  #room(name: string): DurableObjectStub<RoomRpc> | undefined {
    const { ROOMS, CLUSTER_NAME } = this.env;
    return ROOMS?.get(ROOMS.idFromName(roomObjectNameOf(CLUSTER_NAME, name)));
  }

  async #takeRoom(record: ClusterRecord): Promise<boolean> {
    return (await this.#room(record.name)?.takeForCluster(clusterKey(record))) ?? false;
  }

  #list({ after = "", limit = LIST_MAX }: Record<string, unknown>): Reply {
    const count = Math.min(Math.max(Math.trunc(Number(limit)) || 1, 1), LIST_MAX);
    const clusters = this.#table.list(String(after), count);
    return { status: 200, body: { clusters, more: clusters.length === count } };
  }

  async #delete({ name }: Record<string, unknown>): Promise<Reply> {
    const record = typeof name === "string" ? this.#table.find(name) : undefined;
    if (record === undefined) return refused(404, GrpcCode.NotFound, `there is no cluster ${JSON.stringify(name)}`);
    // Where everybody may delete, users still protect what is theirs.
    if (this.#entrance.isOpen && (await this.#isAuthEnabled(record))) {
      const message = "auth is enabled in it, and this endpoint is open to everybody: disable auth first";
      return refused(403, GrpcCode.PermissionDenied, message);
    }
    const key = clusterKey(record);
    // Another call may have deleted it meanwhile, and created it again.
    if (!(await this.isCurrent(key))) return refused(404, GrpcCode.NotFound, `there is no cluster "${record.name}"`);
    return { status: 200, body: { name: record.name, id: record.id, erased: await this.#drop(key, record.name) } };
  }

  /** False: it is off the list, and some of its members are to be erased later. */
  async #drop(key: string, name: string): Promise<boolean> {
    this.#table.remove(key, name);
    await this.ctx.storage.setAlarm(Date.now() + ERASE_AGAIN_MS);
    operatorEvent("cluster-deleted", { cluster: name });
    return this.#erase(key).then(
      () => true,
      () => false,
    );
  }

  /**
   * Rejects if a member cannot be reached. A member that knows of more members than were asked is not erased yet, so
   * whatever is left after a failure still knows who else is to be erased.
   */
  async #erase(key: string): Promise<void> {
    const record = recordOfKey(key);
    if (record === undefined) return this.#table.forget(key);
    const { MEMBERS } = clusterEnv(this.env, record);
    let known = record.size;
    for (let number = known; number > 0;) {
      const highest = await MEMBERS.get(MEMBERS.idFromName(objectNameOf(key, number))).erase(known);
      if (highest > known) number = known = highest;
      else number -= 1;
    }
    if (record.room !== "") await this.#room(record.name)?.releaseFromCluster(key);
    this.#table.forget(key);
  }

  async #isAuthEnabled(record: ClusterRecord): Promise<boolean> {
    const { MEMBERS, CLUSTER_NAME } = clusterEnv(this.env, record);
    return MEMBERS.get(MEMBERS.idFromName(objectNameOf(CLUSTER_NAME, 1))).isAuthEnabled();
  }

  #tokenOf(record: ClusterRecord): { readonly setup_token?: string } {
    const { SETUP_TOKEN = "" } = this.env;
    return this.#hasToken ? { setup_token: clusterSetupToken(SETUP_TOKEN, clusterKey(record)) } : {};
  }

  get #hasToken(): boolean {
    return (this.env.SETUP_TOKEN ?? "").length >= SETUP_TOKEN_LENGTH_MIN;
  }

  get #clustersMax(): number {
    const set = Number(this.env.MAX_CLUSTERS ?? CLUSTERS_MAX);
    return Number.isSafeInteger(set) && set >= 0 ? set : CLUSTERS_MAX;
  }
}

function isStep(text: string): text is Step {
  return text === "create" || text === "list" || text === "delete";
}

function newId(): string {
  return crypto.randomUUID().replaceAll("-", "");
}

function isTexts(values: readonly unknown[]): values is readonly string[] {
  return values.every((value) => typeof value === "string");
}

function recordOf(
  [name = "", locations = "", jurisdiction = "", room = ""]: readonly string[],
  size: number,
): ClusterRecord {
  return { name, id: newId(), size, locations, jurisdiction, room };
}

function refused(status: number, code: GrpcCode, message: string): Refusal {
  return { status, body: { code, message } };
}

function replied({ status, body }: Reply): Response {
  return Response.json(body, { status, headers: { "cache-control": "no-store" } });
}
