/**
 * Forwards a request from the worker to a member. Every member can serve every request; the leader needs the fewest
 * hops. So a request goes to the last known leader, which is only a hint, and to the next member if that one cannot
 * serve it.
 *
 * Bodies are streamed and cannot be sent twice. Until a member is known to be healthy, bodies up to 64 KiB are buffered
 * so that the request can go to another member. A member that reports "unavailable" has not executed the request. If
 * the call fails, the outcome is unknown; only reads are retried.
 *
 * The membership changes too: every response may report the current members (live-members.ts). A learner only gets
 * requests that name its number.
 */
import { inTime } from "../../src/gateway/http/body.ts";
import { webSocketContext } from "../../src/gateway/http/context.ts";
import { type ErrorParts, errorResponse, responseOf } from "../../src/gateway/http/errors.ts";
import { securedJson } from "../../src/gateway/http/security-headers.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import { readPaths } from "../../src/protocol/api/rpc/rpc-table.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import { clusterSize, type Env, locationOptions, locationsOf } from "../common/env.ts";
import { objectNameOf } from "../common/identity.ts";
import { type Hints, hintsOf, withoutHints } from "../common/internal-headers.ts";
import { founders, learnMembers, type LiveMembers } from "../common/live-members.ts";
import { DELETED, errDeleted, refusal, REMOVED } from "../common/refusal.ts";
import type { MemberRpc } from "../common/member-rpc.ts";
import { pagePolicyOf } from "../common/page-policy.ts";
import type { CallResult, OpenResult, ServiceCall, ServiceTarget, WithHints } from "../common/service-rpc.ts";
import { type BatchedCall, batchedCall, type Batchers, isBatchable, sendBatched } from "./batched-calls.ts";
import { UnfinishedBodies } from "./unfinished-bodies.ts";

const KEPT_BODY_BYTES = 64 * 1024;
/** A member that failed is tried last for this time. */
const UNHEALTHY_MS = 5_000;
const READS = readPaths();
const MOVE_LEADER_PATH = "/v3/maintenance/transfer-leadership";

/**
 * Balances the requests of one cluster, for all requests of this isolate. It remembers hints only: losing them costs
 * one hop.
 */
export class Balancer {
  readonly #env: Env;
  readonly #batchers: Batchers = new Map();
  readonly #healthy: Set<number> = new Set();
  readonly #failedAtMs: Map<number, number> = new Map();
  readonly #objectIds: Map<number, DurableObjectId> = new Map();
  readonly #locations: readonly DurableObjectLocationHint[];
  readonly #jsonOf: (body: string) => Response;
  #leaderHint = 1;
  #live: LiveMembers;

  readonly #unfinished: UnfinishedBodies = new UnfinishedBodies();
  readonly #onDeleted: () => void;

  /** `onDeleted` is called when members say that their cluster was deleted. Throws if a setting cannot be parsed. */
  constructor(env: Env, onDeleted: () => void = () => {}) {
    this.#env = env;
    this.#onDeleted = onDeleted;
    this.#locations = locationsOf(env);
    const { headers } = pagePolicyOf(env);
    this.#jsonOf = (body) => securedJson(body, headers);
    this.#live = founders(clusterSize(env));
  }

  forwardToAny(request: Request, path: string, ctx: Waiting): Promise<Response> {
    // The only call that the leader alone serves, so a hint is not enough.
    if (path === MOVE_LEADER_PATH) return this.#refreshMembers(request.url).then(() => this.#tryMembers(request, path));
    if (!isBatchable(request, path)) return this.#tryMembers(request, path);
    const response = batchedCall(request, path, this.#unfinished).then(
      (batched) => this.#tryMembers(request, path, batched),
      (broken: Response) => broken,
    );
    // Other calls in its batch need their responses even if the client of this one is gone.
    ctx.waitUntil(response);
    return response;
  }

  /** Returns undefined if there never was a member with this number. */
  async forwardTo(request: Request, number: number): Promise<Response | undefined> {
    // A new isolate knows only the initial members.
    if (number >= this.#live.next) await this.#refreshMembers(request.url);
    const { all, next: unused } = this.#live;
    if (!all.has(number)) return number < unused ? withoutHints(refusal(number, REMOVED)) : undefined;
    try {
      return (await this.#call(number, request)).response;
    } catch (error) {
      return unreachable(number, error);
    }
  }

  /**
   * Access check for what no member serves: returns undefined if the caller may use it (entrance.ts). Any member can
   * decide.
   */
  async refusalOf(request: Request): Promise<Response | undefined> {
    if (this.#env.OPEN === "true") return undefined;
    const context = webSocketContext(request);
    let last: unknown = "there is none";
    for (const number of this.#tryOrder()) {
      try {
        const parts = await this.member(number).refusal(context);
        return parts === undefined ? undefined : responseOf(parts);
      } catch (error) {
        last = error;
        this.#failed(number);
      }
    }
    return unreachable(this.#leaderHint, last);
  }

  /** Whether the caller may manage the cluster's users. Rejects if no member serves. */
  administratorRefusal(context: CallContext): Promise<ErrorParts | undefined> {
    return this.#askInTurn((member) => member.administratorRefusal(context));
  }

  /** Changes who votes in a room's cluster; returns why not. Rejects if no member serves. */
  reshape(shape: "edge" | "mixed" | "tabs"): Promise<ErrorParts | undefined> {
    return this.#askInTurn((member) => member.reshape(shape));
  }

  /** A snapshot of the first member that has one. Rejects if no member serves. */
  snapshot(): Promise<ReadableStream<Uint8Array>> {
    return this.#askInTurn((member) => member.snapshot());
  }

  async #askInTurn<Answer>(ask: (member: MemberRpc) => Promise<Answer>): Promise<Answer> {
    let last: unknown = new Error("there is no member");
    for (const number of this.#tryOrder()) {
      try {
        return await ask(this.member(number));
      } catch (error) {
        last = error;
        this.#failed(number);
        // An error from another object keeps its text only.
        if (String(error).includes(DELETED.text)) {
          this.#onDeleted();
          throw errDeleted;
        }
      }
    }
    throw new EtcdError(GrpcCode.Unavailable, unreachableText(this.#leaderHint, last));
  }

  /** For the worker's own code. Rejects with EtcdError (Unavailable) when nobody serves, or nobody knows what came of it. */
  async call(call: ServiceCall, isRead: boolean): Promise<CallResult> {
    // As in forwardToAny().
    if (call.method === "moveLeader") await this.#refreshMembers("http://quorate/");
    return this.#ask(isRead, (member) => member.call(call));
  }

  open(call: ServiceCall, isRead: boolean): Promise<OpenResult> {
    return this.#ask(isRead, (member) => member.open(call));
  }

  async #ask<Result>(isRead: boolean, ask: (member: ServiceTarget) => Promise<WithHints<Result>>): Promise<Result> {
    let unserved: Result | undefined;
    let lost = "there is no member";
    const asked = new Set<number>();
    for (let number = this.#next(asked); number !== undefined; number = this.#next(asked)) {
      asked.add(number);
      try {
        const answer = await ask(this.member(number) as unknown as ServiceTarget);
        const { result } = answer;
        const hints = hintsOf((name) => answer.hints[name]);
        this.#learnMembers(hints);
        if (!hints.isUnavailable) {
          this.#learned(number, hints);
          return result;
        }
        unserved = result;
      } catch (error) {
        lost = unreachableText(number, error);
        if (!isRead) {
          this.#failed(number);
          break;
        }
      }
      this.#failed(number);
    }
    if (unserved !== undefined) return unserved;
    throw new EtcdError(GrpcCode.Unavailable, lost);
  }

  #next(asked: ReadonlySet<number>): number | undefined {
    return this.#tryOrder().find((number) => !asked.has(number));
  }

  /** Numbers of the members, learners too, as far as they are known. */
  get numbers(): readonly number[] {
    return [...this.#live.all];
  }

  /** What callers have sent of bodies that are incomplete. */
  get unfinished(): UnfinishedBodies {
    return this.#unfinished;
  }

  member(number: number): DurableObjectStub<MemberRpc> {
    let id = this.#objectIds.get(number);
    if (id === undefined) {
      id = this.#env.MEMBERS.idFromName(objectNameOf(this.#env.CLUSTER_NAME, number));
      this.#objectIds.set(number, id);
    }
    return this.#env.MEMBERS.get(id, locationOptions(this.#locations, number));
  }

  /** `batched` is the request in the form in which it can be sent in a batch. */
  async #tryMembers(request: Request, path: string, batched?: BatchedCall): Promise<Response> {
    // True for almost every request.
    const isUsual = this.#failedAtMs.size === 0 && this.#live.all.has(this.#leaderHint);
    let order = isUsual ? undefined : this.#tryOrder();
    const first = order?.[0] ?? this.#leaderHint;
    let copy: Copy;
    try {
      copy = batched !== undefined || this.#healthy.has(first) ? singleUse(request) : await replayable(request);
    } catch (error) {
      return errorResponse(error);
    }
    let last: Response | undefined;
    const tried = new Set<number>();
    for (let number: number | undefined = first; number !== undefined; number = next(order, tried)) {
      const attempt = batched === undefined ? copy() : request;
      if (attempt === undefined) break;
      tried.add(number);
      try {
        const { response, hints } = await this.#call(number, attempt, batched);
        if (!hints.isUnavailable) {
          this.#learned(number, hints);
          return response;
        }
        last = response;
        this.#failed(number);
      } catch (error) {
        this.#failed(number);
        last = unreachable(number, error);
        if (mayHaveBody(request) && !READS.has(path)) break;
      }
      // Computed again: the failed member may have reported new members.
      order = this.#tryOrder();
    }
    return last ?? unreachable(first, "its answer was lost");
  }

  /** Every response reports the leader and the members. */
  async #refreshMembers(url: string): Promise<void> {
    const response = await this.#tryMembers(new Request(new URL("/version", url)), "/version");
    await response.text();
  }

  async #call(number: number, request: Request, batched?: BatchedCall): Promise<MemberResponse> {
    const member = this.member(number);
    const response = await (batched === undefined
      ? fetched(member, request)
      : sendBatched(this.#batchers, number, member, batched, this.#jsonOf));
    this.#learnMembers(response.hints);
    return response;
  }

  /** Starts at the hint. Members that failed recently come last. */
  #tryOrder(): readonly number[] {
    const { voters } = this.#live;
    const failedAtMs = this.#failedAtMs;
    const nowMs = Date.now();
    for (const [number, atMs] of failedAtMs) if (nowMs - atMs > UNHEALTHY_MS) failedAtMs.delete(number);
    const from = Math.max(voters.indexOf(this.#leaderHint), 0);
    const all = [...voters.slice(from), ...voters.slice(0, from)];
    return [...all.filter((number) => !failedAtMs.has(number)), ...all.filter((number) => failedAtMs.has(number))];
  }

  #failed(number: number): void {
    this.#healthy.delete(number);
    this.#failedAtMs.set(number, Date.now());
  }

  #learned(number: number, { leader }: Hints): void {
    this.#healthy.add(number);
    this.#failedAtMs.delete(number);
    if (leader !== undefined) this.#leaderHint = Number(leader);
  }

  #learnMembers({ members, isDeleted }: Hints): void {
    if (isDeleted) this.#onDeleted();
    if (members !== undefined) this.#live = learnMembers(this.#live, members);
  }
}

/** The part of a request's context that is used here. */
export interface Waiting {
  waitUntil(promise: Promise<unknown>): void;
}

interface MemberResponse {
  /** The response for the client, without the hints. */
  readonly response: Response;
  readonly hints: Hints;
}

async function fetched(member: DurableObjectStub<MemberRpc>, request: Request): Promise<MemberResponse> {
  const response = await member.fetch(request);
  return { response: withoutHints(response), hints: hintsOf((name) => response.headers.get(name)) };
}

function next(order: readonly number[] | undefined, tried: ReadonlySet<number>): number | undefined {
  return order?.find((number) => !tried.has(number));
}

type Copy = () => Request | undefined;

function singleUse(request: Request): Copy {
  if (!mayHaveBody(request) || request.body === null) return () => request;
  let left: Request | undefined = request;
  return () => {
    const copy = left;
    left = undefined;
    return copy;
  };
}

async function replayable(request: Request): Promise<Copy> {
  const declared = request.headers.get("content-length");
  if (!mayHaveBody(request) || declared === null || Number(declared) > KEPT_BODY_BYTES) return singleUse(request);
  const { method, headers, signal, cf } = request;
  const body = await inTime(request.arrayBuffer());
  // `cf` has the caller's address as the platform sees it.
  return () => new Request(request.url, { method, headers, signal, body, ...(cf === undefined ? {} : { cf }) });
}

function mayHaveBody(request: Request): boolean {
  return request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS";
}

function unreachable(number: number, error: unknown): Response {
  return Response.json({ code: GrpcCode.Unavailable, message: unreachableText(number, error) }, { status: 503 });
}

function unreachableText(number: number, error: unknown): string {
  return `member ${number} cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
}
