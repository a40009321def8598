import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { memberAddRequest, memberListRequest, memberUpdateRequest } from "../../../src/protocol/api/cluster.ts";
import type { Member } from "../../../src/protocol/api/cluster.ts";
import { EtcdError } from "../../../src/protocol/errors.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node, NodeOptions } from "../support/cluster.ts";

const NOT_FOUND = "5 etcdserver: member not found";
const URL_EXISTS = "9 etcdserver: Peer URLs already exists";
const BAD_URLS = "3 etcdserver: given member URLs are invalid";
const NOT_STARTED = "2 etcdserver: re-configuration failed due to not enough started members";
const UNHEALTHY = "14 etcdserver: unhealthy cluster";
const NOT_READY = "9 etcdserver: can only promote a learner member which is in sync with leader";
const NOT_LEARNER = "9 etcdserver: can only promote a learner member";
const TOO_MANY = "9 etcdserver: too many learner members in cluster";

/** The cluster, and etcd's calls on its members as lines that can be compared. */
class Operators {
  readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  static async founded(count: number, options: NodeOptions = {}): Promise<Operators> {
    const operators = new Operators(await Cluster.founded(count, options));
    await operators.cluster.elected();
    await operators.cluster.clock.advance(500);
    return operators;
  }

  get leader(): Node {
    return this.cluster.leader as Node;
  }

  get follower(): Node {
    return [...this.cluster.nodes.values()].find(({ id }) => id !== this.leader.id) as Node;
  }

  /** The id of the added member; "ok"; or the error. */
  async add(peerUrls: readonly string[], isLearner = false, at: Node = this.leader): Promise<bigint | string> {
    return this.#outcome(at.services.cluster.memberAdd(memberAddRequest({ peerUrls, isLearner }), CALL), (answer) => {
      expect(answer.member).toMatchObject({ name: "", clientUrls: [], isLearner });
      expect(answer.members).toContainEqual(answer.member);
      return answer.member?.id ?? "nobody";
    });
  }

  async remove(id: bigint, at: Node = this.leader): Promise<string> {
    return this.#outcome(at.services.cluster.memberRemove({ id }, CALL), ({ members }) => named(members));
  }

  async update(id: bigint, peerUrls: readonly string[], at: Node = this.leader): Promise<string> {
    const call = at.services.cluster.memberUpdate(memberUpdateRequest({ id, peerUrls }), CALL);
    return this.#outcome(call, ({ members }) => members.find((one) => one.id === id)?.peerUrls.join() ?? "gone");
  }

  async promote(id: bigint, at: Node = this.leader): Promise<string> {
    return this.#outcome(at.services.cluster.memberPromote({ id }, CALL), ({ members }) => named(members));
  }

  async list(at: Node, linearizable = false): Promise<string> {
    const call = at.services.cluster.memberList(memberListRequest({ linearizable }), CALL);
    return this.#outcome(call, ({ members }) => named(members));
  }

  async put(at: Node): Promise<void> {
    await this.cluster.settled(at.services.kv.put(putRequest({ key: utf8Encode("key") }), CALL));
  }

  /** Starts an added member under its id. */
  async start(id: bigint): Promise<Node> {
    const node = await this.cluster.start(id, { type: "join" });
    await this.cluster.clock.until(() => this.leader.member.machine.membership.get(id)?.name === `m${id}`, "started");
    return node;
  }

  async #outcome<Answer, Line>(call: Promise<Answer>, line: (answer: Answer) => Line): Promise<Line | string> {
    try {
      const answer = await this.cluster.settled(call);
      expect(answer).toMatchObject({ header: { revision: 0, clusterId: 7n } });
      return line(answer);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      return `${error.code} ${error.message}`;
    }
  }
}

function named(members: readonly Member[]): string {
  const lines = members.map(
    ({ id, name, isLearner }) => (name === "" ? `(${id < 100n ? id : "new"})` : name) + (isLearner ? "?" : ""),
  );
  return lines.sort().join(" ");
}

describe("adding a member", () => {
  test("returns a new id; the member is started once it has published its name, votes, and serves", async () => {
    const operators = await Operators.founded(3);
    const id = (await operators.add(["http://four:2380"], false, operators.follower)) as bigint;
    expect(await operators.list(operators.follower)).toBe("(new) m1 m2 m3");
    const node = await operators.start(id);
    await operators.put(node);
    expect(node.member.machine.membership.get(id)).toEqual({
      id,
      name: `m${id}`,
      peerUrls: ["http://four:2380"],
      clientUrls: [],
      isLearner: false,
    });
    expect(operators.leader.member.status().confState.voters).toContain(id);
  });

  test("M12 refuses invalid URLs before every other check", async () => {
    const operators = await Operators.founded(1);
    for (const bad of [[], [""], ["http://a"], ["http://a:1/x"], ["http://ok:1", "ftp://a:1"]]) {
      expect(await operators.add(bad)).toBe(BAD_URLS);
    }
  });

  test("M12 refuses a peer URL of another member, of a voter and of a learner, on any member", async () => {
    const operators = await Operators.founded(3);
    await operators.add(["http://l:1"], true);
    expect(await operators.add(["http://new:1", "http://l:1"], false, operators.follower)).toBe(URL_EXISTS);
    expect(await operators.add(["http://l:1"], true)).toBe(URL_EXISTS);
  });

  test("M12 accepts one learner, or up to the configured number", async () => {
    for (const maxLearners of [1, 2]) {
      const operators = await Operators.founded(3, { cluster: { maxLearners } });
      for (let at = 1; at <= maxLearners; at++)
        expect(await operators.add([`http://l${at}:1`], true)).toBeTypeOf("bigint");
      expect(await operators.add(["http://more:1"], true)).toBe(TOO_MANY);
    }
  });

  test("M12 to a single one always succeeds; a third is refused until the second has started", async () => {
    const operators = await Operators.founded(1);
    expect(await operators.add(["http://two:1"])).toBeTypeOf("bigint");
    expect(await operators.add(["http://three:1"])).toBe(NOT_STARTED);
    expect(await operators.add(["http://two:1"])).toBe(NOT_STARTED);
    expect(await operators.add(["http://three:1"], true)).toBe(UNHEALTHY);
  });

  test("M12 is refused if the new quorum would not be connected: for learners too, and before the URL is checked", async () => {
    const operators = await Operators.founded(3);
    operators.cluster.crash(operators.follower.id);
    await operators.cluster.clock.advance(1_500);
    expect(await operators.add(["http://v:1"])).toBe(UNHEALTHY);
    expect(await operators.add(["http://v:1"], true)).toBe(UNHEALTHY);
    const four = await Operators.founded(4);
    four.cluster.crash(four.follower.id);
    await four.cluster.clock.advance(1_500);
    expect(await four.add(["http://v:1"])).toBeTypeOf("bigint");
  });

  test("M12 waits five seconds for a member that was away and has come back, as etcd does", async () => {
    const operators = await Operators.founded(3);
    const { id } = operators.follower;
    const image = operators.cluster.crash(id);
    await operators.cluster.clock.advance(1_500);
    await operators.cluster.start(id, { type: "join" }, image);
    await operators.cluster.clock.advance(2_000);
    expect(await operators.add(["http://v:1"])).toBe(UNHEALTHY);
    await operators.cluster.clock.advance(4_000);
    expect(await operators.add(["http://v:1"])).toBeTypeOf("bigint");
  });

  test("M12 without strict-reconfig-check ignores which members are connected", async () => {
    const operators = await Operators.founded(3, { cluster: { strictReconfigCheck: false } });
    operators.cluster.crash(operators.follower.id);
    await operators.cluster.clock.advance(1_500);
    expect(await operators.add(["http://v:1"])).toBeTypeOf("bigint");
  });

  test("without a quorum is refused without waiting", async () => {
    const operators = await Operators.founded(3);
    const { leader } = operators;
    for (const id of [1n, 2n, 3n]) if (id !== leader.id) operators.cluster.crash(id);
    await operators.cluster.clock.advance(4_000);
    expect(await operators.add(["http://v:1"], false, leader)).toBe(UNHEALTHY);
    expect(await operators.promote(1n, leader)).toBe("14 etcdserver: no leader");
    expect(await operators.list(leader)).toBe("m1 m2 m3");
    expect(await operators.list(leader, true)).toMatch(/^14 etcdserver: request timed out/);
  });

  test("M13 by several operators at once adds all members, one after the other", async () => {
    const operators = await Operators.founded(5, { cluster: { newMemberId: (count) => BigInt(count + 1) } });
    const nodes = [...operators.cluster.nodes.values()];
    const ids = await Promise.all(nodes.slice(0, 3).map((node, at) => operators.add([`http://n${at}:1`], false, node)));
    expect(new Set(ids)).toEqual(new Set([6n, 7n, 8n]));
  });
});

describe("a learner", () => {
  test("in a cluster serves status, snapshots and serializable ranges, like etcd's; in a room it serves everything", async () => {
    for (const learnersRefuse of [true, false]) {
      const operators = await Operators.founded(1, { cluster: { learnersRefuse } });
      const { services } = await operators.start((await operators.add(["http://l:1"], true)) as bigint);
      const key = utf8Encode("key");
      const calls = {
        old: () => services.kv.range(rangeRequest({ key, serializable: true }), CALL),
        status: () => services.maintenance.status({}, CALL),
        range: () => services.kv.range(rangeRequest({ key }), CALL),
        put: () => services.kv.put(putRequest({ key }), CALL),
        list: () => services.cluster.memberList(memberListRequest(), CALL),
        users: () => services.auth.userList({}, CALL),
        watch: async () => services.watch.watch(CALL).close(),
      };
      const refused: string[] = [];
      for (const [name, call] of Object.entries(calls)) {
        await operators.cluster.settled(call() as Promise<unknown>).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 9, message: "etcdserver: rpc not supported for learner" });
          refused.push(name);
        });
      }
      expect(refused).toEqual(learnersRefuse ? ["range", "put", "list", "users", "watch"] : []);
    }
  });
});

describe("promoting a learner", () => {
  test("M12 succeeds once it has nine tenths of the leader's log, once, and on any member", async () => {
    const operators = await Operators.founded(3);
    const id = (await operators.add(["http://l:1"], true)) as bigint;
    for (const at of operators.cluster.nodes.values()) expect(await operators.promote(id, at)).toBe(NOT_READY);
    const learner = await operators.start(id);
    expect(await operators.promote(id, operators.follower)).toBe(`m1 m2 m3 m${id}`);
    expect(operators.leader.member.status().confState.voters).toContain(id);
    expect(learner.member.machine.membership.get(id)?.peerUrls).toEqual(["http://l:1"]);
    expect(await operators.promote(id, learner)).toBe(NOT_LEARNER);
  });

  test("M12 MemberPromote fails for a voter, for an unknown and for a removed member", async () => {
    const operators = await Operators.founded(3);
    const gone = (await operators.add(["http://l:1"], true)) as bigint;
    await operators.remove(gone);
    for (const at of operators.cluster.nodes.values()) {
      expect(await operators.promote(2n, at)).toBe(NOT_LEARNER);
      expect(await operators.promote(12_345n, at)).toBe(NOT_FOUND);
      expect(await operators.promote(gone, at)).toBe(NOT_FOUND);
    }
  });
});

describe("updating a member", () => {
  test("changes its peer URLs to those given, and nothing else", async () => {
    const operators = await Operators.founded(3);
    expect(await operators.update(2n, ["http://z:1", "http://a:1", "http://z:1"], operators.follower)).toBe(
      "http://z:1,http://a:1,http://z:1",
    );
    expect(await operators.update(2n, ["http://z:1"])).toBe("http://z:1");
    expect(await operators.update(2n, [])).toBe("");
    expect(await operators.list(operators.follower)).toBe("m1 m2 m3");
  });

  test("M12 is refused with another member's URL, an invalid one, and for an id that is not a member", async () => {
    const operators = await Operators.founded(3);
    await operators.update(1n, ["http://one:1"]);
    expect(await operators.update(2n, ["http://two:1", "http://one:1"])).toBe(URL_EXISTS);
    expect(await operators.update(2n, ["rubbish"])).toBe(BAD_URLS);
    expect(await operators.update(12_345n, ["http://x:1"])).toBe(NOT_FOUND);
  });
});

describe("removing a member", () => {
  test("M12 is refused for an unknown and for a removed member", async () => {
    const operators = await Operators.founded(3);
    const gone = (await operators.add(["http://l:1"], true)) as bigint;
    expect(await operators.remove(gone, operators.follower)).toBe("m1 m2 m3");
    for (const id of [gone, 12_345n, 0n]) expect(await operators.remove(id)).toBe(NOT_FOUND);
  });

  test("M15 that leads responds, transfers leadership, and the others continue", async () => {
    const operators = await Operators.founded(3);
    const { leader } = operators;
    expect(await operators.remove(leader.id)).not.toContain(`m${leader.id}`);
    await operators.cluster.clock.until(() => leader.member.problem !== undefined, "gone");
    operators.cluster.nodes.delete(leader.id);
    await operators.cluster.elected();
    await operators.put(operators.leader);
  });

  test("M15 that leads loses no write: requests meanwhile wait for its successor", async () => {
    const operators = await Operators.founded(3);
    const { leader, follower } = operators;
    const startMs = operators.cluster.clock.nowMs();
    leader.member.changes.remove(leader.id, () => {});
    await operators.cluster.clock.until(() => follower.member.machine.membership.wasRemoved(leader.id), "known");
    await operators.put(follower);
    expect(operators.cluster.clock.nowMs() - startMs).toBeLessThan(1_000);
  });

  test("that serves the call returns the response itself", async () => {
    const operators = await Operators.founded(3);
    const { follower } = operators;
    expect(await operators.remove(follower.id, follower)).not.toContain(`m${follower.id}`);
    await operators.cluster.clock.until(() => follower.member.problem !== undefined, "gone");
  });

  test("M12 is refused when it is the last one, or no other has started", async () => {
    const operators = await Operators.founded(1);
    expect(await operators.remove(1n)).toBe(NOT_STARTED);
    const two = (await operators.add(["http://two:1"])) as bigint;
    expect(await operators.remove(1n)).toBe(NOT_STARTED);
    expect(two).toBeTypeOf("bigint");
  });

  test("M12 that is up is refused while another one is down; one that is down may be removed", async () => {
    const operators = await Operators.founded(3);
    const { follower } = operators;
    operators.cluster.crash(follower.id);
    await operators.cluster.clock.advance(1_500);
    const working = operators.follower;
    expect(await operators.remove(working.id)).toBe(UNHEALTHY);
    expect(await operators.remove(operators.leader.id)).toBe(UNHEALTHY);
    expect(await operators.remove(follower.id)).toBe(named(operators.leader.member.machine.membership.members));
  });

  test("of two voters leaves one that can lead alone, though it crashes while the other one is informed", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const operators = new Operators(await Cluster.founded(2, {}, seed));
      await operators.cluster.elected();
      await operators.cluster.clock.advance(500);
      const { leader, follower } = operators;
      follower.member.changes.remove(follower.id, () => {});
      await operators.cluster.clock.until(() => follower.member.problem !== undefined, "removed");
      operators.cluster.crash(follower.id);
      const image = operators.cluster.crash(leader.id);
      await operators.cluster.start(leader.id, { type: "join" }, image);
      await operators.cluster.elected();
      await operators.put(operators.leader);
    }
  });
});

describe("a call", () => {
  test("M13 that outlives its leader is applied once", async () => {
    const operators = await Operators.founded(3, { cluster: { newMemberId: (count) => BigInt(count + 1) } });
    const { leader, follower } = operators;
    const added = operators.add(["http://v:1"], false, follower);
    await operators.cluster.clock.advance(0);
    operators.cluster.crash(leader.id);
    // Whether the old leader had proposed it or not: with one member away, the new leader would refuse it.
    expect([4n, UNHEALTHY]).toContain(await added);
    expect(await operators.list(follower)).toMatch(/^(\(4\) )?m1 m2 m3$/u);
  });
});

describe("a member's attributes", () => {
  test("are published when it starts: its name and its client URLs", async () => {
    const operators = await Operators.founded(1, { cluster: { clientUrls: ["http://here:1"] } });
    const urls = (): readonly string[] | undefined => operators.leader.member.machine.membership.get(1n)?.clientUrls;
    await operators.cluster.clock.until(() => urls()?.join() === "http://here:1", "published");
  });
});
