/**
 * The plain form for humans: a key is a URL, its value is the body, and HTTP's own headers and statuses do the rest.
 *
 *     GET    /kv/KEY            the bytes; ETag is the mod revision      ?rev= ?serializable
 *     GET    /kv/KEY?prefix     all that begin with KEY, as JSON         ?limit= ?from= ?keys
 *     GET    /kv/KEY?watch      changes as server-sent events            ?prefix ?rev=
 *     PUT    /kv/KEY            the body becomes the value               ?lease=
 *     DELETE /kv/KEY                                                     ?prefix
 *
 * `If-Match` and `If-None-Match` become the compares of a txn. This file contains no rule of etcd: requests go to the
 * same service as those of the other API layers, which returns the errors.
 */
import { isUtf8 } from "../../base/utf8.ts";
import { EtcdError, errEmptyKey, errRequestTooLarge, GrpcCode } from "../../protocol/errors.ts";
import { deleteRangeRequest, type KeyValue, putRequest, rangeRequest } from "../../protocol/api/kv.ts";
import type { RangeResponse, TxnResponse } from "../../protocol/api/kv.ts";
import type { CallContext, KvService, Services } from "../../member/api/services.ts";
import { readBytes } from "../http/body.ts";
import { type CallerLimits, unfinishedBytes } from "../http/caller-limits.ts";
import { callContext } from "../http/context.ts";
import { JSON_TYPE } from "../http/errors.ts";
import { conditional, outcomeOf } from "./plain-conditions.ts";
import { plainResponse, plainError, plainPair } from "./plain-json.ts";
import {
  anyCondition,
  badRequest,
  conditionsOf,
  percentEncode,
  type PlainTarget,
  plainTarget,
  tagged,
  wantsJson,
} from "./plain-request.ts";
import { PROBE_AFTER_MS } from "../http/presence.ts";
import { plainWatch } from "./plain-watch.ts";

export interface PlainOptions {
  /** Limit of a body: a value and the rest of its request. The member enforces its own limit. */
  readonly maxBodyBytes: number;
  readonly callers?: CallerLimits | undefined;
  /**
   * Silence in milliseconds after which a watch writes a comment, to detect a disconnected reader. Default 4,000
   * (presence.ts).
   */
  readonly heartbeatMs?: number | undefined;
}

const METHODS = "GET, HEAD, PUT, DELETE, OPTIONS";
const REVISION = "x-quorate-revision";
/** Pairs in a list without `limit`, and the maximum of one response. */
const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 10_000;

export function plainHandler(services: Services, options: PlainOptions): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return shownToPages(request, await respond(services, options, request));
    } catch (error) {
      return shownToPages(request, plainError(error));
    }
  };
}

/** Sets what a page of another origin may send and read, if it may call at all (origins.ts). */
function shownToPages(request: Request, response: Response): Response {
  if (request.headers.get("origin") === null) return response;
  const allowed = "accept, content-type, authorization, if-match, if-none-match, last-event-id";
  response.headers.set("access-control-allow-headers", allowed);
  response.headers.set("access-control-expose-headers", `etag, link, ${REVISION}`);
  return response;
}

async function respond(services: Services, options: PlainOptions, request: Request): Promise<Response> {
  const { method } = request;
  const context = callContext(request);
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow: METHODS } });
  if (method === "GET" || method === "HEAD") {
    const target = plainTarget(request);
    if (target.key.length === 0 && !target.prefix) throw errEmptyKey;
    if (target.watch && method === "GET") {
      return plainWatch(services, request, target, context, options.heartbeatMs ?? PROBE_AFTER_MS);
    }
    return target.prefix
      ? getList(services.kv, target, request, context)
      : getOne(services.kv, target, request, context);
  }
  if (method === "PUT") return put(services.kv, request, context, options);
  if (method === "DELETE") return remove(services.kv, request, context);
  const refusal = plainResponse(405, { code: GrpcCode.Unimplemented, message: `${method} is none of ${METHODS}` });
  refusal.headers.set("allow", METHODS);
  return refusal;
}

async function getOne(kv: KvService, target: PlainTarget, request: Request, context: CallContext): Promise<Response> {
  const { key, revision, serializable, keysOnly } = target;
  const range = await kv.range(rangeRequest({ key, revision, serializable, keysOnly }), context);
  const [pair] = range.kvs;
  if (pair === undefined) return noSuchKey(range.header.revision);
  const headers = headersOf(pair.modRevision, range.header.revision);
  const unchanged = conditionalResponse(request.headers, pair.modRevision, headers);
  if (unchanged !== undefined) return unchanged;
  if (keysOnly || wantsJson(request.headers)) {
    headers.set("content-type", JSON_TYPE);
    return new Response(`${JSON.stringify(plainPair(pair, keysOnly))}\n`, { headers });
  }
  headers.set("content-type", isUtf8(pair.value) ? "text/plain; charset=utf-8" : "application/octet-stream");
  headers.set("content-length", String(pair.value.length));
  headers.set("x-quorate-create-revision", String(pair.createRevision));
  headers.set("x-quorate-version", String(pair.version));
  if (pair.lease !== 0n) headers.set("x-quorate-lease", String(pair.lease));
  return new Response(pair.value as Uint8Array<ArrayBuffer>, { headers });
}

/** One page of a list. All pages of a list are of one revision. */
async function getList(kv: KvService, target: PlainTarget, request: Request, context: CallContext): Promise<Response> {
  const { rangeEnd, revision, serializable, keysOnly } = target;
  const key = target.from ?? (target.key.length === 0 ? Uint8Array.of(0) : target.key);
  const limit = Math.min(target.limit === 0 ? LIMIT_DEFAULT : target.limit, LIMIT_MAX);
  const range = await kv.range(rangeRequest({ key, rangeEnd, revision, serializable, keysOnly, limit }), context);
  const atRevision = revision === 0 ? range.header.revision : revision;
  const headers = headersOf(atRevision, range.header.revision);
  headers.set("content-type", JSON_TYPE);
  const next = nextPage(target, range, atRevision);
  if (next !== undefined) headers.set("link", `<${next}>; rel="next"`);
  return (
    conditionalResponse(request.headers, atRevision, headers) ??
    new Response(listText(range, atRevision, keysOnly, next), { headers })
  );
}

/** Relative to this request's URL. */
function nextPage(target: PlainTarget, { more, kvs }: RangeResponse, revision: number): string | undefined {
  const last = kvs.at(-1);
  if (!more || last === undefined) return undefined;
  const kept = `${target.keysOnly ? "&keys" : ""}${target.serializable ? "&serializable" : ""}`;
  const limit = target.limit === 0 ? "" : `&limit=${target.limit}`;
  return `?prefix${kept}${limit}&rev=${revision}&from=${percentEncode(last.key)}%00`;
}

/** One line per pair, for human readers and `grep`. */
function listText(range: RangeResponse, revision: number, keysOnly: boolean, next: string | undefined): string {
  const pairs = range.kvs.map((pair) => `\n${JSON.stringify(plainPair(pair, keysOnly))}`).join(",");
  const tail = next === undefined ? "" : `,"next":${JSON.stringify(next)}`;
  return `{"revision":${revision},"count":${range.count},"kvs":[${pairs}\n]${tail}}\n`;
}

async function put(
  kv: KvService,
  request: Request,
  context: CallContext,
  { maxBodyBytes, callers }: PlainOptions,
): Promise<Response> {
  const { key, lease } = plainTarget(request);
  const conditions = conditionsOf(request.headers);
  // A part of a value would replace all of it (RFC 9110, 14.5).
  if (request.headers.has("content-range")) throw badRequest("a value is put whole: Content-Range is not served");
  const value = await readBytes(request, maxBodyBytes, unfinishedBytes(callers, context));
  if (value === undefined) throw errRequestTooLarge;
  const message = putRequest({ key, value, lease });
  if (!anyCondition(conditions)) return changed(200, (await kv.put(message, context)).header.revision);
  const txn = await kv.txn(conditional(key, { type: "put", put: message }, conditions), context);
  if (outcomeOf(txn)?.type !== "put") return conditionFailed(txn);
  return changed(conditions.noneMatch === "any" ? 201 : 200, txn.header.revision);
}

function changed(status: number, revision: number): Response {
  const response = plainResponse(status, { revision });
  response.headers.set("etag", `"${revision}"`);
  response.headers.set(REVISION, String(revision));
  return response;
}

async function remove(kv: KvService, request: Request, context: CallContext): Promise<Response> {
  const { key, rangeEnd, prefix } = plainTarget(request);
  const conditions = conditionsOf(request.headers);
  if (prefix) {
    if (anyCondition(conditions)) throw badRequest("If-Match and If-None-Match are for one key, not for ?prefix");
    const all = key.length === 0 ? Uint8Array.of(0) : key;
    const { header, deleted } = await kv.deleteRange(deleteRangeRequest({ key: all, rangeEnd }), context);
    return plainResponse(200, { revision: header.revision, deleted });
  }
  const message = deleteRangeRequest({ key });
  if (!anyCondition(conditions)) {
    const { header, deleted } = await kv.deleteRange(message, context);
    return deletedResponse(deleted, header.revision);
  }
  const txn = await kv.txn(conditional(key, { type: "deleteRange", deleteRange: message }, conditions), context);
  const outcome = outcomeOf(txn);
  if (outcome?.type !== "deleteRange") return conditionFailed(txn);
  return deletedResponse(outcome.deleteRange.deleted, txn.header.revision);
}

function deletedResponse(deleted: number, revision: number): Response {
  if (deleted === 0) return noSuchKey(revision);
  const response = plainResponse(200, { revision, deleted });
  response.headers.set(REVISION, String(revision));
  return response;
}

function conditionFailed(txn: TxnResponse): Response {
  const outcome = outcomeOf(txn);
  const present: KeyValue | undefined = outcome?.type === "range" ? outcome.range.kvs[0] : undefined;
  return preconditionFailed(present?.modRevision, txn.header.revision);
}

function preconditionFailed(modRevision: number | undefined, revision: number): Response {
  const state = modRevision === undefined ? "the key does not exist" : `the key is at revision ${modRevision}`;
  const response = plainResponse(412, { code: GrpcCode.FailedPrecondition, message: `not as asked for: ${state}` });
  if (modRevision !== undefined) response.headers.set("etag", `"${modRevision}"`);
  response.headers.set(REVISION, String(revision));
  return response;
}

/** Applies If-Match and If-None-Match to a read. */
function conditionalResponse(requested: Headers, tag: number, headers: Headers): Response | undefined {
  const { match, noneMatch } = conditionsOf(requested);
  if (match !== undefined && !tagged(match, tag)) return preconditionFailed(tag, Number(headers.get(REVISION)));
  if (noneMatch === undefined || !tagged(noneMatch, tag)) return undefined;
  headers.delete("content-type");
  return new Response(null, { status: 304, headers });
}

function headersOf(tag: number, revision: number): Headers {
  return new Headers({
    etag: `"${tag}"`,
    [REVISION]: String(revision),
    // Caches must revalidate each time, which a 304 completes. The same URL has two forms.
    "cache-control": "no-cache",
    vary: "Accept",
    // A value is data, whatever it looks like.
    "x-content-type-options": "nosniff",
  });
}

function noSuchKey(revision: number): Response {
  const response = plainError(new EtcdError(GrpcCode.NotFound, "no such key"));
  response.headers.set(REVISION, String(revision));
  return response;
}
