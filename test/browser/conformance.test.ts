/** What a real etcd v3.7.1 answered, played to a member in a tab: IndexedDB under it, the gateway over it. */
import { expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import { gatewayApp } from "../../src/gateway/app.ts";
import { bootstrapStorage } from "../../src/member/node/bootstrap.ts";
import { createServices } from "../../src/member/services/member-services.ts";
import { Member } from "../../src/member/node/member.ts";
import type { BootstrapOptions } from "../../src/member/options.ts";
import { memberPasswords } from "../../src/member/auth/passwords.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import { deleteIndexedDb, openIndexedDbStorage } from "../../src/storage/indexeddb/indexeddb.ts";
import { MemoryNetwork } from "../../src/transport/memory.ts";
import { tabClock } from "../../src/room/member/tab-clock.ts";
import { AppTarget } from "../conformance/app-target.ts";
import tabCases from "../conformance/fixtures/tab.jsonl?raw";
import { play } from "../conformance/play.ts";

const name = `conformance-${crypto.randomUUID()}`;

test("a member in a tab responds as etcd did", async () => {
  const { steps, differences } = await play(tabCases, await openTabTarget());
  expect(differences).toEqual([]);
  expect(steps).toBeGreaterThan(100);
});

async function openTabTarget(): Promise<AppTarget> {
  const storage = await openIndexedDbStorage({ name });
  const identity = { clusterId: 7n, memberId: 1n, name: "tab" };
  const bootstrap: BootstrapOptions = { type: "found", members: [memberRecord({ id: 1n, name: "tab" })] };
  await new Promise<void>((resolve, reject) => {
    bootstrapStorage(storage, identity, bootstrap, (error) => (error === undefined ? resolve() : reject(error)));
  });
  const transport = new MemoryNetwork().transportFor(1n);
  const prng = new Prng(1);
  const member = new Member({ storage, transport, clock: tabClock, prng, identity, bootstrap });
  member.start();
  await until(() => member.status().role === "leader" && member.applied === member.status().lastIndex);
  const surroundings = {
    settled: <T>(promise: Promise<T>) => promise,
    async applied() {},
    pause,
    async changeLeader() {},
    leader: () => 0,
    async stop() {
      member.stop();
      await storage.close();
      await deleteIndexedDb(name);
    },
  };
  const passwords = memberPasswords((work) => work(), 4);
  return new AppTarget(surroundings, (acceptWebSocket) => [
    gatewayApp(createServices(member, { passwords }), { acceptWebSocket }),
  ]);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(10);
}
