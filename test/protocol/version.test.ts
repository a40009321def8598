import { expect, test } from "vitest";
import { crc32c } from "../../src/base/crc32c.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import type { FieldKind, FieldSpec } from "../../src/protocol/codec/schema.ts";
import { PROTOCOL_VERSION } from "../../src/protocol/version.ts";
import { ALL_SCHEMAS } from "./support/all-schemas.ts";

/**
 * The checksum of the tables that members read of each other and of their disks, by protocol version. A change that old
 * members would misread needs a new PROTOCOL_VERSION and a new line here; one that they merely skip (a new field or
 * message) needs a new checksum.
 */
const OURS: Readonly<Record<number, string>> = { 1: "98d4d631" };

/** etcd's messages, which are not ours to change. */
const ETCDS = "4c9dd33a";

const isOurs = (name: string): boolean => /^(quorate|raftpb)\./.test(name);

test("members' tables change only together with their checksum, and their version if members would misread them", () => {
  expect(checksum(isOurs), `of\n${tables(isOurs)}`).toBe(OURS[PROTOCOL_VERSION]);
});

test("etcd's tables do not change", () => {
  expect(checksum((name) => !isOurs(name))).toBe(ETCDS);
});

function checksum(chosen: (name: string) => boolean): string {
  return crc32c(utf8Encode(tables(chosen))).toString(16);
}

function tables(chosen: (name: string) => boolean): string {
  const some = ALL_SCHEMAS.filter((schema) => chosen(schema.name));
  return some.map((schema) => `${schema.name} { ${schema.fields.map(fieldText).join("; ")} }`).join("\n");
}

function fieldText(field: FieldSpec): string {
  return `${field.number} ${field.repeated ? "repeated " : ""}${kindText(field.kind)} ${field.protoName}`;
}

function kindText(kind: FieldKind): string {
  switch (kind.type) {
    case "int":
    case "id":
      return kind.sign === "signed" ? "int64" : "uint64";
    case "enum":
      return `enum(${kind.names.join(" ")})`;
    case "message":
      return kind.schema().name;
    case "oneof":
      return `oneof(${kind.members.map(fieldText).join("; ")})`;
    case "uint32":
    case "bool":
    case "string":
    case "bytes":
      return kind.type;
  }
}
