/**
 * The protobuf codec: for each schema, one list of closures that write its fields and one table of closures that read
 * them, built at first use. (Generated code would be faster, but Workers forbid code from strings.)
 *
 * Decoding follows proto3: the last scalar wins, messages merge, repeated fields accumulate, packed or not, unknown
 * fields are skipped. A known field of the wrong wire type is rejected, because it can only be garbage or another
 * protocol.
 */
import { assert, unreachable } from "../../base/assert.ts";
import { DecodeError } from "../decode-error.ts";
import { ProtoReader, WIRE_BYTES, WIRE_VARINT } from "./proto-reader.ts";
import { ProtoWriter } from "./proto-writer.ts";
import type { FieldKind, FieldSpec, Schema } from "./schema.ts";

type Bag = Record<string, unknown>;

export interface DecodeOptions {
  /**
   * By default a `bytes` field is a view into the input. That avoids a copy, but keeps the whole input in memory and
   * changes with it. Copy if the input's buffer will be reused, or if a small field outlives a large input.
   */
  readonly copy?: boolean;
  /**
   * The number of nested messages, all levels combined. Default unlimited. Two bytes of input make one message of a
   * hundred bytes of memory, so set it for untrusted input.
   */
  readonly messagesMax?: number;
}

export function encode<Message>(schema: Schema<Message>, message: Message): Uint8Array {
  try {
    codecOf(schema).write(sharedWriter, message as Bag);
    return sharedWriter.finish();
  } catch (error) {
    sharedWriter.reset();
    throw error;
  }
}

export function decode<Message>(schema: Schema<Message>, bytes: Uint8Array, options?: DecodeOptions): Message {
  const reader = new ProtoReader(bytes, options?.copy === true, options?.messagesMax ?? Number.POSITIVE_INFINITY);
  return codecOf(schema).read(reader, undefined) as Message;
}

// Encoding is synchronous and never calls back, so one shared writer is enough.
const sharedWriter = new ProtoWriter();

interface Codec {
  /** Writes the fields of a message, without tag and length. */
  write(writer: ProtoWriter, message: Bag): void;
  /** Reads up to the reader's end, into `target` if given. */
  read(reader: ProtoReader, target: Bag | undefined): Bag;
}

type WriteField = (writer: ProtoWriter, message: Bag) => void;
type WriteValue = (writer: ProtoWriter, value: unknown) => void;
type ReadField = (reader: ProtoReader, message: Bag, wire: number) => void;
/** A message field is merged into `former`. */
type ReadValue = (reader: ProtoReader, former: unknown) => unknown;

const codecs = new WeakMap<Schema<unknown>, Codec>();

function codecOf(schema: Schema<unknown>): Codec {
  const known = codecs.get(schema);
  if (known !== undefined) return known;
  const codec = makeCodec(schema);
  codecs.set(schema, codec);
  return codec;
}

function makeCodec(schema: Schema<unknown>): Codec {
  const writers = schema.fields.map(fieldWriter).reverse();
  const readers = new Map<number, ReadField>();
  for (const field of schema.fields) addReaders(readers, field, schema.name);
  // Numbers below 16 are looked up in an array. Of etcd's frequent messages only the request header has a larger one.
  const low = Array.from({ length: 16 }, (_, number) => readers.get(number));
  const readFields = (reader: ProtoReader, message: Bag): void => {
    while (reader.at < reader.end) {
      const tag = reader.tag();
      const number = tag >>> 3;
      const read = number < 16 ? low[number] : readers.get(number);
      if (read === undefined) reader.skip(tag);
      else read(reader, message, tag & 7);
    }
  };
  const write = (writer: ProtoWriter, message: Bag): void => {
    for (const writeField of writers) writeField(writer, message);
  };
  if (!schema.isUnion) {
    return {
      write,
      read: (reader, target) => {
        const message = target ?? (schema.create() as Bag);
        readFields(reader, message);
        return message;
      },
    };
  }
  return {
    write: (writer, union) => write(writer, { union }),
    read: (reader, target) => {
      const holder = { union: target ?? schema.create() };
      readFields(reader, holder);
      return holder.union as Bag;
    },
  };
}

function fieldWriter(field: FieldSpec): WriteField {
  const { property, kind } = field;
  if (kind.type === "oneof") return oneofWriter(property, kind.members);
  const writeValue = valueWriter(field);
  if (!field.repeated) {
    const isAbsent = absence(kind);
    return (writer, message) => {
      const value = message[property];
      if (!isAbsent(value)) writeValue(writer, value);
    };
  }
  if (isPackable(kind)) return packedWriter(field);
  return (writer, message) => {
    const values = message[property] as readonly unknown[];
    for (let at = values.length - 1; at >= 0; at--) writeValue(writer, values[at]);
  };
}

function oneofWriter(property: string, members: readonly FieldSpec[]): WriteField {
  const byTag = new Map(members.map((member) => [member.property, valueWriter(member)]));
  return (writer, message) => {
    const union = message[property] as Bag & { readonly type: string };
    if (union.type === "none") return;
    const writeValue = byTag.get(union.type);
    assert(writeValue !== undefined, `a union has a member ${union.type}`);
    writeValue(writer, union[union.type]);
  };
}

/** proto3 packs repeated numbers; so does etcd. */
function packedWriter(field: FieldSpec): WriteField {
  const { property, number, kind } = field;
  const writeBare = bareWriter(kind);
  const tag = tagOf(number, WIRE_BYTES);
  return (writer, message) => {
    const values = message[property] as readonly unknown[];
    if (values.length === 0) return;
    const before = writer.length;
    for (let at = values.length - 1; at >= 0; at--) writeBare(writer, values[at]);
    writer.uint32(writer.length - before);
    writer.uint32(tag);
  };
}

/** Writes tag and value, also for zero. */
function valueWriter(field: FieldSpec): WriteValue {
  const { number, kind } = field;
  const tag = tagOf(number, wireOf(kind));
  const writeBare = bareWriter(kind);
  return (writer, value) => {
    writeBare(writer, value);
    writer.uint32(tag);
  };
}

function bareWriter(kind: FieldKind): WriteValue {
  switch (kind.type) {
    case "int":
      return kind.sign === "signed"
        ? (writer, value) => writer.int(value as number)
        : (writer, value) => {
            assert((value as number) >= 0, "an unsigned field is not negative");
            writer.int(value as number);
          };
    case "id":
      return (writer, value) => writer.id(value as bigint);
    case "uint32":
      return (writer, value) => {
        assert((value as number) >>> 0 === value, "a uint32 field holds a uint32");
        writer.uint32(value);
      };
    case "bool":
      return (writer, value) => writer.uint32(value === true ? 1 : 0);
    case "string":
      return (writer, value) => writer.string(value as string);
    case "bytes":
      return (writer, value) => writer.bytes(value as Uint8Array);
    case "enum": {
      const numbers = new Map(kind.names.map((name, number) => [name, number]));
      return (writer, value) => writer.int(typeof value === "number" ? value : enumNumber(numbers, value as string));
    }
    case "message": {
      let codec: Codec | undefined;
      return (writer, value) => {
        codec ??= codecOf(kind.schema());
        const before = writer.length;
        codec.write(writer, value as Bag);
        writer.uint32(writer.length - before);
      };
    }
    case "oneof":
      return assert(false, "a union is not a value") as never;
    default:
      return unreachable(kind);
  }
}

function enumNumber(numbers: ReadonlyMap<string | undefined, number>, name: string): number {
  const number = numbers.get(name);
  assert(number !== undefined, `the enum has a value ${name}`);
  return number;
}

function addReaders(readers: Map<number, ReadField>, field: FieldSpec, owner: string): void {
  const { property, kind } = field;
  if (kind.type === "oneof") {
    for (const member of kind.members) readers.set(member.number, oneofReader(property, member, owner));
    return;
  }
  readers.set(field.number, field.repeated ? repeatedReader(field, owner) : singularReader(field, owner));
}

function singularReader(field: FieldSpec, owner: string): ReadField {
  const { property, kind } = field;
  const readValue = valueReader(field, owner);
  const wanted = wireOf(kind);
  return (reader, message, wire) => {
    if (wire !== wanted) throw wrongWire(owner, field, wire);
    message[property] = readValue(reader, message[property]);
  };
}

function oneofReader(property: string, member: FieldSpec, owner: string): ReadField {
  const readValue = valueReader(member, owner);
  const wanted = wireOf(member.kind);
  const tag = member.property;
  return (reader, message, wire) => {
    if (wire !== wanted) throw wrongWire(owner, member, wire);
    const former = message[property] as Bag;
    message[property] = { type: tag, [tag]: readValue(reader, former["type"] === tag ? former[tag] : undefined) };
  };
}

/** Each message is created with its own lists, so they are filled in place. */
function repeatedReader(field: FieldSpec, owner: string): ReadField {
  const { property, kind } = field;
  const readValue = valueReader(field, owner);
  const wanted = wireOf(kind);
  const packable = isPackable(kind);
  return (reader, message, wire) => {
    const values = message[property] as unknown[];
    if (wire === wanted) {
      values.push(readValue(reader, undefined));
      return;
    }
    if (!packable || wire !== WIRE_BYTES) throw wrongWire(owner, field, wire);
    const outerEnd = reader.enter();
    while (reader.at < reader.end) values.push(readValue(reader, undefined));
    reader.leave(outerEnd);
  };
}

function valueReader(field: FieldSpec, owner: string): ReadValue {
  const { kind } = field;
  switch (kind.type) {
    case "int":
      return intReader(kind, `${owner}.${field.protoName}`);
    case "id":
      return kind.sign === "signed" ? (reader) => reader.signedId() : (reader) => reader.unsignedId();
    case "uint32":
      return (reader) => reader.uint32();
    case "bool":
      return (reader) => reader.bool();
    case "string":
      return (reader) => reader.string();
    case "bytes":
      return (reader) => reader.bytes();
    case "enum":
      return enumReader(kind, `${owner}.${field.protoName}`);
    case "message": {
      let codec: Codec | undefined;
      return (reader, former) => {
        codec ??= codecOf(kind.schema());
        const outerEnd = reader.enter();
        const message = codec.read(reader, former as Bag | undefined);
        reader.leave(outerEnd);
        return message;
      };
    }
    case "oneof":
      return assert(false, "a union is not a value") as never;
    default:
      return unreachable(kind);
  }
}

function intReader(kind: FieldKind & { readonly type: "int" }, path: string): ReadValue {
  const clamp = kind.beyond === "clamp";
  const signed = kind.sign === "signed";
  return (reader) => {
    const value = signed ? reader.int() : reader.uint();
    if (value !== undefined) return value;
    if (!clamp) throw new DecodeError(`${path}: an integer of 2^53 or more is not supported`);
    return signed ? reader.outOfRangeSign * Number.MAX_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
  };
}

function enumReader(kind: FieldKind & { readonly type: "enum" }, path: string): ReadValue {
  const { names, open } = kind;
  return (reader) => {
    // An enum is an int32: the low 32 bits of a longer varint count.
    const value = reader.uint32() | 0;
    const name = names[value];
    if (name !== undefined) return name;
    if (!open) throw new DecodeError(`${path}: unknown value ${value}`);
    return value;
  };
}

function absence(kind: FieldKind): (value: unknown) => boolean {
  switch (kind.type) {
    case "int":
    case "uint32":
      return (value) => value === 0;
    case "id":
      return (value) => value === 0n;
    case "bool":
      return (value) => value === false;
    case "string":
      return (value) => value === "";
    case "bytes":
      return (value) => (value as Uint8Array).length === 0;
    case "enum": {
      const zero = kind.names[0];
      return (value) => value === zero || value === 0;
    }
    case "message":
      return kind.presence === "unlessZero" ? zeroMessage(kind.schema) : (value) => value === undefined;
    case "oneof":
      return assert(false, "a union is not a value") as never;
    default:
      return unreachable(kind);
  }
}

/** The zero values of messages with single scalars only. */
function zeroMessage(schema: () => Schema<unknown>): (value: unknown) => boolean {
  let absent: ((message: Bag) => boolean)[] | undefined;
  return (value) => {
    absent ??= schema().fields.map(({ property, kind }) => {
      const isAbsent = absence(kind);
      return (message) => isAbsent(message[property]);
    });
    return absent.every((isAbsent) => isAbsent(value as Bag));
  };
}

function isPackable(kind: FieldKind): boolean {
  return wireOf(kind) === WIRE_VARINT;
}

function wireOf(kind: FieldKind): number {
  return kind.type === "string" || kind.type === "bytes" || kind.type === "message" ? WIRE_BYTES : WIRE_VARINT;
}

function tagOf(number: number, wire: number): number {
  return ((number << 3) | wire) >>> 0;
}

function wrongWire(owner: string, field: FieldSpec, wire: number): DecodeError {
  return new DecodeError(`${owner}.${field.protoName}: wire type ${wire}`);
}
