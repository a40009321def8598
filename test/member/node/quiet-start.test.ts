import { describe, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import type { NodeOptions } from "../support/cluster.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import type { ResumePoint } from "../../../src/raft/config.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const OPTIONS = { quiesceAfterTicks: 30, startsQuiet: true };
const KEY = utf8Encode("key");
/** Ten ticks. */
const SECOND_MS = 1_000;

/** Members whose leaders save where they may go on, as objects of the edge do. */
class Edge {
  readonly cluster: Cluster = new Cluster(1, OPTIONS);
  readonly #ids: readonly bigint[];
  readonly #saved: Map<bigint, ResumePoint> = new Map();

  constructor(size: number) {
    this.#ids = Array.from({ length: size }, (_, at) => BigInt(at + 1));
  }

  async found(): Promise<Node> {
    const members = this.#ids.map((id) => memberRecord({ id, name: `m${id}` }));
    await Promise.all(
      this.#ids.map((id) => this.cluster.start(id, { type: "found", members }, undefined, this.#options(id))),
    );
    const leader = await this.cluster.elected();
    await this.cluster.settled(leader.services.kv.put(putRequest({ key: KEY, value: utf8Encode("kept") }), CALL));
    await this.quiesced();
    return leader;
  }

  quiesced(): Promise<void> {
    const { clock, nodes } = this.cluster;
    const isQuiesced = (): boolean =>
      clock.timerCount === 0 && [...nodes.values()].every(({ member }) => member.isWaking);
    return clock.until(isQuiesced, "quiesced");
  }

  /** Evicts all members, and loads them again. */
  async restart(ids = this.#ids): Promise<void> {
    const images = ids.map((id) => this.cluster.crash(id));
    await Promise.all(ids.map((id, at) => this.cluster.start(id, { type: "join" }, images[at], this.#options(id))));
    await this.cluster.clock.advance(0);
  }

  async read(id: bigint, serializable = false): Promise<string> {
    const request = rangeRequest({ key: KEY, serializable });
    const { kvs } = await this.cluster.settled(this.cluster.node(id).services.kv.range(request, CALL));
    return utf8Decode(kvs[0]?.value ?? new Uint8Array(0));
  }

  get framesSent(): number {
    return [...this.cluster.nodes.values()].reduce((sum, { member }) => sum + member.counters.framesSent, 0);
  }

  #options(id: bigint): NodeOptions {
    return { resumption: { saved: this.#saved.get(id), save: (point) => void this.#saved.set(id, point) } };
  }
}

describe.each([1, 3, 5])("an evicted cluster of %i", (size) => {
  test("M72 a member that is loaded for what needs no leader has no clock and sends nothing", async () => {
    const edge = new Edge(size);
    await edge.found();
    await edge.restart();
    expect(edge.cluster.clock.timerCount).toBe(0);
    expect(await edge.read(1n, true)).toBe("kept");
    await edge.cluster.clock.advance(60 * SECOND_MS);
    expect([edge.cluster.clock.timerCount, edge.framesSent]).toEqual([0, 0]);
  });

  test("M72 a newcomer wakes the member that it asks, and is let in", async () => {
    const edge = new Edge(size);
    await edge.found();
    await edge.restart();
    const { member } = await edge.cluster.start(9n, { type: "join" }, undefined, { startsQuiet: false });
    member.dial([BigInt(size)]);
    await edge.cluster.clock.until(() => member.machine.membership.has(9n), "is let in");
  });

  test("M72 whoever is asked first for what needs one finds the leader, which goes on in its term", async () => {
    const edge = new Edge(size);
    const leader = await edge.found();
    const { term } = leader.member.basicStatus();
    for (let asked = 1n; asked <= BigInt(size); asked++) {
      await edge.restart();
      const sinceMs = edge.cluster.clock.nowMs();
      expect(await edge.read(asked)).toBe("kept");
      expect(edge.cluster.clock.nowMs() - sinceMs).toBeLessThan(SECOND_MS);
      const { member } = edge.cluster.node(asked);
      expect([member.leader, member.basicStatus().term]).toEqual([leader.id, term]);
      await edge.quiesced();
    }
  });

  test("M73 a cluster that wrote nothing since it woke quiesces within half a second, in memory or evicted; one that did stays", async () => {
    const edge = new Edge(size);
    await edge.found();
    for (const isEvicted of [false, true]) {
      if (isEvicted) await edge.restart();
      await edge.read(1n);
      await edge.cluster.clock.advance(SECOND_MS / 2);
      expect(edge.cluster.clock.timerCount).toBe(0);
    }
    const { services } = edge.cluster.node(1n);
    await edge.cluster.settled(services.kv.put(putRequest({ key: KEY, value: utf8Encode("new") }), CALL));
    await edge.cluster.clock.advance(2 * SECOND_MS);
    expect(edge.cluster.clock.timerCount).toBeGreaterThan(0);
    await edge.quiesced();
    expect(await edge.read(1n)).toBe("new");
  });
});

test("M73 a leader that was cut off while it rested does not serve what another one has overwritten", async () => {
  const edge = new Edge(3);
  const old = await edge.found();
  await edge.read(old.id);
  await edge.cluster.clock.advance(SECOND_MS / 2);
  const others = [...edge.cluster.nodes.values()].filter(({ id }) => id !== old.id);
  for (const { id } of others) edge.cluster.network.setLink(old.id, id, false);
  const [one] = others as [Node, Node];
  await edge.cluster.settled(one.services.kv.put(putRequest({ key: KEY, value: utf8Encode("new") }), CALL));
  await expect(edge.read(old.id)).rejects.toThrow("etcdserver: request timed out");
  for (const { id } of others) edge.cluster.network.setLink(old.id, id, true);
  expect(await edge.read(old.id)).toBe("new");
});

test("M14 a member that was removed unheard is told by a cluster that sleeps, and both rest", async () => {
  const edge = new Edge(3);
  const { id } = await edge.found();
  const { cluster } = edge;
  const away = [...cluster.nodes.keys()].find((each) => each !== id) ?? 0n;
  const image = cluster.crash(away);
  const leader = await cluster.elected();
  leader.member.changeMembership("remove-node", away, new Uint8Array(0));
  await cluster.clock.until(() => leader.member.machine.membership.wasRemoved(away), "removed");
  await edge.quiesced();
  await edge.restart([...cluster.nodes.keys()]);
  const former = await cluster.start(away, { type: "join" }, image);
  const read = former.services.kv.range(rangeRequest({ key: KEY }), CALL);
  await expect(cluster.settled(read)).rejects.toThrow("etcdserver: server stopped");
  expect(former.member.problem?.code).toBe("removed");
  cluster.crash(away);
  await edge.quiesced();
});
