/** People who change the members by etcd's Cluster service, at any member, and remember what they were told. */
import type { ChangeCallback } from "../../src/member/membership/cluster-changes.ts";
import type { Member } from "../../src/member/node/member.ts";
import { Violation } from "./state-checker.ts";
import type { World } from "./world.ts";

const MACHINES_MAX = 10;

interface Asked {
  readonly what: "added" | "removed" | "promoted";
  readonly id: bigint;
}

export class MembershipWorkload {
  readonly #world: World;
  readonly #told: Asked[] = [];
  #asked = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** `mayRemove`: nobody else is about to be lost. */
  act(mayRemove: boolean): void {
    const { prng, alive, machines, faults } = this.#world;
    if (alive.length === 0) return;
    const member = prng.pick(alive);
    const { voters, learners } = member.machine.membership.confState;
    const learner = learners[0];
    // Where databases are lost there must be enough members to lose one.
    const votersMin = faults.lostDatabaseEveryMs === Infinity ? 1 : 3;
    if (learner !== undefined && prng.bool(0.6)) {
      member.changes.promote(learner, this.#note(member, "promoted", learner));
    } else if (mayRemove && voters.length > votersMin && prng.bool(0.5)) {
      const leaving = prng.pick([...voters, ...learners]);
      member.changes.remove(leaving, this.#note(member, "removed", leaving));
    } else if (prng.bool(0.2) && voters.length > 0) {
      const updated = prng.pick(voters);
      member.changes.update(updated, [`http://m${updated}:${this.#asked}`], () => {});
    } else if (machines.size < MACHINES_MAX) {
      const done = this.#note(member, "added", 0n);
      member.changes.add([`http://new:${this.#asked}`], prng.bool(0.6), done);
    }
    this.#asked += 1;
  }

  /** What somebody was told to be done is done, for good. */
  check({ machine: { membership } }: Member): void {
    const { voters } = membership.confState;
    for (const { what, id } of this.#told) {
      const isRemoved = membership.wasRemoved(id);
      const holds =
        isRemoved || (what === "added" && membership.has(id)) || (what === "promoted" && voters.includes(id));
      if (!holds) throw new Violation(`membership: somebody was told that ${id} was ${what}`);
    }
  }

  #note(asked: Member, what: Asked["what"], id: bigint): ChangeCallback {
    return (outcome) => {
      const said = outcome.ok ? "done" : outcome.error.message;
      this.#world.trace(`${asked.id} says of ${what} ${id}: ${said}`);
      if (outcome.ok) this.#told.push({ what, id: outcome.value.memberId });
    };
  }
}
