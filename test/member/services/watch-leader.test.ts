/** Watches with `hasleader`. */
import { expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { Cluster } from "../support/cluster.ts";

const WITH_LEADER = { token: "", requireLeader: true };
const CREATE = { type: "create", create: watchCreateRequest({ key: utf8Encode("k") }) } as const;

test("a watch with hasleader is served while none is known yet, and wakes the members that elect one", async () => {
  const cluster = await Cluster.founded(3);
  const { member, services } = cluster.node(1n);
  expect(member.leader).toBe(0n);
  const stream = services.watch.watch(WITH_LEADER);
  stream.request(CREATE);
  expect(await cluster.settled(stream.next())).toMatchObject({ created: true });
  await cluster.elected();
  await cluster.settled(
    services.kv.put(
      {
        key: utf8Encode("k"),
        value: utf8Encode("v"),
        lease: 0n,
        prevKv: false,
        ignoreValue: false,
        ignoreLease: false,
      },
      WITH_LEADER,
    ),
  );
  expect(await cluster.settled(stream.next())).toMatchObject({ events: [{ kv: { value: utf8Encode("v") } }] });
});

test("M44 a watch with hasleader ends with `no leader` when none comes", async () => {
  const cluster = await Cluster.founded(3);
  cluster.crash(2n);
  cluster.crash(3n);
  const { services } = cluster.node(1n);
  const stream = services.watch.watch(WITH_LEADER);
  stream.request(CREATE);
  await cluster.settled(stream.next());
  await expect(cluster.settled(stream.next())).rejects.toThrow("etcdserver: no leader");
});

test("M44 a watch with hasleader outlives an election, and ends three election timeouts after the last leader", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const [node, other] = [...cluster.nodes.values()].filter(({ id }) => id !== leader.id);
  if (node === undefined || other === undefined) throw new Error("three members were founded");
  const stream = node.services.watch.watch(WITH_LEADER);
  stream.request(CREATE);
  await cluster.settled(stream.next());
  let error: unknown;
  void stream.next().catch((thrown: unknown) => {
    error = thrown;
  });
  cluster.crash(leader.id);
  await cluster.clock.until(() => node.member.leader === node.id || node.member.leader === other.id, "an election");
  expect(error).toBeUndefined();
  cluster.crash(other.id);
  await cluster.clock.until(() => node.member.leader === 0n, "no leader");
  const lostMs = cluster.clock.nowMs();
  await cluster.clock.until(() => error !== undefined, "the end of the stream");
  expect(String(error)).toContain("etcdserver: no leader");
  const { electionTicks, tickMs } = node.member.settings;
  expect(Math.round((cluster.clock.nowMs() - lostMs) / tickMs)).toBe(3 * electionTicks);
});

test("a watch without hasleader stays open without a leader", async () => {
  const cluster = await Cluster.founded(3);
  cluster.crash(2n);
  cluster.crash(3n);
  const stream = cluster.node(1n).services.watch.watch({ token: "", requireLeader: false });
  stream.request(CREATE);
  expect(await cluster.settled(stream.next())).toMatchObject({ created: true });
  let isOver = false;
  void stream.next().finally(() => {
    isOver = true;
  });
  const endMs = cluster.clock.nowMs() + 20_000;
  await cluster.clock.until(() => cluster.clock.nowMs() >= endMs, "time has passed");
  expect(isOver).toBe(false);
});
