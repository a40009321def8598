import { afterEach, beforeEach, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";
import { clientOf, eventually, keysOf } from "./kit.ts";

let served: ServedMember;
let client: ApplicationClient;

beforeEach(async () => {
  served = await serveMember();
  client = clientOf(served);
});
afterEach(async () => {
  void client.close();
  await served.close();
});

test("participants see each other come, change and leave", async () => {
  const ann = await client.presence("room/", { name: "Ann" }, { id: "ann" });
  const bob = await client.presence("room/", { name: "Bob" }, { id: "bob" });
  await eventually(() => expect(keysOf(ann.members.entries)).toEqual(["ann", "bob"]));
  await bob.update({ name: "Robert" });
  await eventually(() => expect(ann.members.get("bob")?.value).toEqual({ name: "Robert" }));
  await bob.leave();
  await eventually(() => expect(keysOf(ann.members.entries)).toEqual(["ann"]));
  await ann.leave();
  expect((await client.lease.leases()).ids).toEqual([]);
});

test("a vanished participant disappears after its lease's time, and one that returns with a lost lease is present again", async () => {
  const ann = await client.presence("room/", { name: "Ann" }, { id: "ann", ttl: 2 });
  const { ids } = await client.lease.leases();
  // As if the laptop had been closed for long.
  await client.lease.revoke(ids[0] ?? "");
  await eventually(() => expect(keysOf(ann.members.entries)).toEqual([]));
  await ann.update({ name: "Ann, back" }).catch(() => {});
  await eventually(() => expect(ann.members.get("ann")?.value).toEqual({ name: "Ann, back" }));
  await ann.leave();
});

test("the connection says what is so: connected, unavailable, disconnected, closed", async () => {
  const states: string[] = [];
  client.connection.subscribe(() => states.push(client.connection.getSnapshot().state));
  expect(client.connection.getSnapshot().state).toBe("idle");
  await client.kv.put("a", "1");
  expect(client.connection.getSnapshot()).toMatchObject({ state: "connected", reason: "" });
  served.intercept = (_path, response) => {
    response.writeHead(503).end("{}");
    return true;
  };
  await client.kv.put("a", "2").catch(() => {});
  expect(client.connection.getSnapshot()).toMatchObject({ state: "unavailable" });
  served.intercept = (_path, response) => {
    response.destroy();
    return true;
  };
  await client.kv.put("a", "2").catch(() => {});
  expect(client.connection.getSnapshot().state).toBe("disconnected");
  served.intercept = () => false;
  await client.kv.put("a", "3");
  void client.close();
  expect(states).toEqual(["connected", "unavailable", "disconnected", "connected", "closed"]);
});
