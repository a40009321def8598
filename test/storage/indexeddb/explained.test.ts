/** What a browser's error means for the member; the errors that no Chromium can be made to give are made by hand. */
import { expect, test } from "vitest";
import { StorageError } from "../../../src/storage/storage-error.ts";
import { explained } from "../../../src/storage/indexeddb/indexeddb-database.ts";

test.each([
  ["QuotaExceededError", "full", "quota", "no more room: full"],
  ["VersionError", "7 is newer", "version", "a newer version of Quorate"],
  ["AbortError", "aborted", "lost", "taken this member's database away"],
  ["InvalidStateError", "closing", "lost", "taken this member's database away"],
  ["UnknownError", "Internal error", "lost", "taken this member's database away"],
  ["OperationError", "Connection to Indexed Database server lost", "lost", "taken this member's database away"],
  ["DataError", "no key", "unknown", "this member's database failed: no key"],
])("%s (%s) is of the kind %s", (name, text, kind, message) => {
  const error = new DOMException(text, name);
  expect(explained(error)).toMatchObject({ kind, cause: error });
  expect(explained(error).message).toContain(message);
});

test("an error of our own stays as it is, and what is no error is told as text", () => {
  const own = new StorageError("replaced", "another tab has it");
  expect(explained(own)).toBe(own);
  expect(explained("a text").message).toBe("this member's database failed: a text");
});
