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
import { clusterSize, type Env } from "../common/env.ts";
import { objectNameOf } from "../common/identity.ts";
import { type Hints, hintsOf, withoutHints } from "../common/internal-headers.ts";
import { founders, learnMembers, type LiveMembers } from "../common/live-members.ts";
import { refusal, REMOVED } from "../common/refusal.ts";
import type { MemberRpc } from "../common/member-rpc.ts";
import { sendBatched, batchedCall, type BatchedCall, isBatchable } from "./batched-calls.ts";

const KEPT_BODY_BYTES = 64 * 1024;
/** A member that could not answer is asked last for so long. */
const UNHEALTHY_MS = 5_000;
const READS = readPaths();
const MOVE_LEADER_PATH = "/v3/maintenance/transfer-leadership";

// Hints, shared by all requests of this isolate. Losing them costs a hop.
let leaderHint = 1;
let live: LiveMembers | undefined;
const healthy = new Set<number>();
const failedAtMs = new Map<number, number>();
const objectIds = new Map<number, DurableObjectId>();

export function forwardToAny(request: Request, env: Env, path: string, ctx: ExecutionContext): Promise<Response> {
  // The one call that only the leader answers: a hint is not enough.
  if (path === MOVE_LEADER_PATH) return refreshMembers(request, env).then(() => tryMembers(request, env, path));
  if (!isBatchable(request, path)) return tryMembers(request, env, path);
  const answer = batchedCall(request, path).then(
    (together) => tryMembers(request, env, path, together),
    (broken: Response) => broken,
  );
  // Those that go along with it want their answers even when its own client is gone.
  ctx.waitUntil(answer);
  return answer;
}

/** `together` is the request when it need not go alone. */
async function tryMembers(request: Request, env: Env, path: string, together?: BatchedCall): Promise<Response> {
  const members = membersNow(env);
  // The one way that almost every request goes.
  const isUsual = failedAtMs.size === 0 && members.all.has(leaderHint);
  let order = isUsual ? undefined : tryOrder(members);
  const first = order?.[0] ?? leaderHint;
  let copy: Copy;
  try {
    copy = together !== undefined || healthy.has(first) ? singleUse(request) : await replayable(request);
  } catch (error) {
    return errorResponse(error);
  }
  let answer: Response | undefined;
  const asked = new Set<number>();
  for (let number: number | undefined = first; number !== undefined; number = next(order, asked)) {
    const attempt = together === undefined ? copy() : request;
    if (attempt === undefined) break;
    asked.add(number);
    try {
      const { response, hints } = await call(env, number, attempt, together);
      if (!hints.isUnavailable) return learned(number, response, hints);
      answer = response;
      failed(number);
    } catch (error) {
      failed(number);
      answer = unreachable(number, error);
      if (mayHaveBody(request) && !READS.has(path)) break;
    }
    // Anew each time: whom we asked may have told who is there now.
    order = tryOrder(membersNow(env));
  }
  return answer ?? unreachable(first, "its answer was lost");
}

/** Undefined when there never was a member of that number. */
export async function forwardTo(request: Request, env: Env, number: number): Promise<Response | undefined> {
  // A worker that was just started knows of the founders only.
  if (number >= membersNow(env).next) {
    await refreshMembers(request, env);
  }
  const { all, next: nobody } = membersNow(env);
  if (!all.has(number)) return number < nobody ? withoutHints(refusal(number, REMOVED)) : undefined;
  try {
    return (await call(env, number, request)).response;
  } catch (error) {
    return unreachable(number, error);
  }
}

/** For what no member serves: undefined when the caller may use it (entrance.ts). Any member knows. */
export async function refusalOf(request: Request, env: Env): Promise<Response | undefined> {
  if (env.OPEN === "true") return undefined;
  const context = webSocketContext(request);
  let last: unknown = "there is none";
  for (const number of tryOrder(membersNow(env))) {
    try {
      const parts = await memberStub(env, number).refusal(context);
      return parts === undefined ? undefined : responseOf(parts);
    } catch (error) {
      last = error;
      failed(number);
    }
  }
  return unreachable(leaderHint, last);
}

/** Any answer tells who leads, and who is there. */
async function refreshMembers({ url }: Request, env: Env): Promise<void> {
  const answer = await tryMembers(new Request(new URL("/version", url)), env, "/version");
  await answer.text();
}

function membersNow(env: Env): LiveMembers {
  live ??= founders(clusterSize(env));
  return live;
}

export function memberStub(env: Env, number: number): DurableObjectStub<MemberRpc> {
  let id = objectIds.get(number);
  if (id === undefined) {
    id = env.MEMBERS.idFromName(objectNameOf(env.CLUSTER_NAME, number));
    objectIds.set(number, id);
  }
  return env.MEMBERS.get(id);
}

interface Answer {
  /** For the client. */
  readonly response: Response;
  readonly hints: Hints;
}

async function call(env: Env, number: number, request: Request, together?: BatchedCall): Promise<Answer> {
  const member = memberStub(env, number);
  const answer = await (together === undefined ? fetched(member, request) : sendBatched(number, member, together));
  const { members } = answer.hints;
  if (members !== undefined) live = learnMembers(membersNow(env), members);
  return answer;
}

async function fetched(member: DurableObjectStub<MemberRpc>, request: Request): Promise<Answer> {
  const response = await member.fetch(request);
  return { response: withoutHints(response), hints: hintsOf((name) => response.headers.get(name)) };
}

function next(order: readonly number[] | undefined, asked: ReadonlySet<number>): number | undefined {
  return order?.find((number) => !asked.has(number));
}

/** From the hint on, those that failed lately last. */
function tryOrder({ voters }: LiveMembers): readonly number[] {
  const nowMs = Date.now();
  for (const [number, atMs] of failedAtMs) if (nowMs - atMs > UNHEALTHY_MS) failedAtMs.delete(number);
  const from = Math.max(voters.indexOf(leaderHint), 0);
  const all = [...voters.slice(from), ...voters.slice(0, from)];
  return [...all.filter((number) => !failedAtMs.has(number)), ...all.filter((number) => failedAtMs.has(number))];
}

function failed(number: number): void {
  healthy.delete(number);
  failedAtMs.set(number, Date.now());
}

function learned(number: number, response: Response, { leader }: Hints): Response {
  healthy.add(number);
  failedAtMs.delete(number);
  if (leader !== undefined) leaderHint = Number(leader);
  return response;
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
