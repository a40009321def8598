/**
 * Parses a plain request (`/kv/KEY?…`) from its URL and headers. Keys are bytes, so the URL is decoded here and not by
 * URLSearchParams, which supports text only. Anything ambiguous is rejected with a message: a misspelt `?prefix` of a
 * DELETE must not delete something else.
 */
import { compareBytes, EMPTY_BYTES, prefixEnd } from "../../base/bytes.ts";
import { utf8DecodeStrict, utf8Encode } from "../../base/utf8.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { INT64_MAX, INT64_MIN } from "../../protocol/codec/json-integer.ts";

export interface PlainTarget {
  readonly key: Uint8Array;
  /** Empty for a single key. */
  readonly rangeEnd: Uint8Array;
  readonly prefix: boolean;
  readonly watch: boolean;
  readonly keysOnly: boolean;
  readonly serializable: boolean;
  /** 0: the newest. */
  readonly revision: number;
  /** 0: not given. */
  readonly limit: number;
  /** Key at which a list continues; undefined at its beginning. */
  readonly from: Uint8Array | undefined;
  readonly lease: bigint;
}

/** Tags of `If-Match` or `If-None-Match`: mod revisions, or any revision. */
export type Tags = readonly number[] | "any";

export interface Conditions {
  readonly match: Tags | undefined;
  readonly noneMatch: Tags | undefined;
}

const PATH = "/kv/";
const TAGS_MAX = 16;
/** For a tag that is not one of ours, or weak where a strong one is required. No key has this revision. */
const NO_REVISION = -1;
const REVISION = /^(?:0|[1-9][0-9]{0,14})$/;
const TAG = /^(W\/)?(?:"([0-9]{1,15})"|([0-9]{1,15}))$/;

/** Allowed query parameters by method. */
const PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  GET: ["prefix", "watch", "keys", "serializable", "rev", "limit", "from"],
  PUT: ["lease"],
  DELETE: ["prefix"],
};

export function badRequest(message: string): EtcdError {
  return new EtcdError(GrpcCode.InvalidArgument, message);
}

export function plainTarget(request: Request): PlainTarget {
  const { pathname, search } = new URL(request.url);
  const key = percentDecode(pathname.slice(PATH.length), "the key");
  const parameters = parametersOf(search, PARAMETERS[request.method === "HEAD" ? "GET" : request.method] ?? []);
  const prefix = flag(parameters, "prefix");
  return {
    key,
    rangeEnd: prefix ? prefixEnd(key) : EMPTY_BYTES,
    prefix,
    watch: flag(parameters, "watch") || request.headers.get("accept") === "text/event-stream",
    keysOnly: flag(parameters, "keys"),
    serializable: flag(parameters, "serializable"),
    revision: whole(parameters, "rev"),
    limit: whole(parameters, "limit"),
    from: fromOf(parameters, key),
    lease: leaseOf(parameters),
  };
}

export function conditionsOf(headers: Headers): Conditions {
  return { match: tagsOf(headers.get("if-match"), false), noneMatch: tagsOf(headers.get("if-none-match"), true) };
}

export function anyCondition({ match, noneMatch }: Conditions): boolean {
  return match !== undefined || noneMatch !== undefined;
}

export function tagged(tags: Tags, revision: number): boolean {
  return tags === "any" || tags.includes(revision);
}

/** Last-Event-ID of a browser's EventSource overrides the revision in the URL, which is that of its first request. */
export function firstRevision(headers: Headers, target: PlainTarget): number {
  const seen = headers.get("last-event-id") ?? "";
  if (seen === "") return target.revision;
  if (!REVISION.test(seen)) throw badRequest(`Last-Event-ID is a revision, not ${JSON.stringify(seen)}`);
  return Number(seen) + 1;
}

/** JSON only for a client that prefers it to plain bytes. */
export function wantsJson(headers: Headers): boolean {
  let json = 0;
  let bytes = 0;
  for (const part of (headers.get("accept") ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = part.split(";").map((piece) => piece.trim());
    const quality = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? 1);
    if (type === "application/json") json = Math.max(json, quality);
    if (type === "text/plain" || type === "text/html" || type === "application/octet-stream") {
      bytes = Math.max(bytes, quality);
    }
  }
  return json > 0 && json >= bytes;
}

/** Encodes bytes for a query. Characters that are always allowed there stay unchanged. */
export function percentEncode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9_~/-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

function percentDecode(text: string, what: string): Uint8Array {
  if (/%(?![0-9A-Fa-f]{2})/.test(text)) throw badRequest(`${what} has a % that two hex digits do not follow`);
  const bytes = utf8Encode(text);
  const decoded = new Uint8Array(bytes.length);
  let length = 0;
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at] as number;
    if (byte === 0x25) {
      byte = Number.parseInt(String.fromCharCode(bytes[at + 1] as number, bytes[at + 2] as number), 16);
      at += 2;
    }
    decoded[length++] = byte;
  }
  return decoded.subarray(0, length);
}

function parametersOf(search: string, known: readonly string[]): ReadonlyMap<string, Uint8Array> {
  const parameters = new Map<string, Uint8Array>();
  for (const part of search.slice(1).split("&")) {
    if (part === "") continue;
    const [name = "", ...rest] = part.split("=");
    if (!known.includes(name)) {
      const told = known.length === 0 ? "none" : known.join(", ");
      throw badRequest(`unknown parameter ${JSON.stringify(name)}; here they are: ${told}`);
    }
    if (parameters.has(name)) throw badRequest(`${name} is given twice`);
    parameters.set(name, percentDecode(rest.join("=").replaceAll("+", " "), name));
  }
  return parameters;
}

function flag(parameters: ReadonlyMap<string, Uint8Array>, name: string): boolean {
  const value = textOf(parameters, name);
  if (value === undefined || value === "false" || value === "0") return false;
  if (value === "" || value === "true" || value === "1") return true;
  throw badRequest(`${name} is there or not, and has no value ${JSON.stringify(value)}`);
}

function whole(parameters: ReadonlyMap<string, Uint8Array>, name: string): number {
  const value = textOf(parameters, name) ?? "0";
  if (!REVISION.test(value)) throw badRequest(`${name} is a whole number, not ${JSON.stringify(value)}`);
  return Number(value);
}

function leaseOf(parameters: ReadonlyMap<string, Uint8Array>): bigint {
  const value = textOf(parameters, "lease") ?? "0";
  const lease = /^-?[0-9]{1,19}$/.test(value) ? BigInt(value) : undefined;
  if (lease === undefined || lease < INT64_MIN || lease > INT64_MAX) {
    throw badRequest(`lease is a lease's id as a decimal number, not ${JSON.stringify(value)}`);
  }
  return lease;
}

/** The continuation key must not be below the prefix itself. */
function fromOf(parameters: ReadonlyMap<string, Uint8Array>, key: Uint8Array): Uint8Array | undefined {
  const from = parameters.get("from");
  return from === undefined || compareBytes(from, key) < 0 ? undefined : from;
}

function textOf(parameters: ReadonlyMap<string, Uint8Array>, name: string): string | undefined {
  const bytes = parameters.get(name);
  return bytes === undefined ? undefined : (utf8DecodeStrict(bytes) ?? "\uFFFD");
}

function tagsOf(header: string | null, weak: boolean): Tags | undefined {
  if (header === null) return undefined;
  if (header.trim() === "*") return "any";
  // A comma between quotes is part of a tag, and then not of one of ours.
  const tags = (header.match(/(?:"[^"]*"|[^,])+/g) ?? [""]).map((tag) => revisionOf(tag.trim(), weak));
  if (tags.length > TAGS_MAX) throw badRequest(`at most ${TAGS_MAX} tags can be compared`);
  return tags;
}

/** Quotes may be omitted: users type this by hand. */
function revisionOf(tag: string, weak: boolean): number {
  const [, weakness, quoted, bare] = TAG.exec(tag) ?? [];
  if (weakness !== undefined && !weak) return NO_REVISION;
  const digits = quoted ?? bare;
  return digits === undefined ? NO_REVISION : Number(digits);
}
