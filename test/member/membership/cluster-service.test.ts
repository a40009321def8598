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
class People {
  readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  static async founded(count: number, options: NodeOptions = {}): Promise<People> {
    const people = new People(await Cluster.founded(count, options));
    await people.cluster.elected();
    await people.cluster.clock.advance(500);
    return people;
  }

  get leader(): Node {
    return this.cluster.leader as Node;
  }

  get follower(): Node {
    return [...this.cluster.nodes.values()].find(({ id }) => id !== this.leader.id) as Node;
  }

  /** The id of the added member; "ok"; or the error. */
  async add(peerUrls: readonly string[], isLearner = false, at: Node = this.leader): Promise<bigint | string> {
    return this.#told(at.services.cluster.memberAdd(memberAddRequest({ peerUrls, isLearner }), CALL), (answer) => {
      expect(answer.member).toMatchObject({ name: "", clientUrls: [], isLearner });
      expect(answer.members).toContainEqual(answer.member);
      return answer.member?.id ?? "nobody";
    });
  }

  async remove(id: bigint, at: Node = this.leader): Promise<string> {
    return this.#told(at.services.cluster.memberRemove({ id }, CALL), ({ members }) => named(members));
  }

  async update(id: bigint, peerUrls: readonly string[], at: Node = this.leader): Promise<string> {
    const call = at.services.cluster.memberUpdate(memberUpdateRequest({ id, peerUrls }), CALL);
    return this.#told(call, ({ members }) => members.find((one) => one.id === id)?.peerUrls.join() ?? "gone");
  }

  async promote(id: bigint, at: Node = this.leader): Promise<string> {
    return this.#told(at.services.cluster.memberPromote({ id }, CALL), ({ members }) => named(members));
  }

  async list(at: Node, linearizable = false): Promise<string> {
    const call = at.services.cluster.memberList(memberListRequest({ linearizable }), CALL);
    return this.#told(call, ({ members }) => named(members));
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

  async #told<Answer, Line>(call: Promise<Answer>, line: (answer: Answer) => Line): Promise<Line | string> {
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
    const people = await People.founded(3);
    const id = (await people.add(["http://four:2380"], false, people.follower)) as bigint;
    expect(await people.list(people.follower)).toBe("(new) m1 m2 m3");
    const node = await people.start(id);
    await people.put(node);
    expect(node.member.machine.membership.get(id)).toEqual({
      id,
      name: `m${id}`,
      peerUrls: ["http://four:2380"],
      clientUrls: [],
      isLearner: false,
    });
    expect(people.leader.member.status().confState.voters).toContain(id);
  });

  test("M12 refuses invalid URLs before every other check", async () => {
    const people = await People.founded(1);
    for (const bad of [[], [""], ["http://a"], ["http://a:1/x"], ["http://ok:1", "ftp://a:1"]]) {
      expect(await people.add(bad)).toBe(BAD_URLS);
    }
  });

  test("M12 refuses a peer URL of another member, of a voter and of a learner, on any member", async () => {
    const people = await People.founded(3);
    await people.add(["http://l:1"], true);
    expect(await people.add(["http://new:1", "http://l:1"], false, people.follower)).toBe(URL_EXISTS);
    expect(await people.add(["http://l:1"], true)).toBe(URL_EXISTS);
  });

  test("M12 accepts one learner, or up to the configured number", async () => {
    for (const maxLearners of [1, 2]) {
      const people = await People.founded(3, { cluster: { maxLearners } });
      for (let at = 1; at <= maxLearners; at++)
        expect(await people.add([`http://l${at}:1`], true)).toBeTypeOf("bigint");
      expect(await people.add(["http://more:1"], true)).toBe(TOO_MANY);
    }
  });

  test("M12 to a single one always succeeds; a third is refused until the second has started", async () => {
    const people = await People.founded(1);
    expect(await people.add(["http://two:1"])).toBeTypeOf("bigint");
    expect(await people.add(["http://three:1"])).toBe(NOT_STARTED);
    expect(await people.add(["http://two:1"])).toBe(NOT_STARTED);
    expect(await people.add(["http://three:1"], true)).toBe(UNHEALTHY);
  });

  test("M12 is refused if the new quorum would not be connected: for learners too, and before the URL is checked", async () => {
    const people = await People.founded(3);
    people.cluster.crash(people.follower.id);
    await people.cluster.clock.advance(1_500);
    expect(await people.add(["http://v:1"])).toBe(UNHEALTHY);
    expect(await people.add(["http://v:1"], true)).toBe(UNHEALTHY);
    const four = await People.founded(4);
    four.cluster.crash(four.follower.id);
    await four.cluster.clock.advance(1_500);
    expect(await four.add(["http://v:1"])).toBeTypeOf("bigint");
  });

  test("M12 waits five seconds for a member that was away and has come back, as etcd does", async () => {
    const people = await People.founded(3);
    const { id } = people.follower;
    const image = people.cluster.crash(id);
    await people.cluster.clock.advance(1_500);
    await people.cluster.start(id, { type: "join" }, image);
    await people.cluster.clock.advance(2_000);
    expect(await people.add(["http://v:1"])).toBe(UNHEALTHY);
    await people.cluster.clock.advance(4_000);
    expect(await people.add(["http://v:1"])).toBeTypeOf("bigint");
  });

  test("M12 without strict-reconfig-check ignores which members are connected", async () => {
    const people = await People.founded(3, { cluster: { strictReconfigCheck: false } });
    people.cluster.crash(people.follower.id);
    await people.cluster.clock.advance(1_500);
    expect(await people.add(["http://v:1"])).toBeTypeOf("bigint");
  });

  test("without a quorum is refused without waiting", async () => {
    const people = await People.founded(3);
    const { leader } = people;
    for (const id of [1n, 2n, 3n]) if (id !== leader.id) people.cluster.crash(id);
    await people.cluster.clock.advance(4_000);
    expect(await people.add(["http://v:1"], false, leader)).toBe(UNHEALTHY);
    expect(await people.promote(1n, leader)).toBe("14 etcdserver: no leader");
    expect(await people.list(leader)).toBe("m1 m2 m3");
    expect(await people.list(leader, true)).toMatch(/^14 etcdserver: request timed out/);
  });

  test("M13 by several operators at once adds all members, one after the other", async () => {
    const people = await People.founded(5, { cluster: { newMemberId: (count) => BigInt(count + 1) } });
    const nodes = [...people.cluster.nodes.values()];
    const ids = await Promise.all(nodes.slice(0, 3).map((node, at) => people.add([`http://n${at}:1`], false, node)));
    expect(new Set(ids)).toEqual(new Set([6n, 7n, 8n]));
  });
});

describe("a learner", () => {
  test("in a cluster serves status, snapshots and serializable ranges, like etcd's; in a room it serves everything", async () => {
    for (const learnersRefuse of [true, false]) {
      const people = await People.founded(1, { cluster: { learnersRefuse } });
      const { services } = await people.start((await people.add(["http://l:1"], true)) as bigint);
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
        await people.cluster.settled(call() as Promise<unknown>).catch((error: unknown) => {
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
    const people = await People.founded(3);
    const id = (await people.add(["http://l:1"], true)) as bigint;
    for (const at of people.cluster.nodes.values()) expect(await people.promote(id, at)).toBe(NOT_READY);
    const learner = await people.start(id);
    expect(await people.promote(id, people.follower)).toBe(`m1 m2 m3 m${id}`);
    expect(people.leader.member.status().confState.voters).toContain(id);
    expect(learner.member.machine.membership.get(id)?.peerUrls).toEqual(["http://l:1"]);
    expect(await people.promote(id, learner)).toBe(NOT_LEARNER);
  });

  test("M12 MemberPromote fails for a voter, for an unknown and for a removed member", async () => {
    const people = await People.founded(3);
    const gone = (await people.add(["http://l:1"], true)) as bigint;
    await people.remove(gone);
    for (const at of people.cluster.nodes.values()) {
      expect(await people.promote(2n, at)).toBe(NOT_LEARNER);
      expect(await people.promote(12_345n, at)).toBe(NOT_FOUND);
      expect(await people.promote(gone, at)).toBe(NOT_FOUND);
    }
  });
});

describe("updating a member", () => {
  test("changes its peer URLs to those given, and nothing else", async () => {
    const people = await People.founded(3);
    expect(await people.update(2n, ["http://z:1", "http://a:1", "http://z:1"], people.follower)).toBe(
      "http://z:1,http://a:1,http://z:1",
    );
    expect(await people.update(2n, ["http://z:1"])).toBe("http://z:1");
    expect(await people.update(2n, [])).toBe("");
    expect(await people.list(people.follower)).toBe("m1 m2 m3");
  });

  test("M12 is refused with another member's URL, an invalid one, and for an id that is not a member", async () => {
    const people = await People.founded(3);
    await people.update(1n, ["http://one:1"]);
    expect(await people.update(2n, ["http://two:1", "http://one:1"])).toBe(URL_EXISTS);
    expect(await people.update(2n, ["rubbish"])).toBe(BAD_URLS);
    expect(await people.update(12_345n, ["http://x:1"])).toBe(NOT_FOUND);
  });
});

describe("removing a member", () => {
  test("M12 is refused for an unknown and for a removed member", async () => {
    const people = await People.founded(3);
    const gone = (await people.add(["http://l:1"], true)) as bigint;
    expect(await people.remove(gone, people.follower)).toBe("m1 m2 m3");
    for (const id of [gone, 12_345n, 0n]) expect(await people.remove(id)).toBe(NOT_FOUND);
  });

  test("M15 that leads responds, transfers leadership, and the others continue", async () => {
    const people = await People.founded(3);
    const { leader } = people;
    expect(await people.remove(leader.id)).not.toContain(`m${leader.id}`);
    await people.cluster.clock.until(() => leader.member.problem !== undefined, "gone");
    people.cluster.nodes.delete(leader.id);
    await people.cluster.elected();
    await people.put(people.leader);
  });

  test("M15 that leads loses no write: requests meanwhile wait for its successor", async () => {
    const people = await People.founded(3);
    const { leader, follower } = people;
    const startMs = people.cluster.clock.nowMs();
    leader.member.changes.remove(leader.id, () => {});
    await people.cluster.clock.until(() => follower.member.machine.membership.wasRemoved(leader.id), "known");
    await people.put(follower);
    expect(people.cluster.clock.nowMs() - startMs).toBeLessThan(1_000);
  });

  test("that serves the call returns the response itself", async () => {
    const people = await People.founded(3);
    const { follower } = people;
    expect(await people.remove(follower.id, follower)).not.toContain(`m${follower.id}`);
    await people.cluster.clock.until(() => follower.member.problem !== undefined, "gone");
  });

  test("M12 is refused when it is the last one, or no other has started", async () => {
    const people = await People.founded(1);
    expect(await people.remove(1n)).toBe(NOT_STARTED);
    const two = (await people.add(["http://two:1"])) as bigint;
    expect(await people.remove(1n)).toBe(NOT_STARTED);
    expect(two).toBeTypeOf("bigint");
  });

  test("M12 that is up is refused while another one is down; one that is down may be removed", async () => {
    const people = await People.founded(3);
    const { follower } = people;
    people.cluster.crash(follower.id);
    await people.cluster.clock.advance(1_500);
    const working = people.follower;
    expect(await people.remove(working.id)).toBe(UNHEALTHY);
    expect(await people.remove(people.leader.id)).toBe(UNHEALTHY);
    expect(await people.remove(follower.id)).toBe(named(people.leader.member.machine.membership.members));
  });

  test("of two voters leaves one that can lead alone, though it crashes while the other one is informed", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const people = new People(await Cluster.founded(2, {}, seed));
      await people.cluster.elected();
      await people.cluster.clock.advance(500);
      const { leader, follower } = people;
      follower.member.changes.remove(follower.id, () => {});
      await people.cluster.clock.until(() => follower.member.problem !== undefined, "told");
      people.cluster.crash(follower.id);
      const image = people.cluster.crash(leader.id);
      await people.cluster.start(leader.id, { type: "join" }, image);
      await people.cluster.elected();
      await people.put(people.leader);
    }
  });
});

describe("a call", () => {
  test("M13 that outlives its leader is applied once", async () => {
    const people = await People.founded(3, { cluster: { newMemberId: (count) => BigInt(count + 1) } });
    const { leader, follower } = people;
    const added = people.add(["http://v:1"], false, follower);
    await people.cluster.clock.advance(0);
    people.cluster.crash(leader.id);
    // Whether the old leader had proposed it or not: with one member away, the new leader would refuse it.
    expect([4n, UNHEALTHY]).toContain(await added);
    expect(await people.list(follower)).toMatch(/^(\(4\) )?m1 m2 m3$/u);
  });
});

describe("a member's attributes", () => {
  test("are published when it starts: its name and its client URLs", async () => {
    const people = await People.founded(1, { cluster: { clientUrls: ["http://here:1"] } });
    const urls = (): readonly string[] | undefined => people.leader.member.machine.membership.get(1n)?.clientUrls;
    await people.cluster.clock.until(() => urls()?.join() === "http://here:1", "published");
  });
});
