/**
 * Lease safety under faults, from seeds: a lease's key is not deleted before its TTL has passed since the last
 * acknowledged keep-alive, whichever member crashes, leads, hibernates or is partitioned. When the faults and the
 * keep-alives end, every key is deleted.
 */
import { expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import type { MemoryImage } from "../../../src/storage/memory/memory.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const TTLS = [3, 5, 8, 400];
const STEP_MS = 250;

class Run {
  readonly #prng: Prng;
  readonly #cluster: Cluster;
  readonly #images: Map<bigint, MemoryImage> = new Map();
  /** By lease: when the last acknowledged keep-alive was sent. */
  readonly #keepAliveMs: Map<bigint, number> = new Map();
  readonly #gone: Set<bigint> = new Set();
  #grantedIndex = 0;
  keepAlives = 0;

  constructor(seed: number, cluster: Cluster) {
    this.#prng = new Prng(seed);
    this.#cluster = cluster;
  }

  async grant(): Promise<void> {
    const leader = await this.#cluster.elected();
    for (const [at, ttl] of TTLS.entries()) {
      const id = BigInt(at + 1);
      const sentMs = this.#cluster.clock.nowMs();
      await this.#cluster.settled(leader.services.lease.grant({ id, ttl }, CALL));
      await this.#cluster.settled(leader.services.kv.put(putRequest({ key: utf8Encode(`k${id}`), lease: id }), CALL));
      this.#keepAliveMs.set(id, sentMs);
    }
    this.#grantedIndex = leader.member.applied;
  }

  async faults(steps: number): Promise<void> {
    for (let step = 0; step < steps; step++) {
      const dice = this.#prng.int(0, 100);
      if (dice < 40) this.#keepAlive();
      else if (dice < 44) this.#crash();
      else if (dice < 54) await this.#restart();
      else if (dice < 58) this.#cutOrMend(this.#prng.bool(0.5));
      // Sometimes long enough for the cluster to quiesce.
      else if (dice < 60) for (let at = 0; at < 16; at++) await this.#pass();
      await this.#pass();
    }
  }

  async heal(): Promise<void> {
    while (this.#images.size > 0) await this.#restart();
    for (const one of [1n, 2n, 3n]) for (const two of [1n, 2n, 3n]) this.#cluster.network.setLink(one, two, true);
    for (let at = 0; at < 4 * 420 && this.#gone.size < TTLS.length; at++) await this.#pass();
    expect(this.#gone.size).toBe(TTLS.length);
  }

  async #pass(): Promise<void> {
    await this.#cluster.clock.advance(STEP_MS);
    const nowMs = this.#cluster.clock.nowMs();
    for (const { member } of this.#cluster.nodes.values()) {
      if (member.applied < this.#grantedIndex) continue;
      for (const [id, sentMs] of this.#keepAliveMs) {
        if (this.#gone.has(id) || member.machine.leases.exists(id)) continue;
        this.#gone.add(id);
        expect(nowMs - sentMs, `lease ${id} ended at ${nowMs}`).toBeGreaterThanOrEqual(
          (TTLS[Number(id) - 1] ?? 0) * 1_000,
        );
      }
    }
  }

  #keepAlive(): void {
    const node = this.#any();
    const id = BigInt(this.#prng.int(1, TTLS.length + 1));
    const sentMs = this.#cluster.clock.nowMs();
    node.services.lease.keepAlive({ id }, CALL).then(
      ({ ttl }) => {
        if (ttl === 0) return;
        this.keepAlives += 1;
        // A response may arrive late, after the response to a later keep-alive.
        this.#keepAliveMs.set(id, Math.max(sentMs, this.#keepAliveMs.get(id) ?? 0));
      },
      () => {},
    );
  }

  #any(): Node {
    const nodes = [...this.#cluster.nodes.values()];
    return nodes[this.#prng.int(0, nodes.length)] as Node;
  }

  #crash(): void {
    if (this.#images.size > 0) return;
    const { id } = this.#any();
    this.#images.set(id, this.#cluster.crash(id));
  }

  async #restart(): Promise<void> {
    for (const [id, image] of this.#images) await this.#cluster.start(id, { type: "join" }, image);
    this.#images.clear();
  }

  #cutOrMend(mended: boolean): void {
    const one = BigInt(this.#prng.int(1, 4));
    for (const two of [1n, 2n, 3n]) if (two !== one) this.#cluster.network.setLink(one, two, mended);
  }
}

test.each(Array.from({ length: 12 }, (_, at) => at + 1))(
  "M26 seed %i: no lease ends early, and each ends",
  async (seed) => {
    const cluster = await Cluster.founded(3, { quiesceAfterTicks: 20 }, seed);
    const run = new Run(seed, cluster);
    await run.grant();
    await run.faults(200);
    await run.heal();
    expect(run.keepAlives).toBeGreaterThan(5);
  },
);
