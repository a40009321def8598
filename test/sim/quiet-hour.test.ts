import { describe, expect, test } from "vitest";
import { statusService } from "../../src/member/services/maintenance/status-service.ts";
import type { StatusResponse } from "../../src/protocol/api/maintenance.ts";
import type { Faults } from "./faults.ts";
import type { Machine } from "./sim-member.ts";
import { World } from "./world.ts";

const NEVER = Infinity;

const HEALTHY: Faults = {
  lossProbability: 0,
  duplicateProbability: 0,
  delayMs: 5,
  spareDelayMs: 20,
  slowProbability: 0,
  slowMs: 0,
  diskMs: 2,
  stallProbability: 0,
  stallMs: 0,
  flushRows: 1,
  crashEveryMs: NEVER,
  downMs: 0,
  blackoutEveryMs: NEVER,
  partitionEveryMs: NEVER,
  deafEveryMs: NEVER,
  freezeEveryMs: NEVER,
  membershipEveryMs: NEVER,
  lostDatabaseEveryMs: NEVER,
  transferEveryMs: NEVER,
  compactEveryMs: NEVER,
  lullEveryMs: NEVER,
  drift: 0.05,
  logEntries: 10_000,
  appendBytes: 1024 * 1024,
  snapshotChunkBytes: 128 * 1024,
  watchStreamBytes: 4 * 1024 * 1024,
  slowReaderMs: 0,
  isRoom: false,
  quiesceAfterTicks: 30,
  usesService: false,
  evictEveryMs: NEVER,
  silenceEveryMs: NEVER,
  outbox: undefined,
  isMixed: false,
  isGiven: false,
  reshapeEveryMs: NEVER,
  leaveEveryMs: Infinity,
  isRelayed: false,
  guests: undefined,
};

const STATUS_EVERY_MS = 20_000;
const HOUR_MS = 3_600_000;

function start(seed: number): World {
  const world = new World(seed, { trace: undefined, lie: undefined, faults: HEALTHY });
  for (const machine of world.machines.values()) machine.powerOn();
  world.run(5_000);
  return world;
}

async function statusOf(world: World, machine: Machine): Promise<{ status: StatusResponse; tookMs: number }> {
  machine.powerOn();
  const { running } = machine;
  if (running === undefined) throw new Error("the machine is on");
  const sinceMs = world.queue.nowMs;
  const answers: StatusResponse[] = [];
  void statusService(running)
    .status({}, { token: "", requireLeader: false })
    .then((response) => answers.push(response));
  for (let waited = 0; answers.length === 0 && waited < 10_000; waited++) {
    world.run(world.queue.nowMs + 1);
    await Promise.resolve();
  }
  const [status] = answers;
  if (status === undefined) throw new Error("no status");
  return { status, tookMs: world.queue.nowMs - sinceMs };
}

/** Sleeps until the next call, as a platform lets it: out of memory after ten seconds without a clock. */
function sleep(world: World, chosen: (machine: Machine) => boolean): void {
  world.run(world.queue.nowMs + STATUS_EVERY_MS - 2_000);
  for (const machine of world.machines.values()) {
    expect(machine.timers).toBe(0);
    if (chosen(machine)) machine.evict();
  }
  world.run(world.queue.nowMs + 2_000);
}

describe.each([2, 3])("M55 a healthy cluster that sleeps (seed %i)", (seed) => {
  test("keeps its term for an hour with a status call every 20 seconds, each of which names the leader soon", async () => {
    const world = start(seed);
    const { term } = world.leader()?.basicStatus() ?? { term: 0 };
    const machines = [...world.machines.values()];
    let round = 0;
    while (world.queue.nowMs < HOUR_MS) {
      sleep(world, () => true);
      const { status, tookMs } = await statusOf(world, machines[round++ % machines.length] as Machine);
      expect({ term: status.raftTerm, errors: status.errors, isLed: status.leader !== 0n }).toEqual({
        term,
        errors: [],
        isLed: true,
      });
      // Loading the others and asking for the votes: five messages, one after the other, and a write the first time.
      expect(tookMs).toBeLessThan(50);
    }
    expect(round).toBeGreaterThan(150);
  }, 60_000);

  test("keeps it whoever was evicted and whoever is asked", async () => {
    const world = start(seed);
    const { term } = world.leader()?.basicStatus() ?? { term: 0 };
    const machines = [...world.machines.values()];
    for (let evicted = 0; evicted < 1 << machines.length; evicted++) {
      for (const asked of machines) {
        sleep(world, (machine) => (evicted & (1 << machines.indexOf(machine))) !== 0);
        const { status } = await statusOf(world, asked);
        expect({ evicted, asked: asked.id, term: status.raftTerm, leader: status.leader !== 0n }).toEqual({
          evicted,
          asked: asked.id,
          term,
          leader: true,
        });
      }
    }
  }, 60_000);

  test("elects another leader when its own is lost in sleep, and believes nothing before", async () => {
    const world = start(seed);
    const old = world.leader();
    const { term } = old?.basicStatus() ?? { term: 0 };
    sleep(world, () => true);
    world.machines.get(old?.id ?? 0n)?.loseDatabase();
    const others = [...world.machines.values()].filter(({ isLost }) => !isLost);
    const { status } = await statusOf(world, others[0] as Machine);
    expect(status.raftTerm).toBeGreaterThan(term);
    expect(status.leader).not.toBe(old?.id);
    expect(status.errors).toEqual([]);
  });

  test("whose leader is cut off when it wakes names none that no quorum confirmed", async () => {
    const world = start(seed);
    const leader = world.leader();
    sleep(world, () => true);
    const machines = [...world.machines.values()];
    const alone = world.machines.get(leader?.id ?? 0n) as Machine;
    for (const { id } of machines) if (id !== alone.id) world.network.transport.setLink(alone.id, id, false);
    const { status } = await statusOf(world, alone);
    expect(status).toMatchObject({ leader: 0n, errors: ["etcdserver: no leader"] });
    const other = machines.find(({ id }) => id !== alone.id) as Machine;
    expect((await statusOf(world, other)).status.leader).not.toBe(leader?.id);
  });
});
