/**
 * Describes each message once. The protobuf and the JSON codec are both built from it. A table is keyed by the
 * message's own property names and checked against its type, so a message and its table cannot diverge. Each field has
 * its number and etcd's name for it.
 *
 *   message<KeyValue>("mvccpb.KeyValue", keyValue, { key: bytes(1, "key"), lease: id(6, "lease", "signed"), … })
 *
 * Presence follows proto3: a zero scalar is absent. A message field is either `optional` (undefined when absent) or
 * `always` (a message of zeroes when absent, and always written), as etcd's servers do with the response header; or
 * `unlessZero` (a message of zeroes when absent, and left out of protobuf if it is nothing else).
 */

export type Signedness = "signed" | "unsigned";

export type FieldKind =
  /** A 64-bit integer stored as a number, so below 2^53. `clamp` replaces larger values by the nearest safe integer. */
  | { readonly type: "int"; readonly sign: Signedness; readonly beyond: "refuse" | "clamp" }
  /** A 64-bit integer stored as a bigint. */
  | { readonly type: "id"; readonly sign: Signedness }
  | { readonly type: "uint32" }
  | { readonly type: "bool" }
  | { readonly type: "string" }
  | { readonly type: "bytes" }
  /** `names[n]` is the name of value n. An open enum keeps other values as numbers, a closed one rejects them. */
  | { readonly type: "enum"; readonly names: readonly (string | undefined)[]; readonly open: boolean }
  | {
      readonly type: "message";
      readonly schema: () => Schema<unknown>;
      readonly presence: "optional" | "always" | "unlessZero";
    }
  /** A union value `{ type: tag, [tag]: value }` or `{ type: "none" }`; `name` is the union's name in the .proto. */
  | { readonly type: "oneof"; readonly name: string; readonly members: readonly FieldSpec[] };

export interface Field<Value> {
  readonly number: number;
  readonly protoName: string;
  readonly kind: FieldKind;
  readonly repeated: boolean;
  /** Never set: it only ties the field to its TypeScript type. */
  readonly phantom?: (value: Value) => Value;
}

export interface FieldSpec {
  /** The property in the message, or the tag in a union. */
  readonly property: string;
  readonly number: number;
  readonly protoName: string;
  readonly kind: FieldKind;
  readonly repeated: boolean;
}

export interface Schema<Message> {
  /** The name, with the protobuf package. */
  readonly name: string;
  /** Returns a new message of zero values, which a decoder may fill in place. */
  readonly create: () => Message;
  readonly fields: readonly FieldSpec[];
  /** The message consists of one union, and so does its TypeScript value. */
  readonly isUnion: boolean;
}

type Fields<Message> = { readonly [Property in keyof Message]-?: Field<Message[Property]> };

type Tagged = { readonly type: string };

/** The members of a union of `{ type: tag, [tag]: value }`, except `none`. */
type Members<Union extends Tagged> = {
  readonly [Tag in Exclude<Union["type"], "none">]: Extract<Union, { readonly type: Tag }> extends {
    readonly [Key in Tag]: infer Value;
  }
    ? Field<Value>
    : never;
};

// Marked as free of side effects, so that a bundle contains only the tables that it uses.
/* @__NO_SIDE_EFFECTS__ */
export function message<Message>(name: string, create: () => Message, fields: Fields<Message>): Schema<Message> {
  return { name, create, fields: specsOf(fields), isUnion: false };
}

/* @__NO_SIDE_EFFECTS__ */
export function unionMessage<Union extends Tagged>(
  name: string,
  unionName: string,
  none: Union,
  members: Members<Union>,
): Schema<Union> {
  const union = specsOf({ union: oneof<Union>(unionName, members) });
  return { name, create: () => none, fields: union, isUnion: true };
}

/* @__NO_SIDE_EFFECTS__ */
export function int(number: number, protoName: string): Field<number> {
  return scalar(number, protoName, { type: "int", sign: "signed", beyond: "refuse" });
}

/* @__NO_SIDE_EFFECTS__ */
export function uint(number: number, protoName: string): Field<number> {
  return scalar(number, protoName, { type: "int", sign: "unsigned", beyond: "refuse" });
}

/** For bounds (limit, TTL, filter), where "more than 2^53" and "unlimited" mean the same. */
/* @__NO_SIDE_EFFECTS__ */
export function clampedInt(number: number, protoName: string): Field<number> {
  return scalar(number, protoName, { type: "int", sign: "signed", beyond: "clamp" });
}

/* @__NO_SIDE_EFFECTS__ */
export function id(number: number, protoName: string, sign: Signedness): Field<bigint> {
  return scalar(number, protoName, { type: "id", sign });
}

/* @__NO_SIDE_EFFECTS__ */
export function uint32(number: number, protoName: string): Field<number> {
  return scalar(number, protoName, { type: "uint32" });
}

/* @__NO_SIDE_EFFECTS__ */
export function bool(number: number, protoName: string): Field<boolean> {
  return scalar(number, protoName, { type: "bool" });
}

/* @__NO_SIDE_EFFECTS__ */
export function string(number: number, protoName: string): Field<string> {
  return scalar(number, protoName, { type: "string" });
}

/* @__NO_SIDE_EFFECTS__ */
export function bytes(number: number, protoName: string): Field<Uint8Array> {
  return scalar(number, protoName, { type: "bytes" });
}

/* @__NO_SIDE_EFFECTS__ */
export function openEnum<Value extends string | number>(
  number: number,
  protoName: string,
  names: readonly Extract<Value, string>[],
): Field<Value> {
  return scalar(number, protoName, { type: "enum", names, open: true });
}

/* @__NO_SIDE_EFFECTS__ */
export function closedEnum<Value extends string>(
  number: number,
  protoName: string,
  names: readonly (Value | undefined)[],
): Field<Value> {
  return scalar(number, protoName, { type: "enum", names, open: false });
}

/** The schema is a function because messages refer to each other. */
/* @__NO_SIDE_EFFECTS__ */
export function optional<Message>(
  number: number,
  protoName: string,
  schema: () => Schema<Message>,
): Field<Message | undefined> {
  return scalar(number, protoName, { type: "message", schema, presence: "optional" });
}

/* @__NO_SIDE_EFFECTS__ */
export function always<Message>(number: number, protoName: string, schema: () => Schema<Message>): Field<Message> {
  return scalar(number, protoName, { type: "message", schema, presence: "always" });
}

/* @__NO_SIDE_EFFECTS__ */
export function unlessZero<Message>(number: number, protoName: string, schema: () => Schema<Message>): Field<Message> {
  return scalar(number, protoName, { type: "message", schema, presence: "unlessZero" });
}

/* @__NO_SIDE_EFFECTS__ */
export function repeated<Value>(field: Field<Value>): Field<readonly Value[]> {
  const { number, protoName, kind } = field;
  return { number, protoName, kind, repeated: true };
}

/* @__NO_SIDE_EFFECTS__ */
export function oneof<Union extends Tagged>(name: string, members: Members<Union>): Field<Union> {
  const specs = specsOf(members);
  const number = Math.min(...specs.map((spec) => spec.number));
  return scalar(number, name, { type: "oneof", name, members: specs });
}

/** Returns the JSON name beside `protoName`: underscores are removed and the next letter becomes upper case. */
export function jsonName(protoName: string): string {
  return protoName.replace(/_(.?)/g, (_, letter: string) => letter.toUpperCase());
}

function scalar<Value>(number: number, protoName: string, kind: FieldKind): Field<Value> {
  return { number, protoName, kind, repeated: false };
}

/** The type checker has checked the tables where they were written; from here on they are data. */
function specsOf(fields: object): FieldSpec[] {
  const specs = Object.entries(fields as Readonly<Record<string, Omit<FieldSpec, "property">>>).map(
    ([property, { number, protoName, kind, repeated: isRepeated }]) => ({
      property,
      number,
      protoName,
      kind,
      repeated: isRepeated,
    }),
  );
  return specs.sort((left, right) => left.number - right.number);
}
