/** Random messages of any schema, in the form in which a decoder returns them. */
import fc from "fast-check";
import type { FieldKind, FieldSpec, Schema } from "../../../src/protocol/codec/schema.ts";

const LEVELS_MAX = 4;

/** The values at which a varint grows by a byte, and their neighbours. */
const varintBorder = fc
  .tuple(fc.integer({ min: 0, max: 7 }), fc.constantFrom(-1, 0, 1), fc.constantFrom(1, -1))
  .map(([bytes, offset, sign]) => sign * (2 ** (7 * bytes) + offset));

export function arbitraryMessage<Message>(schema: Schema<Message>): fc.Arbitrary<Message> {
  return messageOf(schema, 0) as fc.Arbitrary<Message>;
}

function messageOf(schema: Schema<unknown>, level: number): fc.Arbitrary<unknown> {
  const fields = schema.fields.map((field) => [field.property, fieldOf(field, level)] as const);
  const record = fc.record(Object.fromEntries(fields)) as fc.Arbitrary<Record<string, unknown>>;
  return schema.isUnion ? record.map((bag) => bag["union"]) : record;
}

function fieldOf(field: FieldSpec, level: number): fc.Arbitrary<unknown> {
  const { kind } = field;
  if (field.repeated) return fc.array(valueOf(kind, level), { maxLength: level < LEVELS_MAX ? 3 : 0 });
  if (kind.type === "message" && kind.presence === "optional") {
    return level < LEVELS_MAX ? fc.option(valueOf(kind, level), { nil: undefined }) : fc.constant(undefined);
  }
  return valueOf(kind, level);
}

function valueOf(kind: FieldKind, level: number): fc.Arbitrary<unknown> {
  switch (kind.type) {
    case "int": {
      const min = kind.sign === "signed" ? Number.MIN_SAFE_INTEGER : 0;
      const numbers = fc.oneof(varintBorder, fc.maxSafeInteger(), fc.constantFrom(0, min, Number.MAX_SAFE_INTEGER));
      // Decoders never return a negative zero.
      return numbers.map((value) => (value < min ? -value : value) + 0);
    }
    case "id": {
      const signed = kind.sign === "signed";
      const min = signed ? -(1n << 63n) : 0n;
      const max = signed ? (1n << 63n) - 1n : (1n << 64n) - 1n;
      return fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(0n, min, max, 1n, 1n << 32n));
    }
    case "uint32":
      return fc.oneof(
        varintBorder.map((value) => value >>> 0),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.constant(0),
      );
    case "bool":
      return fc.boolean();
    case "string":
      return fc.string({ unit: "binary", maxLength: 10 });
    case "bytes":
      return fc.uint8Array({ maxLength: 40 });
    case "enum": {
      const names = kind.names.filter((name) => name !== undefined);
      const known = fc.constantFrom(...names);
      const foreign = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }).filter((n) => kind.names[n] === undefined);
      return kind.open ? fc.oneof({ weight: 4, arbitrary: known }, { weight: 1, arbitrary: foreign }) : known;
    }
    case "message":
      return fc.constant(undefined).chain(() => messageOf(kind.schema(), level + 1));
    case "oneof": {
      const none = fc.constant({ type: "none" });
      if (level >= LEVELS_MAX) return none;
      return fc.oneof(
        none,
        fc
          .constantFrom(...kind.members)
          .chain((member) =>
            valueOf(member.kind, level).map((value) => ({ type: member.property, [member.property]: value })),
          ),
      );
    }
  }
}
