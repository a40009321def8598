import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { requestText, responseOf } from "../../../src/client/http/json-messages.ts";
import { watchResponseOf } from "../../../src/client/http/watch-messages.ts";
import { EtcdError } from "../../../src/protocol/errors.ts";
import { decodeJson } from "../../../src/protocol/codec/json-decode.ts";
import { encodeJson } from "../../../src/protocol/codec/json-encode.ts";
import { ALL_SCHEMAS } from "../../protocol/support/all-schemas.ts";
import { arbitraryMessage } from "../../protocol/support/arbitrary.ts";

describe.each(ALL_SCHEMAS.map((schema) => [schema.name, schema] as const))("%s", (_, schema) => {
  test("is read as the protocol's own decoder reads it", () => {
    fc.assert(
      fc.property(arbitraryMessage(schema), (message) => {
        const text = encodeJson(schema, message);
        expect(responseOf(schema, "here", text)).toEqual(decodeJson(schema, text));
      }),
    );
  });

  test("is written as the protocol's own encoder writes it", () => {
    fc.assert(
      fc.property(arbitraryMessage(schema), (message) => {
        expect(JSON.parse(requestText(schema, message))).toEqual(JSON.parse(encodeJson(schema, message)));
      }),
    );
  });

  test("is a message or an EtcdError, whatever JSON comes", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          responseOf(schema, "here", text);
        } catch (error) {
          expect(error).toBeInstanceOf(EtcdError);
        }
      }),
    );
  });
});

test("a line of a watch is a response, or the error that ends it", () => {
  expect(watchResponseOf("here", '{"result":{"created":true}}')).toMatchObject({ created: true });
  expect(() => watchResponseOf("here", '{"error":{"code":14,"message":"etcdserver: no leader"}}')).toThrow(
    "etcdserver: no leader",
  );
  expect(() => watchResponseOf("here", "{}")).toThrow("here did not answer with etcd's JSON");
});
