/**
 * Encodes and decodes messages as etcd's JSON gateway does.
 *
 * Decoding does not use the decoder of src/protocol: that one validates untrusted input with protojson's error texts,
 * and is larger than this whole client. JSON.parse is enough here, because gateways write 64-bit integers as strings.
 */
import { unreachable } from "../../base/assert.ts";
import { fromBase64 } from "../../base/text-codes.ts";
import { encodeJson } from "../../protocol/codec/json-encode.ts";
import { jsonName } from "../../protocol/codec/schema.ts";
import type { FieldKind, FieldSpec, Schema } from "../../protocol/codec/schema.ts";
import { watchRequestSchema, watchResponseSchema } from "../../protocol/api/schema/watch-schema.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import { unexpectedResponseError, parseJson, statusError } from "./http-errors.ts";

type Bag = Record<string, unknown>;

export function watchRequestText(request: WatchRequest): string {
  return encodeJson(watchRequestSchema, request);
}

/** Decodes a line of a streamed response: a response under `result`, or the stream's final error under `error`. */
export function watchResponseOf(endpoint: string, line: string): WatchResponse {
  return lineOf(watchResponseSchema, endpoint, line);
}

export function lineOf<Message>(schema: Schema<Message>, endpoint: string, line: string): Message {
  const json = parseJson(line);
  const error = statusError(json);
  if (error !== undefined) throw error;
  const result = isBag(json) ? json["result"] : undefined;
  return orForeign(endpoint, line, () => messageOf(schema, result));
}

export function responseOf<Message>(schema: Schema<Message>, endpoint: string, text: string): Message {
  return orForeign(endpoint, text, () => messageOf(schema, parseJson(text)));
}

/** Thrown and caught in this file only. */
class NotTheMessage extends Error {}

function orForeign<Message>(endpoint: string, text: string, read: () => Message): Message {
  try {
    return read();
  } catch (error) {
    if (error instanceof NotTheMessage) throw unexpectedResponseError(endpoint, text);
    throw error;
  }
}

function messageOf<Message>(schema: Schema<Message>, json: unknown): Message {
  if (!isBag(json)) throw new NotTheMessage();
  const created = schema.create() as Bag;
  const message: Bag = schema.isUnion ? { union: created } : created;
  for (const field of schema.fields) {
    const value = fieldValue(field, json);
    if (value !== undefined) message[field.property] = value;
  }
  return (schema.isUnion ? message["union"] : message) as Message;
}

function fieldValue(field: FieldSpec, json: Bag): unknown {
  const { kind } = field;
  if (kind.type === "oneof") {
    for (const member of kind.members) {
      const value = fieldValue(member, json);
      if (value !== undefined) return { type: member.property, [member.property]: value };
    }
    return undefined;
  }
  const value = json[field.protoName] ?? json[jsonName(field.protoName)];
  if (value === undefined || value === null) return undefined;
  if (!field.repeated) return valueOf(kind, value);
  if (!Array.isArray(value)) throw new NotTheMessage();
  return value.map((item) => valueOf(kind, item));
}

function valueOf(kind: FieldKind, json: unknown): unknown {
  switch (kind.type) {
    case "message":
      return messageOf(kind.schema(), json);
    case "int":
    case "uint32":
      return intOf(json);
    case "id":
      return idOf(json);
    case "bytes":
      return (typeof json === "string" ? fromBase64(json) : undefined) ?? refuse();
    case "string":
      return typeof json === "string" ? json : refuse();
    case "bool":
      return typeof json === "boolean" ? json : refuse();
    case "enum":
      return typeof json === "number" ? (kind.names[json] ?? json) : typeof json === "string" ? json : refuse();
    case "oneof":
      // The members of a union are read in its parent message.
      return refuse();
    default:
      return unreachable(kind);
  }
}

function intOf(json: unknown): number {
  const value = typeof json === "string" && json !== "" ? Number(json) : json;
  return Number.isSafeInteger(value) ? (value as number) : refuse();
}

function idOf(json: unknown): bigint {
  if (typeof json === "string" && /^-?\d{1,20}$/.test(json)) return BigInt(json);
  return Number.isSafeInteger(json) ? BigInt(json as number) : refuse();
}

function refuse(): never {
  throw new NotTheMessage();
}

function isBag(json: unknown): json is Bag {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
