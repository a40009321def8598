/** Finds every schema that a module of src/protocol exports or refers to, so that the tests miss no message. */
import { readdirSync } from "node:fs";
import type { Schema } from "../../../src/protocol/codec/schema.ts";

const room = new URL("../../../src/protocol/", import.meta.url);
const files = readdirSync(room, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith("-schema.ts"))
  .sort();

const modules = await Promise.all(
  files.map(async (name) => (await import(new URL(name, room).href)) as Record<string, unknown>),
);

export const ALL_SCHEMAS: readonly Schema<unknown>[] = withReferred(
  modules.flatMap((module) => Object.values(module).filter(isSchema)),
).sort((left, right) => (left.name < right.name ? -1 : 1));

function withReferred(schemas: readonly Schema<unknown>[]): Schema<unknown>[] {
  const all = new Set<Schema<unknown>>();
  const add = (schema: Schema<unknown>): void => {
    if (all.has(schema)) return;
    all.add(schema);
    for (const field of schema.fields) {
      for (const { kind } of field.kind.type === "oneof" ? field.kind.members : [field]) {
        if (kind.type === "message") add(kind.schema());
      }
    }
  };
  for (const schema of schemas) add(schema);
  return [...all];
}

function isSchema(value: unknown): value is Schema<unknown> {
  return typeof value === "object" && value !== null && "fields" in value && "create" in value;
}
