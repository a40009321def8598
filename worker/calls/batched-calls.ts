/**
 * Calls that a member gets many at a time (request-batcher.ts): what travels, and what both sides make of it. The worker in front
 * reads such a request whole and makes a `Response` of its answer; the member has to do with neither.
 */
import { assert } from "../../src/base/assert.ts";
import { readBody } from "../../src/gateway/http/body.ts";
import { callContext } from "../../src/gateway/http/context.ts";
import { type ErrorParts, errorResponse, JSON_TYPE, responseOf } from "../../src/gateway/http/errors.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import { KV_CALL_PATHS, type KvHttpResponse, type KvCall } from "../../src/gateway/kv-calls.ts";
import { networkOf } from "../../src/member/limits/caller-key.ts";
import { unfinishedOf } from "./front-callers.ts";
import { type Hints, hintsOf } from "../common/internal-headers.ts";
import { RequestBatcher } from "./request-batcher.ts";

export interface BatchedCall {
  readonly path: string;
  readonly body: string;
  readonly token: string;
  readonly requireLeader: boolean;
  readonly address?: string | undefined;
  /** For fair turns: the address as far as it counts. */
  readonly caller?: string | undefined;
}

export interface BatchResponse {
  /** Of each answer: the member's word to the worker in front. */
  readonly headers: Readonly<Record<string, string>>;
  /** In the order of the calls. */
  readonly answers: readonly SentResponse[];
}

/** The platform bounds a message between objects, and a stream is no part of it. */
export interface SentResponse extends Omit<KvHttpResponse, "body"> {
  readonly body: string | ReadableStream<Uint8Array>;
}

/** A member as the worker in front sees it. */
export interface BatchTarget {
  ask(calls: readonly BatchedCall[]): Promise<BatchResponse>;
}

export interface ReceivedResponse {
  readonly answer: KvHttpResponse;
  readonly headers: BatchResponse["headers"];
}

const JSON_RESPONSE = { headers: { "content-type": JSON_TYPE } } as const;
const BODY_BYTES_MAX = 64 * 1024;
/** Of answers within a message, whose bound is 32 MiB; a character may be two bytes. */
const SENT_CHARACTERS_MAX = 8 * 1024 * 1024;

/** By the member's number; negative for reads of its own state, which need not wait for what needs a quorum. */
export type Batchers = Map<number, RequestBatcher<BatchedCall, ReceivedResponse>>;

/** Small calls, about which the headers say nothing but who calls. */
export function isBatchable(request: Request, path: string): boolean {
  if (request.method !== "POST" || !KV_CALL_PATHS.has(path)) return false;
  const { headers } = request;
  const declared = headers.get("content-length");
  if (declared === null || Number(declared) > BODY_BYTES_MAX) return false;
  return !headers.has("origin") && !headers.has("grpc-timeout");
}

/** Throws a `Response` when the body breaks off. */
export async function batchedCall(request: Request, path: string): Promise<BatchedCall> {
  const { token, requireLeader, address } = callContext(request);
  try {
    return {
      path,
      body: await readBody(request, BODY_BYTES_MAX, unfinishedOf(address)),
      token,
      requireLeader,
      address,
      caller: address === undefined ? undefined : networkOf(address),
    };
  } catch (error) {
    throw errorResponse(error);
  }
}

/** `member` is asked in this event or in another one that was waiting. */
export async function sendBatched(
  batchers: Batchers,
  number: number,
  member: BatchTarget,
  call: BatchedCall,
): Promise<{ readonly response: Response; readonly hints: Hints }> {
  const { answer, headers } = await batcherOf(batchers, number, call).send(call, async (calls) => {
    const together = await member.ask(calls);
    return Promise.all(together.answers.map((each) => received(each, together.headers)));
  });
  const { body, error } = answer;
  const response = error === undefined ? new Response(body, JSON_RESPONSE) : responseOf(error);
  return { response, hints: hintsOf((name) => headers[name]) };
}

/** In the event that asked: nobody else can read its stream. */
async function received({ body, error }: SentResponse, headers: BatchResponse["headers"]): Promise<ReceivedResponse> {
  const text = typeof body === "string" ? body : await new Response(body).text();
  return { answer: { body: text, error }, headers };
}

/** The member's side. */
export async function serveBatch(
  kvCalls: ReadonlyMap<string, KvCall>,
  calls: readonly BatchedCall[],
  refusalOf: (context: CallContext) => ErrorParts | undefined,
): Promise<readonly SentResponse[]> {
  const answers = await Promise.all(
    calls.map(async ({ path, body, token, requireLeader, address }): Promise<KvHttpResponse> => {
      const call = kvCalls.get(path);
      if (call === undefined) throw new Error(`calls of ${path} do not go together`);
      const context = { token, requireLeader, address };
      const error = refusalOf(context);
      return error === undefined ? call(body, context) : { body: error.body, error };
    }),
  );
  let characters = 0;
  return answers.map((answer) => {
    if (characters + answer.body.length > SENT_CHARACTERS_MAX) return { ...answer, body: streamOf(answer.body) };
    characters += answer.body.length;
    return answer;
  });
}

function streamOf(text: string): ReadableStream<Uint8Array> {
  const { body } = new Response(text);
  assert(body !== null, "a text has a stream");
  return body;
}

/** When the member says the same to all of them. */
export async function rejectBatch(refusal: Response, calls: readonly BatchedCall[]): Promise<BatchResponse> {
  const body = await refusal.text();
  const answer: KvHttpResponse = { body, error: { status: refusal.status, body, challenge: undefined } };
  return { headers: Object.fromEntries(refusal.headers), answers: calls.map(() => answer) };
}

function batcherOf(
  batchers: Batchers,
  number: number,
  { body }: BatchedCall,
): RequestBatcher<BatchedCall, ReceivedResponse> {
  const key = body.includes('"serializable"') ? -number : number;
  let lane = batchers.get(key);
  if (lane === undefined) {
    lane = new RequestBatcher();
    batchers.set(key, lane);
  }
  return lane;
}
