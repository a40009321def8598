import { afterAll, beforeAll, expect, test } from "vitest";
import { authUserAddRequest } from "../../src/protocol/api/auth.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";

const CALL = { token: "", requireLeader: false } as const;

let served: ServedMember;

beforeAll(async () => {
  served = await serveMember();
  const { auth } = served.services;
  // The colons are the password's: a name ends at the first one.
  await auth.userAdd(authUserAddRequest({ name: "root", password: "a:b" }), CALL);
  await auth.userGrantRole({ user: "root", role: "root" }, CALL);
  await auth.authEnable({}, CALL);
});
afterAll(() => served.close());

test("CU1: --user signs in for the command, whichever it is", async () => {
  const user = ["--user", "root:a:b"];
  expect(await quorate(served.endpoint, ["put", "k", "v", ...user])).toMatchObject({ code: 0, out: "OK\n" });
  expect(await quorate(served.endpoint, ["get", "k", "--json", ...user])).toMatchObject({ code: 0 });
  expect(await quorate(served.endpoint, ["del", "k", ...user])).toMatchObject({ code: 0 });
});

test("CU2: QUORATE_USER stands in for it, and --user wins", async () => {
  const env = { QUORATE_USER: "root:a:b" };
  expect(await quorate(served.endpoint, ["put", "k", "v"], { env })).toMatchObject({ code: 0 });
  expect(await quorate(served.endpoint, ["put", "k", "v", "--user", "root:x"], { env })).toMatchObject({
    code: 3,
    err: expect.stringContaining("authentication failed, invalid user ID or password") as string,
  });
});

test("CU3: without a user the server's error is printed", async () => {
  const { code, err } = await quorate(served.endpoint, ["put", "k", "v"]);
  expect([code, err]).toEqual([3, "quorate: etcdserver: user name is empty (InvalidArgument)\n"]);
});

test.each(["root", ":pw", ""])("CU4: --user %j is no name and password", async (user) => {
  const { code, err } = await quorate(served.endpoint, ["put", "k", "v", "--user", user]);
  expect([code, err]).toEqual([2, expect.stringContaining("--user takes NAME:PASSWORD")]);
});
