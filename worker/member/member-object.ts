/**
 * One member of the cluster at the edge: a Durable Object with its SQLite storage, behind etcd's JSON API, connected to
 * the other members' objects.
 *
 *     worker ── fetch ──► gateway ──► member ──► storage (this object's SQLite)
 *                                       │ ▲
 *     other objects ◄── raft() ─────────┘ └── raft() ── other objects
 *
 * `fetch` serves the public API and nothing else. Calls between members, and the worker's other calls to a member, are
 * methods, which no request can name.
 *
 * The object opens its member at the first event, and again after the platform has evicted it from memory. A member
 * that cannot open, or had to stop, does not crash the object: it reports why, and is opened again after a while.
 */
import { DurableObject } from "cloudflare:workers";
import type { Hono } from "hono";
import { Prng } from "../../src/base/prng.ts";
import { type AcceptedWebSocket, gatewayApp } from "../../src/gateway/app.ts";
import { bodyBytesFor } from "../../src/gateway/http/body.ts";
import { type ErrorParts, errorParts } from "../../src/gateway/http/errors.ts";
import { type KvCall, kvCalls } from "../../src/gateway/kv-calls.ts";
import { bootstrapStorage } from "../../src/member/node/bootstrap.ts";
import { createServices } from "../../src/member/services/member-services.ts";
import { Member } from "../../src/member/node/member.ts";
import type { BootstrapOptions, Resumption, Wakeup } from "../../src/member/options.ts";
import type { CallContext, ProblemCode, Services } from "../../src/member/api/services.ts";
import { openTokenProvider } from "../../src/member/auth/token-providers.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import type { ResumePoint } from "../../src/raft/config.ts";
import { openDurableObjectStorage } from "../../src/storage/durable-object/durable-object.ts";
import type { Identity, Storage } from "../../src/storage/storage.ts";
import { StorageError } from "../../src/storage/storage-error.ts";
import { BadBatchError } from "../../src/transport/http-batch.ts";
import { HttpTransport } from "../../src/transport/http.ts";
import { objectClock } from "./clock.ts";
import { allowedOrigins, clusterSize, type Env, locationOptions, locationsOf } from "../common/env.ts";
import { clusterOptions } from "./cluster-options.ts";
import { Directory } from "./directory.ts";
import { recordOfKey } from "../common/cluster-record.ts";
import { Entrance } from "../common/entrance.ts";
import { clusterIdOf, memberIdOf, memberNameOf, objectNameOf, peerUrlOf } from "../common/identity.ts";
import { LEADER_HEADER, MEMBERS_HEADER } from "../common/internal-headers.ts";
import { membersHeader } from "../common/live-members.ts";
import { flaggedOptions } from "./member-flags.ts";
import type { FramesResponse, MemberRpc } from "../common/member-rpc.ts";
import { type EventName, operatorEvent, shownCluster, withoutRow } from "../common/operator-event.ts";
import { DELETED, errDeleted, refusal, REMOVED } from "../common/refusal.ts";
import {
  type ClientStep,
  EdgeRestore,
  NOT_EMPTY,
  type RestoreReply,
  type RestoreCall,
  restoredFrom,
  type StepResponse,
} from "./restore.ts";
import type {
  CallFailure,
  CallResult,
  OpenResult,
  ServiceCall,
  ServiceTarget,
  WithHints,
} from "../common/service-rpc.ts";
import { OperatorLog } from "./operator-log.ts";
import { isOfListedCluster, objectPlace } from "./object-place.ts";
import { serveCall, serveStream } from "./service-calls.ts";
import { snapshotStream } from "./snapshot-stream.ts";
import { writeTombstone, type Tombstone, replyAsRemoved, tombstoneOf } from "./tombstone.ts";
import { serveBatch, type BatchResponse, type BatchedCall, rejectBatch } from "../calls/batched-calls.ts";

const REOPEN_AFTER_MS = 5_000;
/** Ticks of 100 ms without work after which the cluster quiesces. */
const QUIESCE_AFTER_TICKS = 30;
/** Each request between members is billed. */
const COMMIT_DELAY_MS = 5;
/** Key of the lease deadlines that the member saves in the object. */
const SAVED_LEASES_KEY = "leases";
/** Key of the point at which a leader may go on in its term. */
const RESUME_POINT_KEY = "resume";

interface Running {
  readonly type: "running";
  readonly member: Member;
  readonly storage: Storage;
  readonly transport: HttpTransport;
  readonly app: Hono;
  readonly calls: ReadonlyMap<string, KvCall>;
  readonly services: Services;
  readonly log: OperatorLog;
}

interface Down {
  readonly type: "down";
  readonly code: ProblemCode;
  readonly text: string;
  readonly sinceMs: number;
}

/** Permanent. */
interface Removed {
  readonly type: "removed";
  readonly tombstone: Tombstone;
}

export class EdgeMember extends DurableObject<Env> implements MemberRpc, ServiceTarget {
  readonly #number: number;
  readonly #restores: EdgeRestore;
  readonly #entrance: Entrance;
  #directory: Directory;
  /** Reports the members to the worker; undefined as long as the membership never changed. */
  #membersHeader: string | undefined;
  #isLeaving = false;
  readonly #stubs = new Map<number, DurableObjectStub<MemberRpc>>();
  #state: Running | Down | Removed | undefined;
  #opening: Promise<Running | Down | Removed> | undefined;

  constructor(ctx: DurableObjectState, deployment: Env) {
    const { number, env } = objectPlace(ctx, deployment);
    super(ctx, env);
    this.#number = number;
    this.#entrance = new Entrance(env);
    this.#directory = this.#newDirectory();
    this.#restores = this.#makeRestores();
  }

  override async fetch(request: Request): Promise<Response> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type === "down") return refusal(this.#number, state);
    // A removed leader keeps leading until a voter has taken over. Clients should already use another member.
    if (state.type === "removed" || this.#isLeaving) return this.#leaving();
    const response = await state.app.fetch(request);
    if (response.status === 101) return response;
    for (const [name, value] of Object.entries(this.#headers(state.member))) response.headers.set(name, value);
    return response;
  }

  /** Accepts frames of another member (src/transport/http.ts) and returns frames for it. */
  async raft(batch: Uint8Array): Promise<FramesResponse> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    try {
      switch (state.type) {
        case "down":
          return { type: "refused", isBad: false, reason: state.text };
        case "removed":
          return { type: "batch", batch: replyAsRemoved(state.tombstone, batch) };
        case "running":
          return { type: "batch", batch: await this.#observed(state, state.transport.handlePost(batch)) };
      }
    } catch (error) {
      return { type: "refused", isBad: error instanceof BadBatchError, reason: messageOf(error) };
    }
  }

  /** Executes a batch of calls to the gateway's paths; see batched-calls.ts. */
  async ask(calls: readonly BatchedCall[]): Promise<BatchResponse> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type === "down") return rejectBatch(refusal(this.#number, state), calls);
    if (state.type === "removed" || this.#isLeaving) return rejectBatch(this.#leaving(), calls);
    const answers = await serveBatch(state.calls, calls, (context) =>
      this.#entrance.callRefusal(context, state.member.machine.auth.enabled),
    );
    return { headers: this.#headers(state.member), answers };
  }

  /** A call of the worker's own code; see service-calls.ts. */
  async call(call: ServiceCall): Promise<WithHints<CallResult>> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type !== "running" || this.#isLeaving) return this.#unserved(state);
    return { result: await serveCall(state.services, call), hints: this.#headers(state.member) };
  }

  async open(call: ServiceCall): Promise<WithHints<OpenResult>> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type !== "running" || this.#isLeaving) return this.#unserved(state);
    return { result: serveStream(state.services, call), hints: this.#headers(state.member) };
  }

  /** Executes a step of a client's restore. */
  async restore(step: ClientStep, context: CallContext): Promise<StepResponse | ErrorParts> {
    return (await this.restoreRefusal(context)) ?? this.#restores.take(step);
  }

  /** Returns the error for a caller that may not use what no member serves; undefined if it may. */
  async refusal(context: CallContext): Promise<ErrorParts | undefined> {
    // During a restore the member is down, and does not decide.
    const state = this.#state ?? (await this.#opened());
    if (state.type === "down" && state.code === DELETED.code) return errorParts(errDeleted);
    return this.#entrance.callRefusal(context, state.type === "running" && state.member.machine.auth.enabled);
  }

  /** The same check for a step of a restore. Where auth is enabled something was written, so no restore can begin. */
  async restoreRefusal(context: CallContext): Promise<StepResponse | ErrorParts | undefined> {
    const refused = await this.refusal(context);
    if (refused !== undefined) return refused;
    return this.#state?.type === "running" && this.#state.member.machine.auth.enabled ? NOT_EMPTY : undefined;
  }

  async administratorRefusal(context: CallContext): Promise<ErrorParts | undefined> {
    const state = await this.#running();
    try {
      // The least that takes an administrator.
      await state.services.auth.userList({}, context);
      return undefined;
    } catch (error) {
      return errorParts(error);
    }
  }

  async snapshot(): Promise<ReadableStream<Uint8Array>> {
    const state = await this.#running();
    return snapshotStream(state.member, this.ctx);
  }

  async isAuthEnabled(): Promise<boolean> {
    const state = await this.#running();
    return state.member.machine.auth.enabled;
  }

  async erase(): Promise<number> {
    const state = await this.#opened();
    let everCount = 0;
    if (state.type === "running") {
      ({ everCount } = state.member.machine.membership);
      state.member.stop();
      await state.storage.close();
    }
    this.#down(DELETED.code, DELETED.text);
    for (const socket of this.ctx.getWebSockets()) socket.close(1001, DELETED.text);
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    return everCount;
  }

  /** Called by another member about a snapshot that is being restored; see restore.ts. */
  async restoring(call: RestoreCall): Promise<RestoreReply> {
    await this.#opening;
    if (!(await isOfListedCluster(this.ctx.storage, this.env, this.#number))) return "unknown";
    return this.#restores.respond(call);
  }

  /** Fires when a lease may expire. The member may have been evicted since it set the alarm. */
  override async alarm(): Promise<void> {
    const state = await this.#opened();
    // The platform repeats the alarm a few times, with backoff.
    if (state.type === "down") throw new Error(state.text);
    if (state.type === "running") state.member.wake();
  }

  /** Rejects if the member is down. */
  async #running(): Promise<Running> {
    const state = await this.#opened();
    if (state.type === "running") return state;
    throw new Error(state.type === "down" ? state.text : REMOVED.text);
  }

  #opened(): Promise<Running | Down | Removed> {
    if (this.#state?.type === "running" || this.#state?.type === "removed") return Promise.resolve(this.#state);
    if (this.#state?.type === "down" && Date.now() - this.#state.sinceMs < REOPEN_AFTER_MS) {
      return Promise.resolve(this.#state);
    }
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Running | Down | Removed> {
    try {
      this.#state = this.#removed();
      if (this.#state !== undefined) return this.#state;
      if (!(await isOfListedCluster(this.ctx.storage, this.env, this.#number))) {
        this.#down(DELETED.code, DELETED.text);
        return this.#state as unknown as Down;
      }
      if (await this.#restores.isPrepared()) {
        this.#down("starting", "A snapshot is being restored into this cluster.");
        return this.#state as unknown as Down;
      }
      const running = await this.#run();
      // It may have stopped during the start.
      this.#state ??= running;
    } catch (error) {
      if (error instanceof StorageError) this.#down("storage", `The storage cannot be opened: ${error.message}`);
      else this.#down("stopped", `The member cannot start: ${messageOf(error)}`);
    }
    return this.#state as Running | Down | Removed;
  }

  async #run(): Promise<Running> {
    const restore = restoredFrom(this.ctx.storage);
    const identity = identityOf(idName(this.env, restore), this.#number);
    this.#directory = this.#newDirectory();
    const storage = openDurableObjectStorage(this.ctx.storage, {
      onMigrated: ({ from, to }) => this.#tell("storage-migrated", { from: String(from), to: String(to) }),
    });
    const bootstrap: BootstrapOptions = restore === undefined ? bootstrapOf(this.#number, this.env) : { type: "join" };
    await new Promise<void>((resolve, reject) => {
      bootstrapStorage(storage, identity, bootstrap, (error) => (error === undefined ? resolve() : reject(error)));
    });
    const transport = new HttpTransport({ id: identity.memberId, post: (to, body) => this.#post(to, body) });
    const flagged = await flaggedOptions(this.env, this.ctx.storage);
    const member = new Member({
      ...flagged,
      storage,
      transport,
      clock: objectClock,
      prng: new Prng(seed()),
      identity,
      bootstrap,
      quiesceAfterTicks: QUIESCE_AFTER_TICKS,
      commitDelayMs: COMMIT_DELAY_MS,
      wakeup: await this.#wakeup(),
      resumption: await this.#resumption(),
      cluster: {
        ...flagged.cluster,
        ...clusterOptions(this.#number, { ...this.env, CLUSTER_NAME: idName(this.env, restore) }),
      },
      onStopped: (problem) => {
        if (problem.code === "removed") this.#bury(member);
        else this.#down(problem.code, problem.text);
      },
      onMembership: () => this.#membershipChanged(member),
    });
    const tokens = await openTokenProvider(member.tokens, {
      type: this.env.AUTH_TOKEN,
      privateKey: this.env.AUTH_PRIVATE_KEY,
      publicKey: this.env.AUTH_PUBLIC_KEY,
      cluster: recordOfKey(this.env.CLUSTER_NAME) === undefined ? undefined : this.env.CLUSTER_NAME,
    });
    const services = createServices(member, { tokens }, (context) => this.#entrance.admit(context));
    const app = gatewayApp(services, {
      allowedOrigins: allowedOrigins(this.env),
      maxBodyBytes: bodyBytesFor(member.settings.limits.requestBytes),
      callers: member.callers,
      admit: (request) => this.#entrance.refusal(request, member.machine.auth.enabled),
      acceptWebSocket: (_request, subprotocol) => acceptWebSocket(subprotocol),
    });
    const log = new OperatorLog(member, storage, this.env.CLUSTER_NAME, this.#number);
    member.start();
    return { type: "running", log, member, storage, transport, app, calls: kvCalls(services.kv), services };
  }

  /** The platform sends nothing out of the object before its writes are durable, so these writes are not awaited. */
  async #wakeup(): Promise<Wakeup> {
    const { storage } = this.ctx;
    return {
      saved: await storage.get<Uint8Array>(SAVED_LEASES_KEY),
      wakeAfter: (delayMs) => void storage.setAlarm(Date.now() + Math.max(delayMs, 0)),
      save: (saved) =>
        void (saved === undefined ? storage.delete(SAVED_LEASES_KEY) : storage.put(SAVED_LEASES_KEY, saved)),
    };
  }

  async #resumption(): Promise<Resumption> {
    const { storage } = this.ctx;
    return {
      saved: await storage.get<ResumePoint>(RESUME_POINT_KEY),
      save: (point) => void storage.put(RESUME_POINT_KEY, point),
    };
  }

  async #observed<Result>({ log }: Running, handled: Promise<Result>): Promise<Result> {
    const result = await handled;
    log.look();
    return result;
  }

  /** Hints for the worker, on each response. */
  #headers({ leader }: Member): Record<string, string> {
    if (this.#state?.type === "running") this.#state.log.look();
    const headers: Record<string, string> = {};
    const number = leader === 0n ? undefined : this.#directory.numberOf(leader);
    if (number !== undefined) headers[LEADER_HEADER] = String(number);
    if (this.#membersHeader !== undefined) headers[MEMBERS_HEADER] = this.#membersHeader;
    return headers;
  }

  /** The first call comes from the constructor, while the member is created. */
  #membershipChanged({ id, machine: { membership } }: Member): void {
    this.#directory.setEverCount(membership.everCount);
    this.#isLeaving = membership.wasRemoved(id);
    const { members, everCount } = membership;
    this.#membersHeader = this.#headerOf(members, everCount);
  }

  #headerOf(members: readonly MemberRecord[], everCount: number): string | undefined {
    return membersHeader(members, everCount, clusterSize(this.env), (id) => this.#directory.numberOf(id));
  }

  #newDirectory(): Directory {
    const name = idName(this.env, restoredFrom(this.ctx.storage));
    return new Directory(name, Math.max(clusterSize(this.env), this.#number));
  }

  #makeRestores(): EdgeRestore {
    return new EdgeRestore({
      size: clusterSize(this.env),
      storage: this.ctx.storage,
      isRemoved: () => tombstoneOf(this.ctx.storage) !== undefined,
      running: () => (this.#state?.type === "running" ? this.#state.storage : undefined),
      suspend: () => {
        if (this.#state?.type === "running") this.#state.member.stop();
        this.#down("starting", "A snapshot is being restored into this cluster.");
      },
      resume: () => {
        if (this.#state?.type === "down") this.#state = undefined;
      },
      call: (number, call) => this.#stub(number).restoring(call),
      identity: (restore) => identityOf(idName(this.env, restore), this.#number),
      members: (restore) => initialMembersOf(idName(this.env, restore), this.env),
    });
  }

  // ── after the removal ─────────────────────────────────────────────────────────────────────────────────────────

  #removed(): Removed | undefined {
    const tombstone = tombstoneOf(this.ctx.storage);
    if (tombstone === undefined) return undefined;
    this.#membersHeader = tombstone.header;
    return { type: "removed", tombstone };
  }

  #bury({ id, clusterId, members, machine: { membership } }: Member): void {
    this.#tell("member-removed", {});
    // If another member reported the removal, this member knows its successors, but has not applied the removal itself.
    const others = members.filter((one) => one.id !== id);
    const removed = [...new Set([...membership.removed, id])];
    const header = this.#headerOf(others, others.length + removed.length);
    this.#membersHeader = header;
    const tombstone = { cluster: clusterId, member: id, members: others.map((one) => one.id), removed, header };
    this.#state = { type: "removed", tombstone };
    writeTombstone(this.ctx.storage, tombstone);
    void this.ctx.storage.deleteAlarm();
  }

  #leaving(): Response {
    const response = refusal(this.#number, REMOVED);
    if (this.#membersHeader !== undefined) response.headers.set(MEMBERS_HEADER, this.#membersHeader);
    return response;
  }

  async #unserved(state: Running | Down | Removed): Promise<WithHints<CallFailure>> {
    const response = state.type === "down" ? refusal(this.#number, state) : this.#leaving();
    const { message }: { readonly message: string } = await response.json();
    const result: CallFailure = { type: "error", code: GrpcCode.Unavailable, message };
    return { result, hints: Object.fromEntries(response.headers) };
  }

  #down(code: ProblemCode, text: string): void {
    if (code !== "starting") this.#tell("member-stopped", { code, reason: withoutRow(text) });
    this.#state = { type: "down", code, text, sinceMs: Date.now() };
  }

  #tell(event: EventName, fields: Readonly<Record<string, string>>): void {
    operatorEvent(event, { cluster: shownCluster(this.env.CLUSTER_NAME), member: this.#number, ...fields });
  }

  async #post(to: MemberId, body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const number = this.#directory.numberOf(to);
    if (number === undefined) throw new Error("a member of another cluster");
    try {
      const response = await this.#stub(number).raft(body);
      if (response.type === "refused") throw new Error(`member ${number} refused frames: ${response.reason}`);
      return response.batch;
    } catch (error) {
      // A stub is unusable after its object broke.
      this.#stubs.delete(number);
      throw error;
    }
  }

  #stub(number: number): DurableObjectStub<MemberRpc> {
    const known = this.#stubs.get(number);
    if (known !== undefined) return known;
    const { MEMBERS, CLUSTER_NAME } = this.env;
    const options = locationOptions(locationsOf(this.env), number);
    const stub = MEMBERS.get(MEMBERS.idFromName(objectNameOf(CLUSTER_NAME, number)), options);
    this.#stubs.set(number, stub);
    return stub;
  }
}

function acceptWebSocket(subprotocol: string | undefined): AcceptedWebSocket {
  const { 0: client, 1: socket } = new WebSocketPair();
  socket.accept();
  const headers = subprotocol === undefined ? {} : { "sec-websocket-protocol": subprotocol };
  return { socket, response: new Response(null, { status: 101, webSocket: client, headers }) };
}

/** Later members are admitted by the others. Their object is created when the leader first sends to it. */
function bootstrapOf(number: number, env: Env): BootstrapOptions {
  if (number > clusterSize(env)) return { type: "join" };
  return { type: "found", members: initialMembersOf(env.CLUSTER_NAME, env) };
}

function initialMembersOf(name: string, env: Env): readonly MemberRecord[] {
  return Array.from({ length: clusterSize(env) }, (_, at) => {
    const one = at + 1;
    const peerUrls = [peerUrlOf(env.CLUSTER_NAME, one)];
    return memberRecord({ id: memberIdOf(name, one), name: memberNameOf(one), peerUrls });
  });
}

/** Name from which ids are derived: a restored cluster is another cluster in the same objects. */
function idName({ CLUSTER_NAME }: Env, restore: string | undefined): string {
  return restore === undefined ? CLUSTER_NAME : `${CLUSTER_NAME} restored ${restore}`;
}

function identityOf(name: string, number: number): Identity {
  return { clusterId: clusterIdOf(name), memberId: memberIdOf(name, number), name: memberNameOf(number) };
}

function seed(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
