/** `quorate auth`, `user` and `role`: etcdctl's verbs, texts and exit codes, recorded from etcdctl 3.7.1. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { quorate } from "./support/fake-terminal.ts";
import type { FakeOptions, Session } from "./support/fake-terminal.ts";

let served: ServedMember;
let folder: string;

beforeEach(async () => {
  served = await serveMember();
  folder = await mkdtemp(join(tmpdir(), "quorate-auth-"));
});
afterEach(async () => {
  await served.close();
  await rm(folder, { recursive: true, force: true });
});

const cli = (line: string, options?: FakeOptions): Promise<Session> =>
  quorate(served.endpoint, line.split(" "), options);
const input = (text: string): FakeOptions => ({ input: new TextEncoder().encode(text) });

test("CA1: a whole conversation about users and roles prints what etcdctl prints", async () => {
  const lines: [string, string][] = [
    ["user add root --new-user-password pw", "User root created\n"],
    ["user add alice:pw2", "User alice created\n"],
    ["user add nopw --no-password", "User nopw created\n"],
    ["role add root", "Role root created\n"],
    ["role add r1", "Role r1 created\n"],
    ["role grant-permission r1 readwrite foo", "Role r1 updated\n"],
    ["role grant-permission r1 read a b", "Role r1 updated\n"],
    ["role grant-permission r1 write /p/ --prefix", "Role r1 updated\n"],
    ["role grant-permission r1 read x --from-key", "Role r1 updated\n"],
    [
      "role get r1",
      "Role r1\nKV Read:\n\t[a, b) (prefix a)\n\tfoo\n\t[x, <open ended>\nKV Write:\n\t[/p/, /p0) (prefix /p/)\n\tfoo\n",
    ],
    ["role get root", "Role root\nKV Read:\n\t[, <open ended>\nKV Write:\n\t[, <open ended>\n"],
    ["user grant-role root root", "Role root is granted to user root\n"],
    ["user grant-role alice r1", "Role r1 is granted to user alice\n"],
    ["user get alice", "User: alice\nRoles: r1\n"],
    [
      "user get alice --detail",
      "User: alice\n\nRole r1\nKV Read:\n\t[a, b) (prefix a)\n\tfoo\n\t[x, <open ended>\nKV Write:\n\t[/p/, /p0) (prefix /p/)\n\tfoo\n",
    ],
    ["user list", "alice\nnopw\nroot\n"],
    ["role list", "r1\nroot\n"],
    ["role revoke-permission r1 a b", "Permission of range [a, b) is revoked from role r1\n"],
    ["role revoke-permission r1 /p/ --prefix", "Permission of range [/p/, /p0) is revoked from role r1\n"],
    ["role revoke-permission r1 foo", "Permission of key foo is revoked from role r1\n"],
    ["auth status", "Authentication Status: false\nAuthRevision: 15\n"],
    ["auth enable", "Authentication Enabled\n"],
    ["auth status --user root:pw", "Authentication Status: true\nAuthRevision: 15\n"],
    ["user revoke-role alice r1 --user root:pw", "Role r1 is revoked from user alice\n"],
    ["role delete r1 --user root:pw", "Role r1 deleted\n"],
    ["user delete alice --user root:pw", "User alice deleted\n"],
    ["auth disable --user root:pw", "Authentication Disabled\n"],
  ];
  for (const [line, out] of lines) expect([line, await cli(line)]).toMatchObject([line, { code: 0, out, err: "" }]);
});

test.each([
  ["user get nobody", 3, "etcdserver: user name not found"],
  ["role get nobody", 3, "etcdserver: role name not found"],
  ["role grant-permission root bogus k", 2, "a permission is read, write or readwrite"],
  ["role grant-permission root read", 2, "a permission takes KEY"],
  ["role grant-permission root read a b --prefix", 2, "a permission takes KEY"],
  ["user", 2, "user takes add NAME"],
  ["user add", 2, "user takes add NAME"],
  ["user grant-role a", 2, "user takes add NAME"],
  ["user constructor a", 2, "user takes add NAME"],
  ["role drop a", 2, "role takes add ROLE"],
  ["auth", 2, "auth takes init"],
  ["auth enable now", 2, "auth takes init"],
])("CA2: %s exits with %i", async (line, code, err) => {
  expect(await cli(line)).toMatchObject({ code, err: expect.stringContaining(err) as string });
});

describe("passwords", () => {
  test("CA3: a typed one is asked for twice, and is not in the output", async () => {
    const { code, out, err } = await cli("user add bob", { secrets: ["s3cret", "s3cret"] });
    expect([code, out]).toEqual([0, "User bob created\n"]);
    expect(out + err).not.toContain("s3cret");
    expect((await cli("user add eve", { secrets: ["one", "two"] })).err).toContain("the two passwords differ");
    expect((await cli("user list")).out).toBe("bob\n");
  });

  test("CA4: without a terminal it is the first line of stdin, as with --interactive=false", async () => {
    expect((await cli("user add bob", input("first\nsecond\n"))).code).toBe(0);
    expect((await cli("user passwd bob --interactive=false", input("third\r\n"))).out).toBe("Password updated\n");
    expect((await cli("auth init", input("rootpw\n"))).code).toBe(0);
    expect((await cli("get k --user bob:first")).err).toContain("authentication failed");
    expect((await cli("get k --user bob:third")).err).toContain("permission denied");
  });

  test("CA5: it may be in a file, and an empty one is none", async () => {
    await writeFile(join(folder, "pw"), "of a file\n");
    await writeFile(join(folder, "empty"), "\n");
    expect((await cli(`user add bob --password-file ${join(folder, "pw")}`)).code).toBe(0);
    expect((await cli(`user add eve --password-file ${join(folder, "empty")}`)).code).toBe(2);
    expect((await cli(`user add eve --password-file ${join(folder, "none")}`)).code).toBe(2);
    expect((await cli("user add eve", input(""))).code).toBe(2);
    expect((await cli("user list")).out).toBe("bob\n");
  });
});

describe("auth init", () => {
  test("CA6: gives root its password and role, enables auth, and says what comes next", async () => {
    const { code, out } = await cli("auth init", { secrets: ["pw", "pw"] });
    expect([code, out]).toEqual([0, expect.stringContaining("quorate user add app")]);
    expect(out).not.toContain("pw\n");
    expect((await cli("get k")).err).toContain("user name is empty");
    expect((await cli("put k v --user root:pw")).out).toBe("OK\n");
    expect(await cli("auth init", { secrets: ["other", "other"] })).toMatchObject({
      code: 1,
      err: expect.stringContaining("auth is enabled already") as string,
    });
    expect((await cli("get k --user root:pw")).out).toContain("v");
  });

  test("CA7: goes on where one was broken off", async () => {
    await cli("user add root:old");
    await cli("role add root");
    expect((await cli("auth init", { secrets: ["new", "new"] })).code).toBe(0);
    expect((await cli("get k --user root:old")).err).toContain("authentication failed");
    expect((await cli("put k v --user root:new")).code).toBe(0);
  });
});
