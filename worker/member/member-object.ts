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
import { type ErrorParts, errorParts } from "../../src/gateway/http/errors.ts";
import type { CallContext, ProblemCode } from "../../src/member/api/services.ts";
import type { Member } from "../../src/member/node/member.ts";
import { CLOSE_FINAL } from "../../src/protocol/mux-frame.ts";
import { CLOSE_DELETED } from "../../src/transport/socket/socket-hub.ts";
import { StorageError } from "../../src/storage/storage-error.ts";
import { BadBatchError } from "../../src/transport/http-batch.ts";
import { type BatchedCall, type BatchResponse, needNobody, rejectBatch, serveBatch } from "../calls/batched-calls.ts";
import { pathOf } from "../common/address.ts";
import { PEER_PATH } from "../common/routes.ts";
import { Entrance } from "../common/entrance.ts";
import { clusterSize, type Env } from "../common/env.ts";
import type { FramesResponse, MemberRpc, RoomStanding } from "../common/member-rpc.ts";
import { type EventName, operatorEvent, shownCluster, withoutRow } from "../common/operator-event.ts";
import { DELETED, errDeleted, errNoRoom, refusal, REMOVED } from "../common/refusal.ts";
import type { CallResult, OpenResult, ServiceCall, ServiceTarget, WithHints } from "../common/service-rpc.ts";
import { Directory } from "./directory.ts";
import { ClientSockets } from "./client-sockets.ts";
import { MemberHints } from "./member-hints.ts";
import type { Down, MemberState, Removed, Running } from "./member-state.ts";
import { identityOf, idName, initialMembersOf } from "./object-identity.ts";
import { isOfListedCluster, objectPlace } from "./object-place.ts";
import { PeerObjects } from "./peer-objects.ts";
import {
  type ClientStep,
  EdgeRestore,
  NOT_EMPTY,
  type RestoreReply,
  type RestoreCall,
  restoredFrom,
  type StepResponse,
} from "./restore.ts";
import { givenUp, giveUp, reshape, standingOf } from "./room-shape.ts";
import { runMember } from "./run-member.ts";
import { closePeerSockets, isPeerSocket, TRY_LATER } from "./peer-sockets.ts";
import { serveCall, serveStream } from "./service-calls.ts";
import { snapshotStream } from "./snapshot-stream.ts";
import { writeTombstone, replyAsRemoved, tombstoneOf } from "./tombstone.ts";

const REOPEN_AFTER_MS = 5_000;
/** A client comes back, and finds a member that serves. */
const CLOSE_RESTART = 1012;

export class EdgeMember extends DurableObject<Env> implements MemberRpc, ServiceTarget {
  readonly #number: number;
  readonly #restores: EdgeRestore;
  readonly #entrance: Entrance;
  readonly #sockets: ClientSockets;
  #directory: Directory;
  readonly #hints: MemberHints;
  #isLeaving = false;
  readonly #peers: PeerObjects;
  #state: MemberState | undefined;
  #opening: Promise<MemberState> | undefined;

  constructor(ctx: DurableObjectState, deployment: Env) {
    const { number, env } = objectPlace(ctx, deployment);
    super(ctx, env);
    this.#number = number;
    this.#entrance = new Entrance(env);
    this.#sockets = new ClientSockets(ctx);
    this.#directory = this.#newDirectory();
    this.#hints = new MemberHints({
      number,
      size: clusterSize(env),
      numberOf: (id) => this.#directory.numberOf(id),
    });
    this.#peers = new PeerObjects(env, (id) => this.#directory.numberOf(id));
    this.#restores = this.#makeRestores();
  }

  override async fetch(request: Request): Promise<Response> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type === "down") return refusal(this.#number, state);
    // A removed leader keeps leading until a voter has taken over. Clients should already use another member.
    if (state.type === "removed" || this.#isLeaving) return this.#hints.leaving();
    if (state.tabs !== undefined && pathOf(request.url) === PEER_PATH) return state.tabs.open(request);
    const response = await state.app().fetch(request);
    if (response.status === 101) return response;
    for (const [name, value] of Object.entries(this.#headers(state.member))) response.headers.set(name, value);
    return response;
  }

  /** Accepts frames of another member (src/transport/http.ts) and returns frames for it. */
  async raft(batch: Uint8Array): Promise<FramesResponse> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened(false);
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

  async wake(): Promise<void> {
    await this.#opened(false);
  }

  /** Executes a batch of calls to the gateway's paths; see batched-calls.ts. */
  async ask(calls: readonly BatchedCall[]): Promise<BatchResponse> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened(!needNobody(calls));
    if (state.type === "down") return rejectBatch(refusal(this.#number, state), calls);
    if (state.type === "removed" || this.#isLeaving) return rejectBatch(this.#hints.leaving(), calls);
    const answers = await serveBatch(state.calls, calls, (context) =>
      this.#entrance.callRefusal(context, state.member.machine.auth.enabled),
    );
    return { headers: this.#headers(state.member), answers };
  }

  /** A call of the worker's own code; see service-calls.ts. */
  async call(call: ServiceCall): Promise<WithHints<CallResult>> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type !== "running" || this.#isLeaving) return this.#hints.unserved(state);
    return { result: await serveCall(state.services, call), hints: this.#headers(state.member) };
  }

  async open(call: ServiceCall): Promise<WithHints<OpenResult>> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type !== "running" || this.#isLeaving) return this.#hints.unserved(state);
    return { result: serveStream(state.services, call), hints: this.#headers(state.member) };
  }

  /** Executes a step of a client's restore. */
  async restore(step: ClientStep, context: CallContext): Promise<StepResponse | ErrorParts> {
    return (await this.restoreRefusal(context)) ?? this.#restores.take(step);
  }

  /** Returns the error for a caller that may not use what no member serves; undefined if it may. */
  async refusal(context: CallContext): Promise<ErrorParts | undefined> {
    // During a restore the member is down, and does not decide. The others are not loaded for it.
    const state = this.#state ?? (await this.#opened(false));
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

  async reshape(shape: "edge" | "mixed" | "tabs"): Promise<ErrorParts | undefined> {
    const { member, tabs } = await this.#running();
    if (tabs === undefined) return errorParts(errNoRoom);
    return reshape(member, shape, (id) => this.#directory.numberOf(id) !== undefined);
  }

  async standing(): Promise<RoomStanding> {
    const former = givenUp(this.ctx.storage);
    if (former !== undefined) return former;
    const { member } = await this.#running();
    const standing = standingOf(member, restoredFrom(this.ctx.storage));
    // In the same turn: from here on it takes and acknowledges nothing.
    if (standing.hasGivenUp) {
      member.stop();
      giveUp(this.ctx.storage, standing.cluster);
      this.#down(DELETED.code, DELETED.text);
    }
    return standing;
  }

  async erase(known: number): Promise<number> {
    const state = await this.#opened();
    let last = 0;
    if (state.type === "running") {
      const { members, removed } = state.member.machine.membership;
      // Tabs are members, too, and have no objects.
      const numbers = [...members.map(({ id }) => id), ...removed].map((id) => this.#directory.numberOf(id) ?? 0);
      last = Math.max(0, ...numbers);
      if (last > known) return last;
    }
    // Before the member stops, or clients would be told to try again.
    this.#closeAsDeleted();
    if (state.type === "running") {
      state.member.stop();
      await state.storage.close();
    }
    this.#down(DELETED.code, DELETED.text);
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    return last;
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

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (!isPeerSocket(this.ctx, socket)) return this.#clientMessage(socket, message);
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type === "running" && state.tabs !== undefined) state.tabs.received(socket, message);
    else socket.close(TRY_LATER, "the member does not run");
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    if (!isPeerSocket(this.ctx, socket)) return this.#sockets.gone(socket);
    if (this.#state?.type === "running") this.#state.tabs?.closed(socket);
    if (socket.readyState !== WebSocket.CLOSED) socket.close();
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.webSocketClose(socket);
  }

  async #clientMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (!this.#sockets.has(socket)) await this.#opened();
    this.#sockets.received(socket, message);
  }

  /** Rejects if the member is down. */
  async #running(): Promise<Running> {
    const state = await this.#opened();
    if (state.type === "running") return state;
    throw new Error(state.type === "down" ? state.text : REMOVED.text);
  }

  /** `needsOthers`: what a client asks will take a quorum. What a peer asks, it has asked the others, too. */
  #opened(needsOthers: boolean = true): Promise<MemberState> {
    if (this.#state?.type === "running" || this.#state?.type === "removed") return Promise.resolve(this.#state);
    if (this.#state?.type === "down" && Date.now() - this.#state.sinceMs < REOPEN_AFTER_MS) {
      return Promise.resolve(this.#state);
    }
    this.#opening ??= this.#open(needsOthers).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(needsOthers: boolean): Promise<MemberState> {
    try {
      this.#state = this.#removed();
      if (this.#state !== undefined) return this.#state;
      const isListed = await isOfListedCluster(this.ctx.storage, this.env, this.#number);
      if (!isListed || givenUp(this.ctx.storage) !== undefined) {
        this.#down(DELETED.code, DELETED.text);
        return this.#state as unknown as Down;
      }
      // Their objects are loaded while this one opens its storage.
      if (needsOthers) this.#peers.wakeFounders(this.#number);
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
    return this.#state as MemberState;
  }

  #run(): Promise<Running> {
    const restore = restoredFrom(this.ctx.storage);
    this.#directory = this.#newDirectory();
    return runMember({
      ctx: this.ctx,
      env: this.env,
      number: this.#number,
      name: idName(this.env, restore),
      isRestored: restore !== undefined,
      entrance: this.#entrance,
      isObject: (id) => this.#directory.numberOf(id) !== undefined,
      sockets: this.#sockets,
      post: (to, body) => this.#peers.post(to, body),
      onStopped: (member, { code, text }) => (code === "removed" ? this.#bury(member) : this.#down(code, text)),
      onMembership: (member) => this.#membershipChanged(member),
      onMigrated: ({ from, to }) => this.#tell("storage-migrated", { from: String(from), to: String(to) }),
    });
  }

  async #observed<Result>({ log }: Running, handled: Promise<Result>): Promise<Result> {
    const result = await handled;
    log.look();
    return result;
  }

  /** Hints for the worker, on each response. */
  #headers(member: Member): Record<string, string> {
    if (this.#state?.type === "running") this.#state.log.look();
    return this.#hints.of(member);
  }

  /** The first call comes from the constructor, while the member is created. */
  #membershipChanged({ id, machine: { membership } }: Member): void {
    this.#directory.setEverCount(membership.everCount);
    this.#isLeaving = membership.wasRemoved(id);
    this.#hints.setMembers(membership.members, membership.everCount);
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
      call: (number, call) => this.#peers.stub(number).restoring(call),
      identity: (restore) => identityOf(idName(this.env, restore), this.#number),
      members: (restore) => initialMembersOf(idName(this.env, restore), this.env),
      isObject: (id) => this.#directory.numberOf(id) !== undefined,
    });
  }

  // ── after the removal ─────────────────────────────────────────────────────────────────────────────────────────

  #removed(): Removed | undefined {
    const tombstone = tombstoneOf(this.ctx.storage);
    if (tombstone === undefined) return undefined;
    this.#hints.members = tombstone.header;
    return { type: "removed", tombstone };
  }

  #bury({ id, clusterId, members, machine: { membership } }: Member): void {
    this.#tell("member-removed", {});
    // If another member reported the removal, this member knows its successors, but has not applied the removal itself.
    const others = members.filter((one) => one.id !== id);
    const removed = [...new Set([...membership.removed, id])];
    this.#hints.setMembers(others, others.length + removed.length);
    const header = this.#hints.members;
    const tombstone = { cluster: clusterId, member: id, members: others.map((one) => one.id), removed, header };
    this.#state = { type: "removed", tombstone };
    writeTombstone(this.ctx.storage, tombstone);
    void this.ctx.storage.deleteAlarm();
    this.#sockets.closeAll(CLOSE_RESTART, REMOVED.text);
  }

  /** Clients and tabs do not come back. */
  #closeAsDeleted(): void {
    closePeerSockets(this.ctx, DELETED.text, CLOSE_DELETED);
    this.#sockets.closeAll(CLOSE_FINAL + errDeleted.code, DELETED.text);
  }

  #down(code: ProblemCode, text: string): void {
    if (code === DELETED.code) this.#closeAsDeleted();
    closePeerSockets(this.ctx, "the member does not run");
    if (code !== "starting") this.#tell("member-stopped", { code, reason: withoutRow(text) });
    this.#state = { type: "down", code, text, sinceMs: Date.now() };
    // Another member may serve their clients.
    this.#sockets.closeAll(CLOSE_RESTART, withoutRow(text));
  }

  #tell(event: EventName, fields: Readonly<Record<string, string>>): void {
    operatorEvent(event, { cluster: shownCluster(this.env.CLUSTER_NAME), member: this.#number, ...fields });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
