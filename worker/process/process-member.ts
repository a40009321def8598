/**
 * The member of a process of its own: a Durable Object with its SQLite storage in workerd, which reaches the other
 * members over the network (`quorate serve`).
 *
 *     clients ── socket ──► worker (main.ts) ──► gateway ──► member ──► storage (this object's SQLite)
 *     members ── peer socket ──► PeerListener ──► raft() ─────►│
 *                PeerClient ◄──────────────────────────────────┘
 *
 * At Cloudflare members are EdgeMember. What differs here: members have addresses of their own, nothing is billed, so
 * the cluster does not quiesce, and the object is never evicted.
 */
import { DurableObject } from "cloudflare:workers";
import type { Hono } from "hono";
import { Prng } from "../../src/base/prng.ts";
import { type AcceptedWebSocket, gatewayApp } from "../../src/gateway/app.ts";
import { bodyBytesFor } from "../../src/gateway/http/body.ts";
import type { ErrorParts } from "../../src/gateway/http/errors.ts";
import { type KvCall, kvCalls } from "../../src/gateway/kv-calls.ts";
import type { CallContext, ProblemCode } from "../../src/member/api/services.ts";
import { openTokenProvider } from "../../src/member/auth/token-providers.ts";
import { bootstrapStorage } from "../../src/member/node/bootstrap.ts";
import { Member } from "../../src/member/node/member.ts";
import type { BootstrapOptions } from "../../src/member/options.ts";
import { createServices } from "../../src/member/services/member-services.ts";
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { openDurableObjectStorage } from "../../src/storage/durable-object/durable-object.ts";
import type { Identity, Storage } from "../../src/storage/storage.ts";
import { StorageError } from "../../src/storage/storage-error.ts";
import { BadBatchError } from "../../src/transport/http-batch.ts";
import { HttpTransport } from "../../src/transport/http.ts";
import { type BatchedCall, type BatchResponse, rejectBatch, serveBatch } from "../calls/batched-calls.ts";
import { Entrance } from "../common/entrance.ts";
import { allowedOrigins } from "../common/env.ts";
import type { FramesResponse } from "../common/member-rpc.ts";
import { REMOVED, type Reason, refusal } from "../common/refusal.ts";
import { objectClock } from "../member/clock.ts";
import { flaggedOptions } from "../member/member-flags.ts";
import { OperatorLog } from "../member/operator-log.ts";
import { type ClientStep, EdgeRestore, NOT_EMPTY, type RestoreReply, type StepResponse } from "../member/restore.ts";
import { replyAsRemoved, type Tombstone, tombstoneOf, writeTombstone } from "../member/tombstone.ts";
import { initialClusterId, initialMembersOf } from "./initial-cluster.ts";
import { listOfPeers, PeerClient } from "./peer-client.ts";
import type { PeerList, ProcessRpc } from "./peer-rpc.ts";
import type { ProcessEnv } from "./process-env.ts";

const REOPEN_AFTER_MS = 2_000;
const RESTORING = "A snapshot is being restored into this member.";
/** The worker in front knows one member, under this number. */
const NUMBER = 1;
/** Members of one start would have to agree, and here each has a process, which may not even run. */
const NOT_ALONE: StepResponse = {
  status: 412,
  body: {
    code: GrpcCode.FailedPrecondition,
    message:
      "a snapshot is restored into a member that is its whole cluster: start one with a new --data-dir and without " +
      "--initial-cluster, restore, and add the others to it (`npx quorate member add`)",
  },
};

interface Running {
  readonly type: "running";
  readonly log: OperatorLog;
  readonly member: Member;
  readonly storage: Storage;
  readonly transport: HttpTransport;
  readonly app: Hono;
  readonly calls: ReadonlyMap<string, KvCall>;
}

interface Down {
  readonly type: "down";
  readonly reason: Reason;
  readonly sinceMs: number;
}

/** Permanent. */
interface Removed {
  readonly type: "removed";
  readonly tombstone: Tombstone;
}

type State = Running | Down | Removed;

interface Start {
  readonly identity: Identity;
  readonly bootstrap: BootstrapOptions;
  /** Whom a member that joins reaches before its log names the members. */
  readonly known: readonly MemberRecord[];
}

export class ProcessMember extends DurableObject<ProcessEnv> implements ProcessRpc {
  readonly #entrance: Entrance;
  readonly #restores: EdgeRestore;
  #state: State | undefined;
  #opening: Promise<State> | undefined;

  constructor(ctx: DurableObjectState, env: ProcessEnv) {
    super(ctx, env);
    this.#entrance = new Entrance(env);
    this.#restores = this.#makeRestores();
  }

  override async fetch(request: Request): Promise<Response> {
    const state = await this.#current();
    return state.type === "running" ? state.app.fetch(request) : this.#refusal(state);
  }

  async raft(batch: Uint8Array): Promise<FramesResponse> {
    const state = await this.#current();
    try {
      switch (state.type) {
        case "down":
          return { type: "refused", isBad: false, reason: state.reason.text };
        case "removed":
          return { type: "batch", batch: replyAsRemoved(state.tombstone, batch) };
        case "running":
          try {
            return { type: "batch", batch: await state.transport.handlePost(batch) };
          } finally {
            state.log.look();
          }
      }
    } catch (error) {
      return { type: "refused", isBad: error instanceof BadBatchError, reason: messageOf(error) };
    }
  }

  /** Lists the members for one that joins. */
  async peers(): Promise<PeerList> {
    const state = await this.#current();
    if (state.type !== "running") throw new Error(reasonOf(state).text);
    const members = state.member.members.map(({ id, name, peerUrls }) => ({ id: String(id), name, peerUrls }));
    return { clusterId: String(state.member.clusterId), members };
  }

  async ask(calls: readonly BatchedCall[]): Promise<BatchResponse> {
    const state = await this.#current();
    if (state.type !== "running") return rejectBatch(this.#refusal(state), calls);
    const answers = await serveBatch(state.calls, calls, (context) =>
      this.#entrance.callRefusal(context, state.member.machine.auth.enabled),
    );
    return { headers: {}, answers };
  }

  async refusal(context: CallContext): Promise<ErrorParts | undefined> {
    const state = await this.#current();
    return this.#entrance.callRefusal(context, state.type === "running" && state.member.machine.auth.enabled);
  }

  /** A process keeps no backups, and says so to whoever may use it. */
  administratorRefusal(context: CallContext): Promise<ErrorParts | undefined> {
    return this.refusal(context);
  }

  /** Where auth is enabled something was written, so no restore can begin. */
  async restoreRefusal(context: CallContext): Promise<StepResponse | ErrorParts | undefined> {
    const refused = await this.refusal(context);
    if (refused !== undefined) return refused;
    return this.#state?.type === "running" && this.#state.member.machine.auth.enabled ? NOT_EMPTY : undefined;
  }

  /** Executes a step of a client's restore. */
  async restore(step: ClientStep, context: CallContext): Promise<StepResponse | ErrorParts> {
    const refused = await this.restoreRefusal(context);
    if (refused !== undefined) return refused;
    return this.#isAlone() ? this.#restores.take(step) : NOT_ALONE;
  }

  async restoring(): Promise<RestoreReply> {
    return "unknown";
  }

  #current(): Promise<State> {
    const state = this.#state;
    const isFinal = state?.type === "running" || state?.type === "removed";
    if (isFinal || (state?.type === "down" && Date.now() - state.sinceMs < REOPEN_AFTER_MS)) {
      return Promise.resolve(state);
    }
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<State> {
    try {
      const tombstone = tombstoneOf(this.ctx.storage);
      this.#state = tombstone === undefined ? undefined : { type: "removed", tombstone };
      if (this.#state !== undefined) return this.#state;
      if (await this.#restores.isPrepared()) {
        this.#down("starting", RESTORING);
        return this.#state as unknown as Down;
      }
      const running = await this.#run();
      // It may have stopped during the start.
      this.#state ??= running;
    } catch (error) {
      if (error instanceof StorageError) this.#down("storage", `The storage cannot be opened: ${error.message}`);
      else this.#down("stopped", `The member cannot start: ${messageOf(error)}`);
    }
    return this.#state as State;
  }

  async #run(): Promise<Running> {
    const storage = openDurableObjectStorage(this.ctx.storage, { hasOutputGate: true });
    const { identity, bootstrap, known } = await this.#start(storage);
    await new Promise<void>((resolve, reject) => {
      bootstrapStorage(storage, identity, bootstrap, (error) => (error === undefined ? resolve() : reject(error)));
    });
    let members = known;
    const peers = new PeerClient(this.env, () => members);
    const transport = new HttpTransport({ id: identity.memberId, post: (to, body) => peers.post(to, body) });
    const flagged = await flaggedOptions(this.env, this.ctx.storage);
    const member: Member = new Member({
      ...flagged,
      storage,
      transport,
      clock: objectClock,
      prng: new Prng(crypto.getRandomValues(new BigUint64Array(1))[0] as bigint),
      identity,
      bootstrap,
      cluster: { ...flagged.cluster, learnersRefuse: true, clientUrls: listOf(this.env.ADVERTISE_CLIENT_URLS) },
      onStopped: ({ code, text }) => (code === "removed" ? this.#bury(member) : this.#down(code, text)),
      onMembership: (current) => {
        if (current.length > 0) members = current;
      },
    });
    const tokens = await openTokenProvider(member.tokens, {
      type: this.env.AUTH_TOKEN,
      privateKey: this.env.AUTH_PRIVATE_KEY,
      publicKey: this.env.AUTH_PUBLIC_KEY,
    });
    const services = createServices(member, { tokens }, (context) => this.#entrance.admit(context));
    const app = gatewayApp(services, {
      allowedOrigins: allowedOrigins(this.env),
      maxBodyBytes: bodyBytesFor(member.settings.limits.requestBytes),
      callers: member.callers,
      admit: (request) => this.#entrance.refusal(request, member.machine.auth.enabled),
      acceptWebSocket: (_request, subprotocol) => acceptWebSocket(subprotocol),
    });
    const log = new OperatorLog(member, storage, this.env.INITIAL_CLUSTER_TOKEN, this.env.MEMBER_NAME);
    member.start();
    return { type: "running", log, member, storage, transport, app, calls: kvCalls(services.kv) };
  }

  /** A store that has data keeps its identity, whatever the flags say, as in etcd. */
  async #start(storage: Storage): Promise<Start> {
    const { INITIAL_CLUSTER, INITIAL_CLUSTER_TOKEN, MEMBER_NAME } = this.env;
    const initial = initialMembersOf(INITIAL_CLUSTER, INITIAL_CLUSTER_TOKEN);
    const own = initial.find(({ name }) => name === MEMBER_NAME);
    if (own === undefined) throw new Error(`initial-cluster has no member named ${MEMBER_NAME}`);
    const isFresh = storage.identity === undefined;
    if (this.env.INITIAL_CLUSTER_STATE !== "existing" || !isFresh) {
      const clusterId = initialClusterId(initial, INITIAL_CLUSTER_TOKEN);
      const identity = storage.identity ?? { clusterId, memberId: own.id, name: MEMBER_NAME };
      // After a join that was cut off the store has an identity and no log, and must not found a cluster.
      const bootstrap = isFresh && this.env.INITIAL_CLUSTER_STATE !== "existing";
      return {
        identity,
        bootstrap: bootstrap || isFounder(storage, initial) ? { type: "found", members: initial } : { type: "join" },
        known: initial,
      };
    }
    const others = initial.filter((one) => one !== own).flatMap(({ peerUrls }) => peerUrls);
    const { clusterId, members } = await listOfPeers(this.env, others);
    const known = members.map(({ id, name, peerUrls }) => memberRecord({ id: BigInt(id), name, peerUrls }));
    const record = known.find(({ peerUrls }) => peerUrls.some((url) => own.peerUrls.includes(url)));
    if (record === undefined) {
      const urls = own.peerUrls.join();
      throw new Error(`no member of the cluster has the peer URL ${urls}; add it first: quorate member add ${urls}`);
    }
    const identity = { clusterId: BigInt(clusterId), memberId: record.id, name: MEMBER_NAME };
    return { identity, bootstrap: { type: "join" }, known };
  }

  #isAlone(): boolean {
    const { INITIAL_CLUSTER, INITIAL_CLUSTER_STATE, INITIAL_CLUSTER_TOKEN } = this.env;
    return (
      INITIAL_CLUSTER_STATE !== "existing" && initialMembersOf(INITIAL_CLUSTER, INITIAL_CLUSTER_TOKEN).length === 1
    );
  }

  #makeRestores(): EdgeRestore {
    const { INITIAL_CLUSTER, INITIAL_CLUSTER_TOKEN } = this.env;
    // Another cluster, so other ids: a member of the former one cannot mix with it.
    const members = (restore: string): readonly MemberRecord[] =>
      initialMembersOf(INITIAL_CLUSTER, `${INITIAL_CLUSTER_TOKEN} restored ${restore}`);
    return new EdgeRestore({
      size: 1,
      storage: this.ctx.storage,
      isRemoved: () => tombstoneOf(this.ctx.storage) !== undefined,
      running: () => (this.#state?.type === "running" ? this.#state.storage : undefined),
      suspend: () => {
        if (this.#state?.type === "running") this.#state.member.stop();
        this.#down("starting", RESTORING);
      },
      resume: () => {
        if (this.#state?.type === "down") this.#state = undefined;
      },
      isObject: () => true,
      call: () => Promise.reject(new Error(RESTORING)),
      identity: (restore) => {
        const restored = members(restore);
        const clusterId = initialClusterId(restored, INITIAL_CLUSTER_TOKEN);
        return { clusterId, memberId: restored[0]?.id ?? 0n, name: this.env.MEMBER_NAME };
      },
      members,
    });
  }

  #refusal(state: Down | Removed): Response {
    return refusal(NUMBER, reasonOf(state), this.env.MEMBER_NAME);
  }

  #bury({ id, clusterId, members, machine: { membership } }: Member): void {
    console.error(REMOVED.text);
    const others = members.filter((one) => one.id !== id).map((one) => one.id);
    const removed = [...new Set([...membership.removed, id])];
    const tombstone = { cluster: clusterId, member: id, members: others, removed, header: undefined };
    this.#state = { type: "removed", tombstone };
    writeTombstone(this.ctx.storage, tombstone);
  }

  #down(code: ProblemCode, text: string): void {
    // The operator reads the process's log.
    if (code !== "starting") console.error(text);
    this.#state = { type: "down", reason: { code, text }, sinceMs: Date.now() };
  }
}

/** The member began as one of these, so what its first start left undone is done again. */
function isFounder({ identity }: Storage, initial: readonly MemberRecord[]): boolean {
  return identity !== undefined && initial.some(({ id }) => id === identity.memberId);
}

function reasonOf(state: Down | Removed): Reason {
  return state.type === "down" ? state.reason : REMOVED;
}

function acceptWebSocket(subprotocol: string | undefined): AcceptedWebSocket {
  const { 0: client, 1: socket } = new WebSocketPair();
  socket.accept();
  const headers = subprotocol === undefined ? {} : { "sec-websocket-protocol": subprotocol };
  return { socket, response: new Response(null, { status: 101, webSocket: client, headers }) };
}

function listOf(text: string): readonly string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
