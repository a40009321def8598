/** What an error says of itself, and where the README explains it. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ConflictError, InvalidValueError, isRetryable, LeaseLostError } from "../../../src/client/app/errors.ts";
import { EtcdError, GrpcCode } from "../../../src/client/client.ts";
import { CompactedError } from "../../../src/client/facade/compacted-error.ts";
import { OutboxFullError } from "../../../src/client/outbox/errors.ts";
import { OpenRoomError } from "../../../src/room/common/errors.ts";

const README = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");

const CLASSES = [
  new ConflictError("k", "changed"),
  new InvalidValueError("k", []),
  new LeaseLostError("lost"),
  new CompactedError(7),
  new OutboxFullError("entries", "full"),
  new OpenRoomError("invalid", "no name"),
];
const CODES = Object.values(GrpcCode)
  .filter((code) => code !== GrpcCode.OK)
  .map((code) => new EtcdError(code, "text"));

test.each([...CLASSES, ...CODES].map((error) => [`${error.name} ${error.code}`, error] as const))(
  "%s names a place in the README that is there",
  (_name, error) => {
    const [file, anchor = ""] = error.docs.split("#");
    expect(file).toBe("README.md");
    expect(README).toContain(`<a id="${anchor}"></a>`);
  },
);

test("each class of error has a place of its own", () => {
  const places = CLASSES.map(({ docs }) => docs);
  expect(new Set([...places, ...CODES.map(({ docs }) => docs)]).size).toBe(CLASSES.length + CODES.length);
});

test("what may pass says so: a server that is away or busy, and a conflict; nothing else", () => {
  const retryable = [...CLASSES, ...CODES]
    .filter((error) => error.isRetryable)
    .map(({ docs }) => docs.split("error-")[1]);
  expect(retryable).toEqual(["conflict", "outbox-full", "resource-exhausted", "unavailable"]);
  for (const error of [...CLASSES, ...CODES]) expect(isRetryable(error)).toBe(error.isRetryable);
  expect(isRetryable(new Error("another"))).toBe(false);
});
