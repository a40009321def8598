/**
 * Decodes messages from JSON as etcd's gateway does (protojson, unknown fields discarded): fields under their proto or
 * their lowerCamelCase name, `null` for absent, 64-bit integers as numbers or strings, bytes in base64 of either
 * alphabet, enums by name or number. All errors are `EtcdError`s of code InvalidArgument, with protojson's messages.
 */
import { assert, unreachable } from "../../base/assert.ts";
import { fromBase64 } from "../../base/text-codes.ts";
import { utf8DecodeStrict } from "../../base/utf8.ts";
import { errTooManyOps } from "../errors.ts";
import type { EtcdError } from "../errors.ts";
import { INT64_MAX, INT64_MIN, UINT64_MAX, integerOf, numberIn } from "./json-integer.ts";
import { invalidJson, positionText } from "./json-errors.ts";
import { checkPairs } from "./json-pairs.ts";
import { scanJsonValue, skipSpace } from "./json-scan.ts";
import type { JsonWhole } from "./json-whole.ts";
import { DEPTH_MAX } from "./proto-reader.ts";
import { jsonName } from "./schema.ts";
import type { FieldKind, FieldSpec, Schema } from "./schema.ts";

type Bag = Record<string, unknown>;

export interface JsonDecodeOptions {
  /** As for protobuf: the number of nested messages, all levels combined. Default unlimited. */
  readonly messagesMax?: number;
}

/**
 * Decodes a body as the gateway does: only space is the empty message, and text after the first value is ignored. Bound
 * the input's size before.
 */
export function decodeJson<Message>(
  schema: Schema<Message>,
  input: Uint8Array | string,
  options?: JsonDecodeOptions,
): Message {
  const text = typeof input === "string" ? input : utf8DecodeStrict(input);
  if (text === undefined) throw invalidJson("proto: syntax error: invalid UTF-8 in string");
  const start = skipSpace(text, 0);
  if (start === text.length) return schema.create();
  const whole = { start, end: scanJsonValue(text, start) };
  return new JsonReader(text, whole, options?.messagesMax ?? Number.POSITIVE_INFINITY).message(schema) as Message;
}

/** A field found by its name. `union` is the union that it belongs to. */
interface NamedField {
  readonly field: FieldSpec;
  /** The property of the message that contains the union, and the union's name. */
  readonly union: { readonly property: string; readonly name: string } | undefined;
}

const tables = new WeakMap<Schema<unknown>, ReadonlyMap<string, NamedField>>();

function tableOf(schema: Schema<unknown>): ReadonlyMap<string, NamedField> {
  const known = tables.get(schema);
  if (known !== undefined) return known;
  const table = new Map<string, NamedField>();
  for (const field of schema.fields) {
    const { kind } = field;
    const members = kind.type === "oneof" ? kind.members : [field];
    const union = kind.type === "oneof" ? { property: field.property, name: `${schema.name}.${kind.name}` } : undefined;
    for (const member of members) {
      table.set(member.protoName, { field: member, union });
      table.set(jsonName(member.protoName), { field: member, union });
    }
  }
  tables.set(schema, table);
  return table;
}

/** Decodes a text that the scanner has accepted as JSON. */
class JsonReader {
  readonly #text: string;
  readonly #whole: JsonWhole;
  #at: number;
  #messagesLeft: number;
  #depth: number = 0;

  constructor(text: string, whole: JsonWhole, messagesMax: number) {
    this.#text = text;
    this.#whole = whole;
    this.#at = whole.start;
    // The outermost message is not counted.
    this.#messagesLeft = messagesMax + 1;
  }

  message(schema: Schema<unknown>): unknown {
    if (this.#peek() !== "{") throw this.#unexpected();
    if (this.#messagesLeft-- <= 0) throw invalidJson("proto: too many messages in one");
    // Of etcd's messages only txns nest without limit. Deeper ones are rejected with this error.
    if (this.#depth === DEPTH_MAX) throw errTooManyOps;
    this.#depth++;
    const message = this.#fields(schema);
    this.#depth--;
    return message;
  }

  #fields(schema: Schema<unknown>): unknown {
    const table = tableOf(schema);
    const created = schema.create() as Bag;
    const message: Bag = schema.isUnion ? { union: created } : created;
    if (this.#opens("}")) return created;
    const seen = new Set<FieldSpec>();
    do {
      this.#peek();
      const nameAt = this.#at;
      const name = this.#string();
      const rawName = this.#text.slice(nameAt, this.#at);
      this.#skip(":");
      const named = table.get(name);
      if (named === undefined) {
        this.#skipValue();
        continue;
      }
      if (seen.has(named.field)) throw this.#error(nameAt, `duplicate field ${rawName}`);
      seen.add(named.field);
      this.#field(message, named, nameAt, rawName);
    } while (!this.#closes("}"));
    return schema.isUnion ? message["union"] : message;
  }

  #field(message: Bag, named: NamedField, nameAt: number, rawName: string): void {
    const { field, union } = named;
    if (this.#peek() === "n") {
      this.#skipValue();
      return;
    }
    if (field.repeated) {
      message[field.property] = this.#list(field);
      return;
    }
    if (union === undefined) {
      const value = this.#value(field);
      if (value !== undefined) message[field.property] = value;
      return;
    }
    if ((message[union.property] as Bag)["type"] !== "none") {
      throw this.#error(nameAt, `error parsing ${rawName}, oneof ${union.name} is already set`);
    }
    const value = this.#value(field);
    if (value !== undefined) message[union.property] = { type: field.property, [field.property]: value };
  }

  #list(field: FieldSpec): unknown[] {
    if (this.#peek() !== "[") throw this.#unexpected();
    const values: unknown[] = [];
    if (this.#opens("]")) return values;
    do {
      const value = this.#value(field);
      if (value !== undefined) values.push(value);
    } while (!this.#closes("]"));
    return values;
  }

  /** Returns undefined for a name that the enum does not have: an unknown value is discarded. */
  #value(field: FieldSpec): unknown {
    const { kind } = field;
    if (kind.type === "message") return this.message(kind.schema());
    const at = skipSpace(this.#text, this.#at);
    const value = this.#scalar(kind);
    const raw = (): string => ("{[".includes(this.#text.charAt(at)) ? this.#text.charAt(at) : this.#rawText(at));
    const described = `${protoKind(kind)} field ${jsonName(field.protoName)}`;
    if (value === INVALID) throw this.#error(at, `invalid value for ${described}: ${raw()}`);
    if (value === UNSAFE) throw this.#error(at, `value of 2^53 or more is not supported for ${described}: ${raw()}`);
    return value;
  }

  #scalar(kind: FieldKind): unknown {
    switch (kind.type) {
      case "int":
        return intOf(kind, this.#integer());
      case "id":
        return inRange(this.#integer(), kind.sign === "signed" ? INT64_MIN : 0n, maximum(kind.sign));
      case "uint32": {
        const value = inRange(this.#integer(), 0n, 0xffff_ffffn);
        return typeof value === "bigint" ? Number(value) : value;
      }
      case "bool":
        return this.#bool();
      case "string":
        return this.#peek() === '"' ? this.#string() : this.#invalid();
      case "bytes":
        return this.#peek() === '"' ? (bytesOf(this.#string()) ?? INVALID) : this.#invalid();
      case "enum":
        return this.#enum(kind);
      case "message":
      case "oneof":
        return assert(false, "a scalar");
      default:
        return unreachable(kind);
    }
  }

  #integer(): bigint | undefined {
    if (this.#peek() === '"') return integerOf(numberIn(this.#string()));
    const from = this.#at;
    this.#skipValue();
    return integerOf(this.#text.slice(from, this.#at));
  }

  #bool(): unknown {
    const first = this.#peek();
    this.#skipValue();
    return first === "t" ? true : first === "f" ? false : INVALID;
  }

  #enum(kind: FieldKind & { readonly type: "enum" }): unknown {
    if (this.#peek() === '"') {
      const name = this.#string();
      return kind.names.includes(name) ? name : undefined;
    }
    const value = inRange(this.#integer(), -0x8000_0000n, 0x7fff_ffffn);
    if (typeof value !== "bigint") return INVALID;
    const number = Number(value);
    return kind.names[number] ?? (kind.open ? number : INVALID);
  }

  /** Returns the start of a long value, which is enough to find it. */
  #rawText(at: number): string {
    const raw = this.#text.slice(at, Math.min(this.#at, at + RAW_TEXT_MAX));
    return this.#at - at > RAW_TEXT_MAX ? `${raw}…` : raw;
  }

  #invalid(): symbol {
    this.#skipValue();
    return INVALID;
  }

  #string(): string {
    const from = skipSpace(this.#text, this.#at);
    let at = from + 1;
    let escaped = false;
    let mayHaveHalves = false;
    for (let unit = this.#text.charCodeAt(at); unit !== 0x22; unit = this.#text.charCodeAt(at)) {
      if (unit === 0x5c) escaped = true;
      else if (unit >= 0xd800) mayHaveHalves = true;
      at += unit === 0x5c ? 2 : 1;
    }
    this.#at = at + 1;
    if (escaped || mayHaveHalves) checkPairs(this.#text, from, this.#whole);
    return escaped ? (JSON.parse(this.#text.slice(from, this.#at)) as string) : this.#text.slice(from + 1, at);
  }

  /** Returns the first character of the next token. */
  #peek(): string {
    this.#at = skipSpace(this.#text, this.#at);
    return this.#text.charAt(this.#at);
  }

  #skip(expected: string): void {
    assert(this.#peek() === expected, `the scanner has seen a ${expected} here`);
    this.#at++;
  }

  /** Skips the opening bracket, and the closing one if it follows at once. */
  #opens(closing: string): boolean {
    this.#at++;
    if (this.#peek() !== closing) return false;
    this.#at++;
    return true;
  }

  /** Skips the closing bracket or the comma. */
  #closes(closing: string): boolean {
    const next = this.#peek();
    this.#at++;
    return next === closing;
  }

  #skipValue(): void {
    this.#at = scanJsonValue(this.#text, this.#at, this.#whole);
  }

  #unexpected(): EtcdError {
    const at = skipSpace(this.#text, this.#at);
    const first = this.#text.charAt(at);
    if (first !== "{" && first !== "[") this.#skipValue();
    const token = first === "{" || first === "[" ? first : this.#rawText(at);
    return invalidJson(
      `proto: syntax error ${positionText(this.#text, this.#whole.start, at)}: unexpected token ${token}`,
    );
  }

  #error(at: number, message: string): EtcdError {
    const from = skipSpace(this.#text, at);
    return invalidJson(`proto: ${positionText(this.#text, this.#whole.start, from)}: ${message}`);
  }
}

const RAW_TEXT_MAX = 256;
const INVALID = Symbol("invalid");
const UNSAFE = Symbol("unsafe");

function intOf(kind: FieldKind & { readonly type: "int" }, value: bigint | undefined): number | symbol {
  const ranged = inRange(value, kind.sign === "signed" ? INT64_MIN : 0n, maximum(kind.sign));
  if (typeof ranged !== "bigint") return ranged;
  const number = Number(ranged);
  if (Number.isSafeInteger(number)) return number;
  if (kind.beyond === "refuse") return UNSAFE;
  return number < 0 ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
}

function inRange(value: bigint | undefined, low: bigint, high: bigint): bigint | symbol {
  return value === undefined || value < low || value > high ? INVALID : value;
}

function maximum(sign: "signed" | "unsigned"): bigint {
  return sign === "signed" ? INT64_MAX : UINT64_MAX;
}

function protoKind(kind: FieldKind): string {
  if (kind.type === "int" || kind.type === "id") return kind.sign === "signed" ? "int64" : "uint64";
  return kind.type;
}

/** Go's decoder skips line breaks. protojson counts them when it decides whether padding is expected. */
function bytesOf(text: string): Uint8Array | undefined {
  if (!text.includes("\n") && !text.includes("\r")) return fromBase64(text);
  const digits = text.replaceAll(/[\r\n]/g, "");
  const isPadded = text.length % 4 === 0;
  return (isPadded ? digits.length % 4 !== 0 : digits.includes("=")) ? undefined : fromBase64(digits);
}
