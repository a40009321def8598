/**
 * From the worker to a member. Every member can answer every request, the leader with the fewest hops; so a request
 * goes to whoever led when last heard of, which is only a hint, and to the next one when that one cannot answer.
 *
 * Bodies pass through unread, and what has been passed on cannot be sent again; so as long as a member is not known to
 * be well, small bodies are kept until it has answered. A member that says that it cannot serve has done nothing with
 * the request; when a call breaks, nobody knows, and only what changes nothing is asked again.
 *
 * Members come and go, too: each answer may tell who is there (live-members.ts). Learners are asked by their number only.
 */
import { inTime } from "../../src/gateway/http/body.ts";
import { webSocketContext } from "../../src/gateway/http/context.ts";
import { errorResponse, responseOf } from "../../src/gateway/http/errors.ts";
import { readPaths } from "../../src/protocol/api/rpc-table.ts";
import { clusterSize, type Env, locationOptions, locationsOf } from "../common/env.ts";
import { objectNameOf } from "../common/identity.ts";
import { type Hints, hintsOf, withoutHints } from "../common/internal-headers.ts";
import { founders, learnMembers, type LiveMembers } from "../common/live-members.ts";
import { refusal, REMOVED } from "../common/refusal.ts";
import type { MemberRpc } from "../common/member-rpc.ts";
import { type BatchedCall, batchedCall, type Batchers, isBatchable, sendBatched } from "./batched-calls.ts";

const KEPT_BODY_BYTES = 64 * 1024;
/** A member that could not answer is asked last for so long. */
const UNHEALTHY_MS = 5_000;
const READS = readPaths();
const MOVE_LEADER_PATH = "/v3/maintenance/transfer-leadership";

/** Of one cluster, for all requests of this isolate. What it remembers are hints: losing them costs a hop. */
export class Balancer {
  readonly #env: Env;
  readonly #batchers: Batchers = new Map();
  readonly #healthy: Set<number> = new Set();
  readonly #failedAtMs: Map<number, number> = new Map();
  readonly #objectIds: Map<number, DurableObjectId> = new Map();
  readonly #locations: readonly DurableObjectLocationHint[];
  #leaderHint = 1;
  #live: LiveMembers;

  /** Throws when a setting is none. */
  constructor(env: Env) {
    this.#env = env;
    this.#locations = locationsOf(env);
    this.#live = founders(clusterSize(env));
  }

  forwardToAny(request: Request, path: string, ctx: Waiting): Promise<Response> {
    // The one call that only the leader answers: a hint is not enough.
    if (path === MOVE_LEADER_PATH) return this.#refreshMembers(request.url).then(() => this.#tryMembers(request, path));
    if (!isBatchable(request, path)) return this.#tryMembers(request, path);
    const answer = batchedCall(request, path).then(
      (batched) => this.#tryMembers(request, path, batched),
      (broken: Response) => broken,
    );
    // Those that go along with it want their answers even when its own client is gone.
    ctx.waitUntil(answer);
    return answer;
  }

  /** Undefined when there never was a member of that number. */
  async forwardTo(request: Request, number: number): Promise<Response | undefined> {
    // A worker that was just started knows of the founders only.
    if (number >= this.#live.next) await this.#refreshMembers(request.url);
    const { all, next: nobody } = this.#live;
    if (!all.has(number)) return number < nobody ? withoutHints(refusal(number, REMOVED)) : undefined;
    try {
      return (await this.#call(number, request)).response;
    } catch (error) {
      return unreachable(number, error);
    }
  }

  /** For what no member serves: undefined when the caller may use it (entrance.ts). Any member knows. */
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

  member(number: number): DurableObjectStub<MemberRpc> {
    let id = this.#objectIds.get(number);
    if (id === undefined) {
      id = this.#env.MEMBERS.idFromName(objectNameOf(this.#env.CLUSTER_NAME, number));
      this.#objectIds.set(number, id);
    }
    return this.#env.MEMBERS.get(id, locationOptions(this.#locations, number));
  }

  /** `batched` is the request when it need not go alone. */
  async #tryMembers(request: Request, path: string, batched?: BatchedCall): Promise<Response> {
    // The one way that almost every request goes.
    const isUsual = this.#failedAtMs.size === 0 && this.#live.all.has(this.#leaderHint);
    let order = isUsual ? undefined : this.#tryOrder();
    const first = order?.[0] ?? this.#leaderHint;
    let copy: Copy;
    try {
      copy = batched !== undefined || this.#healthy.has(first) ? singleUse(request) : await replayable(request);
    } catch (error) {
      return errorResponse(error);
    }
    let answer: Response | undefined;
    const asked = new Set<number>();
    for (let number: number | undefined = first; number !== undefined; number = next(order, asked)) {
      const attempt = batched === undefined ? copy() : request;
      if (attempt === undefined) break;
      asked.add(number);
      try {
        const { response, hints } = await this.#call(number, attempt, batched);
        if (!hints.isUnavailable) {
          this.#learned(number, hints);
          return response;
        }
        answer = response;
        this.#failed(number);
      } catch (error) {
        this.#failed(number);
        answer = unreachable(number, error);
        if (mayHaveBody(request) && !READS.has(path)) break;
      }
      // Anew each time: whom we asked may have told who is there now.
      order = this.#tryOrder();
    }
    return answer ?? unreachable(first, "its answer was lost");
  }

  /** Any answer tells who leads, and who is there. */
  async #refreshMembers(url: string): Promise<void> {
    const answer = await this.#tryMembers(new Request(new URL("/version", url)), "/version");
    await answer.text();
  }

  async #call(number: number, request: Request, batched?: BatchedCall): Promise<Answer> {
    const member = this.member(number);
    const answer = await (batched === undefined
      ? fetched(member, request)
      : sendBatched(this.#batchers, number, member, batched));
    this.#learnMembers(answer.hints);
    return answer;
  }

  /** From the hint on, those that failed lately last. */
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

  #learnMembers({ members }: Hints): void {
    if (members !== undefined) this.#live = learnMembers(this.#live, members);
  }
}

const balancers = new WeakMap<Env, Balancer>();

/** The same one for the same environment. Throws when a setting is none. */
export function balancerOf(env: Env): Balancer {
  let balancer = balancers.get(env);
  if (balancer === undefined) {
    balancer = new Balancer(env);
    balancers.set(env, balancer);
  }
  return balancer;
}

/** What is used of a request's context. */
export interface Waiting {
  waitUntil(promise: Promise<unknown>): void;
}

interface Answer {
  /** For the client. */
  readonly response: Response;
  readonly hints: Hints;
}

async function fetched(member: DurableObjectStub<MemberRpc>, request: Request): Promise<Answer> {
  const response = await member.fetch(request);
  return { response: withoutHints(response), hints: hintsOf((name) => response.headers.get(name)) };
}

function next(order: readonly number[] | undefined, asked: ReadonlySet<number>): number | undefined {
  return order?.find((number) => !asked.has(number));
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
  // The platform's word of where it came from is in `cf`.
  return () => new Request(request.url, { method, headers, signal, body, ...(cf === undefined ? {} : { cf }) });
}

function mayHaveBody(request: Request): boolean {
  return request.method !== "GET" && request.method !== "HEAD" && request.method !== "OPTIONS";
}

function unreachable(number: number, error: unknown): Response {
  const message = `member ${number} cannot be reached: ${error instanceof Error ? error.message : String(error)}`;
  return Response.json({ code: 14, message }, { status: 503 });
}
