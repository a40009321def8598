import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import type { Wakeup } from "../../../src/member/options.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import type { MemoryImage } from "../../../src/storage/memory/memory.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const KEY = utf8Encode("key");

/** A Durable Object's alarm and saved record, which outlive the member. */
class Home {
  record: Uint8Array | undefined;
  alarmMs = Infinity;
  /** The alarm fired while there was no member. */
  isDue = false;
  readonly #cluster: Cluster;
  readonly #id: bigint;
  #cancel: (() => void) | undefined;

  constructor(cluster: Cluster, id: bigint) {
    this.#cluster = cluster;
    this.#id = id;
  }

  get wakeup(): Wakeup {
    return {
      saved: this.record,
      wakeAfter: (delayMs) => this.#set(delayMs),
      save: (record) => {
        this.record = record;
      },
    };
  }

  #set(delayMs: number): void {
    this.#cancel?.();
    this.alarmMs = this.#cluster.clock.nowMs() + delayMs;
    this.#cancel = this.#cluster.clock.setTimer(delayMs, () => {
      this.alarmMs = Infinity;
      const node = this.#cluster.nodes.get(this.#id);
      this.isDue = node === undefined;
      node?.member.wake();
    });
  }
}

type Homes = ReadonlyMap<bigint, Home>;

async function edge(): Promise<{ cluster: Cluster; homes: Homes }> {
  const cluster = new Cluster(1, { quiesceAfterTicks: 20 });
  const members = [1n, 2n, 3n].map((id) => ({ id, name: `m${id}`, peerUrls: [], clientUrls: [], isLearner: false }));
  const homes = new Map(members.map(({ id }) => [id, new Home(cluster, id)]));
  for (const [id, { wakeup }] of homes) await cluster.start(id, { type: "found", members }, undefined, { wakeup });
  return { cluster, homes };
}

async function restart(
  cluster: Cluster,
  homes: Homes,
  images: Iterable<readonly [bigint, MemoryImage]>,
): Promise<void> {
  for (const [id, image] of images) {
    const home = homes.get(id) as Home;
    const node = await cluster.start(id, { type: "join" }, image, { wakeup: home.wakeup });
    if (home.isDue) node.member.wake();
    home.isDue = false;
  }
}

/** All members are evicted until the first alarm fires. */
async function sleepUntilAlarm(cluster: Cluster, homes: Homes): Promise<void> {
  const images = [...cluster.nodes.keys()].map((id) => [id, cluster.crash(id)] as const);
  const alarmMs = Math.min(...[...homes.values()].map((home) => home.alarmMs));
  await cluster.clock.advance(alarmMs - cluster.clock.nowMs());
  await restart(cluster, homes, images);
}

async function leased(cluster: Cluster, ttl: number): Promise<Node> {
  const leader = await cluster.elected();
  await cluster.settled(leader.services.lease.grant({ id: 5n, ttl }, CALL));
  await cluster.settled(leader.services.kv.put(putRequest({ key: KEY, lease: 5n }), CALL));
  return leader;
}

/** True if a leader knows that the lease has ended. */
function hasEnded(cluster: Cluster): boolean {
  const member = cluster.leader?.member;
  if (member === undefined || member.lessor.term === 0) return false;
  return member.machine.store.range(rangeRequest({ key: KEY })).count === 0;
}

describe("a cluster that is evicted while it is quiesced", () => {
  test("M30 revokes a lease when its alarm fires, and does not give it its full TTL again", async () => {
    const { cluster, homes } = await edge();
    await leased(cluster, 100);
    const grantedMs = cluster.clock.nowMs();
    await cluster.clock.advance(10_000);
    // Only the alarm.
    expect(cluster.clock.timerCount).toBe(1);
    await sleepUntilAlarm(cluster, homes);
    await cluster.clock.until(() => hasEnded(cluster), "the lease ends");
    const livedMs = cluster.clock.nowMs() - grantedMs;
    expect(livedMs).toBeGreaterThan(99_900);
    expect(livedMs).toBeLessThan(104_000);
  });

  test("M30 deletes its record at the first keep-alive after it: a keep-alive is not in the log", async () => {
    const { cluster, homes } = await edge();
    const leader = await leased(cluster, 100);
    await cluster.clock.advance(10_000);
    expect((homes.get(leader.id) as Home).record).toBeDefined();
    await cluster.clock.advance(60_000);
    await cluster.settled(leader.services.lease.keepAlive({ id: 5n }, CALL));
    const beatMs = cluster.clock.nowMs();
    expect((homes.get(leader.id) as Home).record).toBeUndefined();
    await sleepUntilAlarm(cluster, homes);
    await cluster.elected();
    await cluster.clock.until(() => hasEnded(cluster), "the lease ends", 300_000);
    expect(cluster.clock.nowMs() - beatMs).toBeGreaterThan(99_900);
  });

  test("M30 ignores a record from before another member led", async () => {
    const { cluster, homes } = await edge();
    const leader = await leased(cluster, 100);
    await cluster.clock.advance(10_000);
    const image = cluster.crash(leader.id);
    const other = [...cluster.nodes.values()][0] as Node;
    await cluster.settled(other.services.lease.keepAlive({ id: 5n }, CALL));
    await cluster.clock.advance(60_000);
    await cluster.settled(other.services.lease.keepAlive({ id: 5n }, CALL));
    const beatMs = cluster.clock.nowMs();
    const images = [...cluster.nodes.keys()].map((id) => [id, cluster.crash(id)] as const);
    await restart(cluster, homes, [...images, [leader.id, image]]);
    await cluster.elected();
    await cluster.clock.until(() => hasEnded(cluster), "the lease ends", 300_000);
    expect(cluster.clock.nowMs() - beatMs).toBeGreaterThan(99_900);
  });
});
