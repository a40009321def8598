/**
 * Encodes messages as JSON as etcd's gateway does: proto names, zero values left out, 64-bit integers as decimal
 * strings, bytes in standard base64, enums by name. (protojson also inserts spaces at random; this does not.)
 */
import { assert, unreachable } from "../../base/assert.ts";
import { toBase64 } from "../../base/text-codes.ts";
import type { FieldKind, FieldSpec, Schema } from "./schema.ts";

type Bag = Readonly<Record<string, unknown>>;

export function encodeJson<Message>(schema: Schema<Message>, message: Message): string {
  return messageText(schema, message);
}

function messageText(schema: Schema<unknown>, message: unknown): string {
  const bag = (schema.isUnion ? { union: message } : message) as Bag;
  let text = "";
  for (const field of schema.fields) {
    const fieldText = fieldJson(field, bag[field.property]);
    if (fieldText === "") continue;
    text += text === "" ? fieldText : `,${fieldText}`;
  }
  return `{${text}}`;
}

/** Returns `"name":value`, or nothing for an absent value. */
function fieldJson(field: FieldSpec, value: unknown): string {
  const { kind } = field;
  if (kind.type === "oneof") {
    const union = value as Bag & { readonly type: string };
    if (union.type === "none") return "";
    const member = kind.members.find((candidate) => candidate.property === union.type);
    assert(member !== undefined, `a union has a member ${union.type}`);
    return `"${member.protoName}":${valueText(member.kind, union[union.type])}`;
  }
  if (field.repeated) {
    const values = value as readonly unknown[];
    if (values.length === 0) return "";
    return `"${field.protoName}":[${values.map((item) => valueText(kind, item)).join(",")}]`;
  }
  return isZero(kind, value) ? "" : `"${field.protoName}":${valueText(kind, value)}`;
}

function isZero(kind: FieldKind, value: unknown): boolean {
  switch (kind.type) {
    case "int":
    case "uint32":
      return value === 0;
    case "id":
      return value === 0n;
    case "bool":
      return value === false;
    case "string":
      return value === "";
    case "bytes":
      return (value as Uint8Array).length === 0;
    case "enum":
      return value === 0 || value === kind.names[0];
    case "message":
      return value === undefined;
    case "oneof":
      return assert(false, "a value") as never;
    default:
      return unreachable(kind);
  }
}

function valueText(kind: FieldKind, value: unknown): string {
  switch (kind.type) {
    case "int":
      assert(Number.isSafeInteger(value), "an integer field holds a safe integer");
      return `"${value as number}"`;
    case "id":
      return `"${value as bigint}"`;
    case "uint32":
      return `${value as number}`;
    case "bool":
      return value === true ? "true" : "false";
    case "string":
      return JSON.stringify(wellFormed(value as string));
    case "bytes":
      return `"${toBase64(value as Uint8Array)}"`;
    case "enum": {
      const name = typeof value === "number" ? kind.names[value] : (value as string);
      return name === undefined ? `${value as number}` : `"${name}"`;
    }
    case "message":
      return messageText(kind.schema(), value);
    case "oneof":
      return assert(false, "a value") as never;
    default:
      return unreachable(kind);
  }
}

const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** A lone surrogate is not allowed in UTF-8. The protobuf codec replaces it too. */
function wellFormed(text: string): string {
  return text.replace(LONE_SURROGATE, "\ufffd");
}
