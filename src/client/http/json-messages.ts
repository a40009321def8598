/**
 * Encodes and decodes messages as etcd's JSON gateway does, by one table per message.
 *
 * Neither uses the codec of src/protocol: that one validates untrusted input with protojson's error texts, scans pieces,
 * and is larger than this whole client. JSON.parse is enough here, because gateways write 64-bit integers as strings.
 */
import { unreachable } from "../../base/assert.ts";
import { jsonName } from "../../protocol/codec/schema.ts";
import type { FieldKind, FieldSpec, Schema } from "../../protocol/codec/schema.ts";
import { toBytes, toText } from "../common/convert.ts";
import { parseJson, statusError } from "./http-errors.ts";
import { checked, fromBase64, idOf, intOf, isBag, readMessage, refuse, toBase64 } from "./json-values.ts";
import type { Bag } from "./json-values.ts";

export function requestText<Message>(schema: Schema<Message>, message: Message): string {
  return JSON.stringify(jsonOf(schema, message));
}

export function lineOf<Message>(schema: Schema<Message>, endpoint: string, line: string): Message {
  const json = parseJson(line);
  const error = statusError(json);
  if (error !== undefined) throw error;
  return readMessage(endpoint, line, () => messageOf(schema, isBag(json) ? json["result"] : undefined));
}

export function responseOf<Message>(schema: Schema<Message>, endpoint: string, text: string): Message {
  return readMessage(endpoint, text, () => messageOf(schema, parseJson(text)));
}

function jsonOf(schema: Schema<unknown>, message: unknown): Bag {
  const bag = (schema.isUnion ? { union: message } : message) as Bag;
  const json: Bag = {};
  for (const field of schema.fields) {
    const value = bag[field.property];
    if (field.kind.type === "oneof") {
      const union = value as Bag;
      const member = field.kind.members.find(({ property }) => property === union["type"]);
      if (member !== undefined) json[member.protoName] = jsonValue(member.kind, union[member.property]);
    } else if (field.repeated) {
      const values = value as readonly unknown[];
      if (values.length > 0) json[field.protoName] = values.map((item) => jsonValue(field.kind, item));
    } else if (!isZero(field.kind, value)) json[field.protoName] = jsonValue(field.kind, value);
  }
  return json;
}

function isZero({ type, ...kind }: FieldKind, value: unknown): boolean {
  if (type === "bytes") return (value as Uint8Array).length === 0;
  return !value || (type === "enum" && "names" in kind && value === kind.names[0]);
}

function jsonValue(kind: FieldKind, value: unknown): unknown {
  switch (kind.type) {
    case "message":
      return jsonOf(kind.schema(), value);
    case "int":
    case "id":
      return String(value);
    case "bytes":
      return toBase64(value as Uint8Array);
    case "string":
      // A lone surrogate is not allowed in UTF-8.
      return toText(toBytes(value as string));
    case "enum":
      return typeof value === "number" ? (kind.names[value] ?? value) : value;
    case "bool":
    case "uint32":
    case "oneof":
      return value;
    default:
      return unreachable(kind);
  }
}

function messageOf<Message>(schema: Schema<Message>, json: unknown): Message {
  const given = isBag(json) ? json : refuse();
  const created = schema.create() as Bag;
  const message: Bag = schema.isUnion ? { union: created } : created;
  for (const field of schema.fields) {
    const value = fieldValue(field, given);
    if (value !== undefined) message[field.property] = value;
  }
  return (schema.isUnion ? message["union"] : message) as Message;
}

function fieldValue({ kind, protoName, repeated }: FieldSpec, json: Bag): unknown {
  if (kind.type === "oneof") {
    for (const member of kind.members) {
      const value = fieldValue(member, json);
      if (value !== undefined) return { type: member.property, [member.property]: value };
    }
    return undefined;
  }
  const value = json[protoName] ?? json[jsonName(protoName)];
  if (value === undefined || value === null) return undefined;
  if (!repeated) return valueOf(kind, value);
  return Array.isArray(value) ? value.map((item) => valueOf(kind, item)) : refuse();
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
      return fromBase64(json);
    case "enum":
      return typeof json === "number" ? (kind.names[json] ?? json) : checked("string", json);
    case "bool":
      return checked("boolean", json);
    case "string":
    case "oneof":
      // The members of a union are read in its parent message.
      return checked("string", json);
    default:
      return unreachable(kind);
  }
}
