/** Keys and values in readable form: text if they are UTF-8, otherwise base64 under a name that says so. */
import { toBase64 } from "../../base/text-codes.ts";
import { utf8DecodeStrict } from "../../base/utf8.ts";
import {
  type EtcdError,
  errAuthOldRevision,
  errCompacted,
  errRequestTooLarge,
  errUserEmpty,
} from "../../protocol/errors.ts";
import type { Event, KeyValue } from "../../protocol/api/kv.ts";
import { asEtcdError, JSON_TYPE, statusOf } from "../http/errors.ts";

/** Statuses that fit better than those of etcd's gateway. etcd's errors are recognised by their texts. */
const STATUS: ReadonlyMap<string, number> = new Map([
  [errCompacted.message, 410],
  [errRequestTooLarge.message, 413],
  [errUserEmpty.message, 401],
  [errAuthOldRevision.message, 401],
]);
const HINTS: ReadonlyMap<string, string> = new Map([
  [
    errCompacted.message,
    "That revision was compacted away. Read the keys as they are now, and watch from the x-quorate-revision of that answer plus one.",
  ],
  [errUserEmpty.message, "Send a token: Authorization: Bearer TOKEN"],
]);

export function plainPair(kv: KeyValue, keysOnly: boolean): Record<string, unknown> {
  return {
    ...plainBytes("key", kv.key),
    ...(keysOnly ? {} : plainBytes("value", kv.value)),
    create_revision: kv.createRevision,
    mod_revision: kv.modRevision,
    version: kv.version,
    ...(kv.lease === 0n ? {} : { lease: String(kv.lease) }),
  };
}

export function plainEvent({ type, kv }: Event): Record<string, unknown> {
  if (kv === undefined) return { type: type.toLowerCase() };
  if (type === "PUT") return { type: "put", ...plainPair(kv, false) };
  return { type: "delete", ...plainBytes("key", kv.key), mod_revision: kv.modRevision };
}

/** One message. Further details are in the status and the headers. */
export function plainError(thrown: unknown): Response {
  const error = asEtcdError(thrown);
  const status = STATUS.get(error.message) ?? statusOf(error);
  const response = plainResponse(status, plainErrorBody(error));
  if (status === 401) response.headers.set("www-authenticate", "Bearer");
  return response;
}

export function plainErrorBody({ code, message }: EtcdError): Record<string, unknown> {
  const hint = HINTS.get(message);
  return hint === undefined ? { code, message } : { code, message, hint };
}

export function plainResponse(status: number, body: Record<string, unknown>): Response {
  return new Response(`${JSON.stringify(body)}\n`, { status, headers: { "content-type": JSON_TYPE } });
}

function plainBytes(name: string, bytes: Uint8Array): Record<string, string> {
  const text = utf8DecodeStrict(bytes);
  return text === undefined ? { [`${name}_base64`]: toBase64(bytes) } : { [name]: text };
}
