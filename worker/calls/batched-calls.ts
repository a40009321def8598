/**
 * Calls that a member gets in batches (request-batcher.ts): the format that is sent, and both ends of it. The worker
 * reads such a request completely and builds a `Response` from the member's result. The member handles neither a
 * `Request` nor a `Response` per call.
 */
import { assert } from "../../src/base/assert.ts";
import { readBody } from "../../src/gateway/http/body.ts";
import { callContext } from "../../src/gateway/http/context.ts";
import { type ErrorParts, errorResponse, responseOf } from "../../src/gateway/http/errors.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import { KV_CALL_PATHS, type KvHttpResponse, type KvCall } from "../../src/gateway/kv-calls.ts";
import { networkOf } from "../../src/member/limits/caller-key.ts";
import type { UnfinishedBodies } from "./unfinished-bodies.ts";
import { type Hints, hintsOf } from "../common/internal-headers.ts";
import { RequestBatcher } from "./request-batcher.ts";

export interface BatchedCall {
  readonly path: string;
  readonly body: string;
  readonly token: string;
  readonly requireLeader: boolean;
  readonly address?: string | undefined;
  /** The part of the address by which callers are told apart, for fair queueing. */
  readonly caller?: string | undefined;
}

export interface BatchResponse {
  /** Hints of the member to the worker, the same for all responses. */
  readonly headers: Readonly<Record<string, string>>;
  /** In the order of the calls. */
  readonly answers: readonly SentResponse[];
}

/** The platform limits the size of a message between objects; a stream is not counted. */
export interface SentResponse extends Omit<KvHttpResponse, "body"> {
  readonly body: string | ReadableStream<Uint8Array>;
}

/** A member as the worker sees it. */
export interface BatchTarget {
  ask(calls: readonly BatchedCall[]): Promise<BatchResponse>;
}

export interface ReceivedResponse {
  readonly result: KvHttpResponse;
  readonly headers: BatchResponse["headers"];
}

const BODY_BYTES_MAX = 64 * 1024;
/** Limit of response bodies within a message, whose limit is 32 MiB. A character may take two bytes. */
const SENT_CHARACTERS_MAX = 8 * 1024 * 1024;

/** Keyed by the member's number. Negative for serializable reads, which need not wait for calls that need a quorum. */
export type Batchers = Map<number, RequestBatcher<BatchedCall, ReceivedResponse>>;

/** True for small calls whose headers matter only for the caller's identity. */
export function isBatchable(request: Request, path: string): boolean {
  if (request.method !== "POST" || !KV_CALL_PATHS.has(path)) return false;
  const { headers } = request;
  const declared = headers.get("content-length");
  if (declared === null || Number(declared) > BODY_BYTES_MAX) return false;
  return !headers.has("origin") && !headers.has("grpc-timeout");
}

/** Throws a `Response` if the body breaks off. */
export async function batchedCall(request: Request, path: string, unfinished: UnfinishedBodies): Promise<BatchedCall> {
  const { token, requireLeader, address } = callContext(request);
  try {
    return {
      path,
      body: await readBody(request, BODY_BYTES_MAX, unfinished.of(address)),
      token,
      requireLeader,
      address,
      caller: address === undefined ? undefined : networkOf(address),
    };
  } catch (error) {
    throw errorResponse(error);
  }
}

/**
 * The request to `member` is made in this event, or in that of another waiting call. `jsonOf` makes the response to a
 * call that succeeds.
 */
export async function sendBatched(
  batchers: Batchers,
  number: number,
  member: BatchTarget,
  call: BatchedCall,
  jsonOf: (body: string) => Response,
): Promise<{ readonly response: Response; readonly hints: Hints }> {
  const { result, headers } = await batcherOf(batchers, number, call).send(call, async (calls) => {
    const batch = await member.ask(calls);
    return Promise.all(batch.answers.map((each) => received(each, batch.headers)));
  });
  const { body, error } = result;
  const response = error === undefined ? jsonOf(body) : responseOf(error);
  return { response, hints: hintsOf((name) => headers[name]) };
}

/** Must run in the event that made the request: no other event can read its streams. */
async function received({ body, error }: SentResponse, headers: BatchResponse["headers"]): Promise<ReceivedResponse> {
  const text = typeof body === "string" ? body : await new Response(body).text();
  return { result: { body: text, error }, headers };
}

/** The member's end. */
export async function serveBatch(
  kvCalls: ReadonlyMap<string, KvCall>,
  calls: readonly BatchedCall[],
  refusalOf: (context: CallContext) => ErrorParts | undefined,
): Promise<readonly SentResponse[]> {
  const results = await Promise.all(
    calls.map(async ({ path, body, token, requireLeader, address }): Promise<KvHttpResponse> => {
      const call = kvCalls.get(path);
      if (call === undefined) throw new Error(`calls of ${path} are not batched`);
      const context = { token, requireLeader, address };
      const error = refusalOf(context);
      return error === undefined ? call(body, context) : { body: error.body, error };
    }),
  );
  let characters = 0;
  return results.map((result) => {
    if (characters + result.body.length > SENT_CHARACTERS_MAX) return { ...result, body: streamOf(result.body) };
    characters += result.body.length;
    return result;
  });
}

function streamOf(text: string): ReadableStream<Uint8Array> {
  const { body } = new Response(text);
  assert(body !== null, "a text has a stream");
  return body;
}

/** Rejects all calls of a batch with the same response. */
export async function rejectBatch(refusal: Response, calls: readonly BatchedCall[]): Promise<BatchResponse> {
  const body = await refusal.text();
  const result: KvHttpResponse = { body, error: { status: refusal.status, body, challenge: undefined } };
  return { headers: Object.fromEntries(refusal.headers), answers: calls.map(() => result) };
}

/** True if another member is needed for none of the calls, as far as their bodies show without being parsed. */
export function needNobody(calls: readonly BatchedCall[]): boolean {
  return calls.every(({ body }) => mayNeedNobody(body));
}

function mayNeedNobody(body: string): boolean {
  return body.includes('"serializable"');
}

function batcherOf(
  batchers: Batchers,
  number: number,
  { body }: BatchedCall,
): RequestBatcher<BatchedCall, ReceivedResponse> {
  const key = mayNeedNobody(body) ? -number : number;
  let batcher = batchers.get(key);
  if (batcher === undefined) {
    batcher = new RequestBatcher();
    batchers.set(key, batcher);
  }
  return batcher;
}
