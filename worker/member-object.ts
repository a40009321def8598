/**
 * One member of the cluster at the edge: a Durable Object with its SQLite storage, etcd's JSON API in front and the
 * other members' objects around it.
 *
 *     worker ── fetch ──► gateway ──► member ──► storage (this object's SQLite)
 *                                       │ ▲
 *     other objects ◄── POST /raft ─────┘ └── POST /raft ── other objects
 *
 * The object opens its member at the first event and again after the platform has thrown it out of memory. A member
 * that cannot open, or had to stop, does not take the object down: it says why, and is tried again after a while.
 */
import { DurableObject } from "cloudflare:workers";
import type { Hono } from "hono";
import { Prng } from "../src/base/prng.ts";
import { type AcceptedWebSocket, gatewayApp } from "../src/gateway/app.ts";
import { bodyBytesFor } from "../src/gateway/body.ts";
import { prepareStorage } from "../src/member/founding.ts";
import { createServices } from "../src/member/member-services.ts";
import { Member } from "../src/member/member.ts";
import type { Wakeup } from "../src/member/options.ts";
import type { ProblemCode } from "../src/member/services.ts";
import { openTokenProvider } from "../src/member/token-providers.ts";
import { member as memberRecord } from "../src/protocol/cluster.ts";
import type { MemberId } from "../src/protocol/raft-message.ts";
import { openDurableObjectStorage } from "../src/storage/durable-object.ts";
import { StorageError } from "../src/storage/storage-error.ts";
import { BadBatchError } from "../src/transport/http-batch.ts";
import { HttpTransport } from "../src/transport/http.ts";
import { objectClock } from "./clock.ts";
import { allowedOrigins, clusterSize, type Env } from "./env.ts";
import { LEADER_HEADER, UNAVAILABLE_HEADER } from "./front.ts";
import { clusterIdOf, memberIdOf, objectNameOf } from "./identity.ts";
import { flaggedOptions } from "./member-flags.ts";

/** Between members only: the worker in front passes on no such path (routes.ts). */
const RAFT_URL = "http://member/raft";
const REOPEN_AFTER_MS = 5_000;
/** Ticks of 100 ms without work after which the cluster stops its clocks. */
const QUIET_AFTER_TICKS = 30;
/** Members pay for each other's requests. */
const COMMIT_DELAY_MS = 5;
/** Under which name the object keeps the member's note to itself. */
const NOTE_KEY = "leases";

interface Running {
  readonly type: "running";
  readonly member: Member;
  readonly transport: HttpTransport;
  readonly app: Hono;
}

interface Down {
  readonly type: "down";
  readonly code: ProblemCode;
  readonly text: string;
  readonly sinceMs: number;
}

export class EdgeMember extends DurableObject<Env> {
  readonly #number: number;
  /** By member id. */
  readonly #numbers: ReadonlyMap<MemberId, number>;
  readonly #stubs = new Map<number, DurableObjectStub>();
  #state: Running | Down | undefined;
  #opening: Promise<Running | Down> | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const numbers = Array.from({ length: clusterSize(env) }, (_, at) => at + 1);
    this.#number = numberOf(ctx.id, numbers, env);
    this.#numbers = new Map(numbers.map((number) => [memberIdOf(env.CLUSTER_NAME, number), number]));
  }

  override async fetch(request: Request): Promise<Response> {
    const state = this.#state?.type === "running" ? this.#state : await this.#opened();
    if (state.type === "down") return refusal(this.#number, state);
    if (request.url === RAFT_URL) return framesAnswer(state.transport, request);
    const response = await state.app.fetch(request);
    const leader = this.#numbers.get(state.member.leader);
    if (leader !== undefined && response.status !== 101) response.headers.set(LEADER_HEADER, String(leader));
    return response;
  }

  /** A lease ends. The member may have been thrown out of memory since it asked to be woken for that. */
  override async alarm(): Promise<void> {
    const state = await this.#opened();
    // The platform tries again, a few times and later each time.
    if (state.type === "down") throw new Error(state.text);
    state.member.wake();
  }

  #opened(): Promise<Running | Down> {
    if (this.#state?.type === "running") return Promise.resolve(this.#state);
    if (this.#state?.type === "down" && Date.now() - this.#state.sinceMs < REOPEN_AFTER_MS) {
      return Promise.resolve(this.#state);
    }
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Running | Down> {
    try {
      const running = await this.#run();
      // It may have stopped while it started.
      if (this.#state?.type !== "down") this.#state = running;
    } catch (error) {
      if (error instanceof StorageError) this.#down("storage", `The storage cannot be opened: ${error.message}`);
      else this.#down("stopped", `The member cannot start: ${messageOf(error)}`);
    }
    return this.#state as Running | Down;
  }

  async #run(): Promise<Running> {
    this.#state = undefined;
    const { CLUSTER_NAME } = this.env;
    const identity = {
      clusterId: clusterIdOf(CLUSTER_NAME),
      memberId: memberIdOf(CLUSTER_NAME, this.#number),
      name: nameOf(this.#number),
    };
    const storage = openDurableObjectStorage(this.ctx.storage);
    const members = [...this.#numbers].map(([id, number]) => memberRecord({ id, name: nameOf(number) }));
    const beginning = { type: "found", members } as const;
    await new Promise<void>((resolve, reject) => {
      prepareStorage(storage, identity, beginning, (error) => (error === undefined ? resolve() : reject(error)));
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
      beginning,
      quietAfterTicks: QUIET_AFTER_TICKS,
      commitDelayMs: COMMIT_DELAY_MS,
      wakeup: await this.#wakeup(),
      onStopped: (problem) => this.#down(problem.code, problem.text),
    });
    const tokens = await openTokenProvider(member.tokens, {
      type: this.env.AUTH_TOKEN,
      privateKey: this.env.AUTH_PRIVATE_KEY,
      publicKey: this.env.AUTH_PUBLIC_KEY,
    });
    const app = gatewayApp(createServices(member, { tokens }), {
      allowedOrigins: allowedOrigins(this.env),
      maxBodyBytes: bodyBytesFor(member.settings.limits.requestBytes),
      acceptWebSocket: (_request, subprotocol) => acceptWebSocket(subprotocol),
    });
    member.start();
    return { type: "running", member, transport, app };
  }

  /** Nothing leaves the object before what was written is durable, so nobody need wait for these writes. */
  async #wakeup(): Promise<Wakeup> {
    const { storage } = this.ctx;
    return {
      note: await storage.get<Uint8Array>(NOTE_KEY),
      wakeAfter: (delayMs) => void storage.setAlarm(Date.now() + Math.max(delayMs, 0)),
      keepNote: (note) => void (note === undefined ? storage.delete(NOTE_KEY) : storage.put(NOTE_KEY, note)),
    };
  }

  #down(code: ProblemCode, text: string): void {
    // Whoever runs the cluster reads the worker's log.
    console.error(`member ${this.#number}: ${text}`);
    this.#state = { type: "down", code, text, sinceMs: Date.now() };
  }

  async #post(to: MemberId, body: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    const number = this.#numbers.get(to);
    if (number === undefined) throw new Error("a member of another cluster");
    try {
      const response = await this.#stub(number).fetch(RAFT_URL, { method: "POST", body });
      if (!response.ok) throw new Error(`member ${number} answered ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
      // A stub does not outlive a broken object.
      this.#stubs.delete(number);
      throw error;
    }
  }

  #stub(number: number): DurableObjectStub {
    const known = this.#stubs.get(number);
    if (known !== undefined) return known;
    const { MEMBERS, CLUSTER_NAME } = this.env;
    const stub = MEMBERS.get(MEMBERS.idFromName(objectNameOf(CLUSTER_NAME, number)));
    this.#stubs.set(number, stub);
    return stub;
  }
}

async function framesAnswer(transport: HttpTransport, request: Request): Promise<Response> {
  try {
    return new Response(await transport.handlePost(new Uint8Array(await request.arrayBuffer())));
  } catch (error) {
    return new Response(messageOf(error), { status: error instanceof BadBatchError ? 400 : 503 });
  }
}

function refusal(number: number, { code, text }: Down): Response {
  const message = `member ${number} cannot serve: ${text}`;
  const body = { code: 14, message, health: "false", reason: text, problem: { code, text } };
  return Response.json(body, { status: 503, headers: { [UNAVAILABLE_HEADER]: code } });
}

function acceptWebSocket(subprotocol: string | undefined): AcceptedWebSocket {
  const { 0: client, 1: socket } = new WebSocketPair();
  socket.accept();
  const headers = subprotocol === undefined ? {} : { "sec-websocket-protocol": subprotocol };
  return { socket, response: new Response(null, { status: 101, webSocket: client, headers }) };
}

function numberOf(id: DurableObjectId, numbers: readonly number[], env: Env): number {
  const number = numbers.find((candidate) =>
    env.MEMBERS.idFromName(objectNameOf(env.CLUSTER_NAME, candidate)).equals(id),
  );
  if (number === undefined) throw new Error("this object is no member of the cluster");
  return number;
}

function nameOf(number: number): string {
  return `edge-${number}`;
}

function seed(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
