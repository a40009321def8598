/**
 * Operators that change the members through etcd's Cluster service, at any member, and remember which changes were
 * confirmed.
 */
import type { ChangeCallback } from "../../src/member/membership/cluster-changes.ts";
import type { Member } from "../../src/member/node/member.ts";
import { Violation } from "./state-checker.ts";
import type { World } from "./world.ts";

const MACHINES_MAX = 10;

interface Confirmed {
  readonly what: "added" | "removed" | "promoted";
  readonly id: bigint;
}

export class MembershipWorkload {
  readonly #world: World;
  readonly #confirmed: Confirmed[] = [];
  #calls = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** `mayRemove`: no other member is about to be lost. */
  act(mayRemove: boolean): void {
    const { prng, alive, machines, faults } = this.#world;
    if (alive.length === 0) return;
    const member = prng.pick(alive);
    const { voters, learners } = member.machine.membership.confState;
    const learner = learners[0];
    // Where databases are lost there must be enough members to lose one.
    const votersMin = faults.lostDatabaseEveryMs === Infinity ? 1 : 3;
    if (learner !== undefined && prng.bool(0.6)) {
      member.changes.promote(learner, this.#callback(member, "promoted", learner));
    } else if (mayRemove && voters.length > votersMin && prng.bool(0.5)) {
      const leaving = prng.pick([...voters, ...learners]);
      member.changes.remove(leaving, this.#callback(member, "removed", leaving));
    } else if (prng.bool(0.2) && voters.length > 0) {
      const updated = prng.pick(voters);
      member.changes.update(updated, [`http://m${updated}:${this.#calls}`], () => {});
    } else if (machines.size < MACHINES_MAX) {
      const done = this.#callback(member, "added", 0n);
      member.changes.add([`http://new:${this.#calls}`], prng.bool(0.6), done);
    }
    this.#calls += 1;
  }

  /** Checks that every confirmed change is in effect, permanently. */
  check({ machine: { membership } }: Member): void {
    const { voters } = membership.confState;
    for (const { what, id } of this.#confirmed) {
      const isRemoved = membership.wasRemoved(id);
      const holds =
        isRemoved || (what === "added" && membership.has(id)) || (what === "promoted" && voters.includes(id));
      if (!holds) throw new Violation(`membership: a caller was notified that ${id} was ${what}`);
    }
  }

  #callback(called: Member, what: Confirmed["what"], id: bigint): ChangeCallback {
    return (outcome) => {
      const result = outcome.ok ? "done" : outcome.error.message;
      this.#world.trace(`${called.id} says of ${what} ${id}: ${result}`);
      if (outcome.ok) this.#confirmed.push({ what, id: outcome.value.memberId });
    };
  }
}
