/** Whatever the package gives out that lives until it is ended can be had with `await using`, too. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { ENTRIES } from "../../worker/local/build-docs.ts";
import { referenceOf } from "../../worker/local/reference.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Methods without arguments that end what they are called on. */
const ENDS = /^\s*(?:close|release|stop|leave|resign|end|dispose)\(\): /m;

/** They are ended by somebody else. */
const EXCEPT: Readonly<Record<string, string>> = {
  OutboxStore: "an application hands it in, and the outbox closes it",
  WebSocketLike: "it is the platform's",
  Room: "a part of RoomClient, which is closed; leave() deletes",
};

test.each(Object.entries(ENTRIES))("%s: what can be ended is disposable", (_entry, file) => {
  const living = referenceOf(join(ROOT, file)).exports.filter(
    ({ declaration }) => /^(?:class|interface) /.test(declaration) && ENDS.test(declaration),
  );
  const missing = living.filter(
    ({ name, declaration }) =>
      !/AsyncDisposable|Symbol\.asyncDispose|Omit<ApplicationClient/.test(declaration) && !(name in EXCEPT),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
});

test("the rule is not empty", () => {
  const file = ENTRIES["quorate"] ?? "";
  const living = referenceOf(join(ROOT, file)).exports.filter(({ declaration }) => ENDS.test(declaration));
  const names = living.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(["ApplicationClient", "Client", "HeldLock", "KeptAlive", "Leadership", "Live"]),
  );
  expect(names).toContain("Presence");
});
