import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { kvRequestText, kvResponseOf } from "../../../src/client/http/http-kv.ts";
import { requestText, responseOf } from "../../../src/client/http/json-messages.ts";
import { deleteRangeResponse, putResponse, rangeResponse } from "../../../src/protocol/api/kv.ts";
import {
  deleteRangeRequestSchema,
  deleteRangeResponseSchema,
  putRequestSchema,
  putResponseSchema,
  rangeRequestSchema,
  rangeResponseSchema,
} from "../../../src/protocol/api/schema/kv-schema.ts";
import type { Schema } from "../../../src/protocol/codec/schema.ts";
import { encodeJson } from "../../../src/protocol/codec/json-encode.ts";
import { EtcdError } from "../../../src/protocol/errors.ts";
import { arbitraryMessage } from "../../protocol/support/arbitrary.ts";

const REQUESTS = [rangeRequestSchema, putRequestSchema, deleteRangeRequestSchema] as readonly Schema<unknown>[];
const RESPONSES = [
  ["a range", rangeResponse, rangeResponseSchema],
  ["a put", putResponse, putResponseSchema],
  ["a delete", deleteRangeResponse, deleteRangeResponseSchema],
] as readonly (readonly [string, () => object, Schema<object>])[];

test.each(REQUESTS.map((schema) => [schema.name, schema] as const))(
  "without its table %s is written as with it, for all that a client sends",
  (_, schema) => {
    fc.assert(
      fc.property(arbitraryMessage(schema), (message) => {
        // A member keeps an enum's number that it does not know; a client has only names.
        const sent = { ...(message as object) };
        for (const [name, first] of [
          ["sortOrder", "NONE"],
          ["sortTarget", "KEY"],
        ] as const) {
          if (typeof (sent as Record<string, unknown>)[name] === "number") Object.assign(sent, { [name]: first });
        }
        expect(JSON.parse(kvRequestText(sent))).toEqual(JSON.parse(requestText(schema, sent)));
      }),
    );
  },
);

describe.each(RESPONSES)("the response to %s", (_, zero, schema) => {
  test("is read without its table as with it", () => {
    fc.assert(
      fc.property(arbitraryMessage(schema), (message) => {
        const text = encodeJson(schema, message);
        expect(kvResponseOf(zero(), "here", text)).toEqual(responseOf(schema, "here", text));
      }),
    );
  });

  test("in lower camel case is read, too, and null is what is not there", () => {
    const text = '{"header":{"clusterId":"7","raftTerm":"2"},"prevKv":null,"kvs":null,"prevKvs":null,"more":null}';
    expect(kvResponseOf(zero(), "here", text)).toEqual(responseOf(schema, "here", text));
    expect(kvResponseOf(zero(), "here", text)).toMatchObject({ header: { clusterId: 7n, raftTerm: 2 } });
  });

  test("is a message or an EtcdError, whatever JSON comes, and the same as with its table", () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), damaged(schema)), (text) => {
        expect(outcome(() => kvResponseOf(zero(), "here", text))).toEqual(
          outcome(() => responseOf(schema, "here", text)),
        );
      }),
    );
  });
});

/** A response with one of its values replaced. */
function damaged(schema: Schema<object>): fc.Arbitrary<string> {
  const value = fc.oneof(fc.constantFrom("", "-", "1e400", "%%", "true"), fc.jsonValue());
  return fc.tuple(arbitraryMessage(schema), fc.nat(), value).map(([message, at, other]) => {
    const json = JSON.parse(encodeJson(schema, message)) as Record<string, unknown>;
    const names = Object.keys(json);
    const name = names[at % Math.max(names.length, 1)];
    return JSON.stringify(name === undefined ? other : { ...json, [name]: other });
  });
}

function outcome(read: () => object): unknown {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(EtcdError);
    return String(error);
  }
}
