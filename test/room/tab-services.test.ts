import { afterEach, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import { createClient } from "../../src/client/client.ts";
import { createServices } from "../../src/member/services/member-services.ts";
import type { Member } from "../../src/member/node/member.ts";
import { authUserAddRequest } from "../../src/protocol/api/auth.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { tabServices } from "../../src/room/member/tab-services.ts";
import { startMember } from "../client/support/own-member.ts";
import { CALL } from "../member/support/cluster.ts";

let member: Member | undefined;

afterEach(() => member?.stop());

test("a tab has every service and method that a member has", async () => {
  ({ member } = await startMember());
  const names = (services: object): unknown =>
    Object.entries(services).map(([name, service]) => [name, Object.keys(service as object).sort()]);
  const { health, ...all } = createServices(member);
  const { health: tabHealth, ...inTab } = tabServices(member);
  expect(names(inTab)).toEqual(names(all));
  expect(await tabHealth.check({ serializable: false, exclude: [] })).toBeUndefined();
  expect(await tabHealth.probe("readyz")).toEqual(await health.probe("readyz"));
});

test("what a tab loads late works as in every member: locks, elections, users, snapshots, members", async () => {
  ({ member } = await startMember());
  const services = tabServices(member);
  const client = createClient(services);
  const { key } = await client.lock.lock("l");
  await client.lock.unlock(key);
  const observed = client.election.observe("e");
  const first = observed.next();
  await client.election.campaign("e", "me");
  expect(utf8Decode((await first).value?.kv.value ?? new Uint8Array())).toBe("me");
  await observed.return?.();
  let bytes = 0;
  for await (const part of client.maintenance.snapshot()) bytes += part.length;
  expect(bytes).toBeGreaterThan(4096);
  await services.auth.userAdd(authUserAddRequest({ name: "amy", password: "amy" }), CALL);
  expect((await services.auth.userList({}, CALL)).users).toEqual(["amy"]);
  expect((await services.cluster.memberList({ linearizable: true }, CALL)).members).toHaveLength(1);
  await expect(client.maintenance.moveLeader("5")).rejects.toMatchObject({ code: GrpcCode.FailedPrecondition });
});

test("a tab's keys need nothing that is loaded late", async () => {
  ({ member } = await startMember());
  const client = createClient(tabServices(member));
  const watch = client.watch("k");
  await watch.created;
  await client.kv.put("k", utf8Encode("v"));
  expect((await watch.next()).value?.events).toHaveLength(1);
  await watch.return();
});
