/** The code for passwords comes into a tab when its room has auth, or with the first password. */
import { afterEach, expect, test } from "vitest";
import type { PasswordHasher } from "../../src/member/auth/credentials.ts";
import { memberPasswords } from "../../src/member/auth/passwords.ts";
import type { Member } from "../../src/member/node/member.ts";
import { createServices } from "../../src/member/services/member-services.ts";
import { authRoleAddRequest, authUserAddRequest, authUserGrantRoleRequest } from "../../src/protocol/api/auth.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { tabPasswords } from "../../src/room/member/tab-passwords.ts";
import { startMember } from "../client/support/own-member.ts";
import { CALL } from "../member/support/cluster.ts";

const HASHER = memberPasswords((work) => work(), 4);

let member: Member | undefined;

afterEach(() => member?.stop());

async function enableAuth(of: Member): Promise<void> {
  const { auth } = createServices(of, { passwords: HASHER });
  await auth.userAdd(authUserAddRequest({ name: "root", password: "r" }), CALL);
  await auth.roleAdd(authRoleAddRequest({ name: "root" }), CALL);
  await auth.userGrantRole(authUserGrantRoleRequest({ user: "root", role: "root" }), CALL);
  await auth.authEnable({}, CALL);
}

test("it is loaded when auth is enabled, before anybody logs in, and is there at once where auth is on already", async () => {
  ({ member } = await startMember());
  let loads = 0;
  const load = async (): Promise<PasswordHasher> => {
    loads += 1;
    return HASHER;
  };
  tabPasswords(member, load);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(loads).toBe(0);
  await enableAuth(member);
  await expect.poll(() => loads).toBe(1);
  tabPasswords(member, load);
  expect(loads).toBe(2);
});

test("it is loaded with the first password otherwise; who is told that it could not be may try again", async () => {
  ({ member } = await startMember());
  let isOnline = false;
  const passwords = tabPasswords(member, () =>
    isOnline ? Promise.resolve(HASHER) : Promise.reject(new TypeError("Failed to fetch")),
  );
  await expect(passwords.hash("secret")).rejects.toMatchObject({ code: GrpcCode.Unavailable });
  isOnline = true;
  const hashed = await passwords.hash("secret");
  expect(await passwords.verify("secret", hashed)).toBe(true);
  expect(await passwords.verify("other", hashed)).toBe(false);
});

test("a tab hashes as every member does", async () => {
  ({ member } = await startMember());
  const passwords = tabPasswords(member);
  expect(passwords.decoy).toBe(memberPasswords((work) => work(), member.settings.bcryptCost).decoy);
  expect(await passwords.verify("secret", await passwords.hash("secret"))).toBe(true);
});
