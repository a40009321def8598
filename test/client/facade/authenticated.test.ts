import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { createClient } from "../../../src/client/client.ts";
import type { Client } from "../../../src/client/client.ts";
import { simpleTokenProvider } from "../../../src/member/auth/token-providers.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import type { Member } from "../../../src/member/node/member.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { authUserAddRequest, permission } from "../../../src/protocol/api/auth.ts";
import { errAuthFailed, errAuthOldRevision, errPermissionDenied } from "../../../src/protocol/errors.ts";
import { PLAIN } from "../../member/support/auth-kit.ts";
import { CALL } from "../../member/support/cluster.ts";
import { startMember } from "../support/own-member.ts";

const AMY = { name: "amy", password: "amy" };

let member: Member;
let services: Services;
let signedIn: number;

beforeEach(async () => {
  ({ member } = await startMember());
  const made = createServices(member, { passwords: PLAIN });
  signedIn = 0;
  services = {
    ...made,
    auth: {
      ...made.auth,
      authenticate: (request, context) => {
        signedIn += 1;
        return made.auth.authenticate(request, context);
      },
    },
  };
  const { auth } = made;
  await auth.userAdd(authUserAddRequest({ name: "root", password: "root" }), CALL);
  await auth.userGrantRole({ user: "root", role: "root" }, CALL);
  await auth.userAdd(authUserAddRequest(AMY), CALL);
  await auth.roleAdd({ name: "r" }, CALL);
  await auth.userGrantRole({ user: "amy", role: "r" }, CALL);
  const perm = permission({ permType: "READWRITE", key: utf8Encode("a"), rangeEnd: utf8Encode("b") });
  await auth.roleGrantPermission({ name: "r", perm }, CALL);
});

afterEach(() => member.stop());

describe("a client with a user", () => {
  test("CA1: signs in once, before the first call, and many calls at once share the token", async () => {
    await services.auth.authEnable({}, CALL);
    const client = createClient(services, { user: AMY });
    await Promise.all([client.kv.put("a", "1"), client.kv.put("a", "2"), client.kv.range("a")]);
    expect(signedIn).toBe(1);
    await expect(client.kv.range("b")).rejects.toThrow(errPermissionDenied.message);
    expect(signedIn).toBe(1);
  });

  test("CA2: signs in again, once, when its token is not known any more", async () => {
    await services.auth.authEnable({}, CALL);
    const client = createClient(services, { user: AMY });
    await client.kv.put("a", "1");
    member.tokens.invalidateAll();
    await Promise.all([client.kv.put("a", "2"), client.kv.range("a")]);
    expect(signedIn).toBe(2);
  });

  test("CA3: signs in again when the users have changed since, as a JWT makes needful", async () => {
    await services.auth.authEnable({}, CALL);
    // Tokens that keep the revision at which they were issued, as a JWT does.
    const issuedAt = new Map<string, number>();
    const simple = simpleTokenProvider(member.tokens);
    const tokens = {
      ...simple,
      issue: async (_name: string, revision: number, token: string) => (issuedAt.set(token, revision), token),
      callerOf: async (token: string, revision: number) => {
        const caller = await simple.callerOf(token, revision);
        return caller && { ...caller, revision: issuedAt.get(token) ?? 0 };
      },
    };
    const made = createServices(member, { passwords: PLAIN, tokens });
    const client = createClient(made, { user: AMY });
    const old = createClient(made, { token: (await made.auth.authenticate(AMY, CALL)).token });
    await client.kv.put("a", "1");
    const root = (await made.auth.authenticate({ name: "root", password: "root" }, CALL)).token;
    await made.auth.roleAdd({ name: "more" }, { ...CALL, token: root });
    await expect(old.kv.range("a")).rejects.toThrow(errAuthOldRevision.message);
    await client.kv.range("a");
  });

  test("CA4: rejects when the password is wrong, and authenticates again with the next call", async () => {
    await services.auth.authEnable({}, CALL);
    const client = createClient(services, { user: { name: "amy", password: "x" } });
    await expect(client.kv.range("a")).rejects.toThrow(errAuthFailed.message);
    await expect(client.kv.range("a")).rejects.toThrow(errAuthFailed.message);
    expect(signedIn).toBe(2);
  });

  test("CA5: needs no token while auth is off, and fetches one when it is switched on", async () => {
    const client = createClient(services, { user: AMY });
    await client.kv.put("z", "1");
    await services.auth.authEnable({}, CALL);
    await expect(client.kv.put("z", "2")).rejects.toThrow(errPermissionDenied.message);
    await client.kv.put("a", "1");
  });

  test("CA6: watches, and continues with a new token when the stream must be reopened", async () => {
    await services.auth.authEnable({}, CALL);
    const streams: { close(): void }[] = [];
    const watched: Services = {
      ...services,
      watch: {
        watch: (context) => {
          const stream = services.watch.watch(context);
          streams.push(stream);
          return stream;
        },
      },
    };
    const client: Client = createClient(watched, { user: AMY, backoff: { sleep: async () => {}, random: () => 0 } });
    const watch = client.watch("a");
    await watch.created;
    await client.kv.put("a", "1");
    expect((await watch.next()).value?.events).toHaveLength(1);
    member.tokens.invalidateAll();
    streams[0]?.close();
    await client.kv.put("a", "2");
    expect((await watch.next()).value?.events).toHaveLength(1);
    expect(streams.length).toBeGreaterThanOrEqual(2);
    await watch.return();
  });

  test("CA7: a watch that is refused for want of permission ends with etcd's text", async () => {
    await services.auth.authEnable({}, CALL);
    const watch = createClient(services, { user: AMY }).watch("b");
    await expect(watch.next()).rejects.toThrow(errPermissionDenied.message);
  });
});
