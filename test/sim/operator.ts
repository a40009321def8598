/** Makes events happen to the cluster: power cuts, frozen tabs, lost disks, and changes of its members. */
import { encodeMember } from "../../src/member/membership/membership.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import { compactionRequest } from "../../src/protocol/api/kv.ts";
import { MembershipWorkload } from "./membership-workload.ts";
import type { Machine } from "./sim-member.ts";
import type { World } from "./world.ts";

const NOTHING = new Uint8Array(0);
const MACHINES_MAX = 8;
/** Time between a manual change of the members and the loss of a database, so that the change is complete. */
const CALM_MS = 12_000;

export class Operator {
  readonly #world: World;
  readonly membership: MembershipWorkload;
  #silentUntilMs = 0;
  #changedMs = -Infinity;
  /** Its database is lost, and the others do not know it yet. */
  #lost: Machine | undefined;

  constructor(world: World) {
    this.#world = world;
    this.membership = new MembershipWorkload(world);
  }

  get silentMs(): number {
    return Math.max(0, this.#silentUntilMs - this.#world.queue.nowMs);
  }

  start(): void {
    const { faults, network, machines } = this.#world;
    const { prng } = this.#world;
    this.#every(faults.crashEveryMs, () => this.#crash(prng.pick([...machines.values()])));
    this.#every(faults.blackoutEveryMs, () => {
      for (const machine of machines.values()) this.#crash(machine);
    });
    this.#every(faults.partitionEveryMs, () => this.#trace(`cut ${network.partition([...machines.keys()])}`));
    this.#every(faults.deafEveryMs, () => this.#trace(`deaf ${network.deafen([...machines.keys()])}`));
    this.#every(faults.freezeEveryMs, () => this.#freeze(prng.pick([...machines.values()])));
    this.#every(faults.membershipEveryMs, () => this.#changeMembership());
    this.#every(faults.lostDatabaseEveryMs, () => this.#loseDatabase());
    this.#every(faults.transferEveryMs, () => this.#transfer());
    this.#every(faults.compactEveryMs, () => this.#compact());
    this.#every(faults.evictEveryMs, () => {
      for (const machine of machines.values()) if (prng.bool(0.8) && this.#world.mayEvict(machine)) machine.evict();
    });
    this.#every(faults.lullEveryMs, () => {
      this.#silentUntilMs = this.#world.queue.nowMs + prng.int(2_000, 12_000);
      this.#trace("clients fall silent");
    });
    this.#every(faults.leaveEveryMs, () => this.#leave(prng.pick([...machines.values()])));
    this.#every(faults.silenceEveryMs, () => this.#silenceDisk(prng.pick([...machines.values()])));
    this.#every(faults.reshapeEveryMs, () => this.#reshape());
    this.#roam();
  }

  /** At any member. Once tabs vote alone, no object votes again: the room would need another one. */
  #reshape(): void {
    const { prng } = this.#world;
    const shape = prng.bool(0.15) ? "tabs" : prng.pick(["edge", "mixed"] as const);
    const member = this.#world.pick(prng);
    this.#trace(`reshape to ${shape} at ${member?.id}`);
    member?.changes.reshape({ shape, objects: [this.#world.object] }, () => {});
  }

  /** Removes the member that lost its database, again and again until the others know. */
  removeLost(): void {
    const leader = this.#world.leader();
    const lost = this.#lost;
    if (leader === undefined || lost === undefined) return;
    if (leader.machine.membership.wasRemoved(lost.id)) {
      this.#lost = undefined;
      return;
    }
    this.#trace(`remove lost ${lost.id}: ${leader.changeMembership("remove-node", lost.id, NOTHING)}`);
  }

  #crash(machine: Machine): void {
    if (!machine.isOn) return;
    const { prng, queue, faults } = this.#world;
    this.#trace(`crash ${machine.id}`);
    machine.powerOff();
    this.#world.serve(machine, false);
    queue.after(prng.int(10, faults.downMs), () => {
      this.#world.serve(machine, true);
      if (machine.isOn) return;
      this.#trace(`start ${machine.id}`);
      machine.powerOn();
    });
  }

  /** As a page that is left: whatever it has still to do, it has milliseconds for. */
  #leave(machine: Machine): void {
    const { running, incarnation } = machine;
    const { prng, queue } = this.#world;
    if (running === undefined || machine.isFrozen || machine.id === this.#world.object) return;
    this.#trace(`${machine.id} leaves`);
    const { voters } = running.machine.membership.confState;
    if (running.leader === machine.id) running.transferLeader(prng.pick(voters));
    running.sayGoodbye();
    queue.after(prng.int(0, 30), () => {
      if (machine.incarnation === incarnation) machine.powerOff();
    });
    queue.after(prng.int(200, 12_000), () => {
      if (!machine.isOn) this.#trace(`${machine.id} comes back`);
      machine.powerOn();
    });
  }

  /** Whoever notices starts it again. */
  #silenceDisk(machine: Machine): void {
    if (machine.running === undefined) return;
    const { prng, queue } = this.#world;
    const { incarnation } = machine;
    this.#trace(`the database of ${machine.id} is closed without a word`);
    machine.silenceDisk();
    queue.after(prng.int(500, 8_000), () => {
      if (machine.incarnation === incarnation) this.#crash(machine);
    });
  }

  #freeze(machine: Machine): void {
    const forMs = this.#world.prng.int(500, 10_000);
    this.#trace(`freeze ${machine.id} for ${forMs} ms`);
    machine.freeze(forMs);
  }

  /**
   * Changes the members at the leader: a new member becomes a learner, a learner is promoted, a member leaves. In a
   * room, tabs only join.
   */
  #changeMembership(): void {
    const { prng, faults, machines } = this.#world;
    if (faults.usesService && !faults.isRoom && prng.bool(0.8)) {
      // Several operators at once, which do not know of each other.
      for (let changes = prng.int(1, 3); changes > 0; changes--) this.membership.act(this.#lost === undefined);
      this.#changedMs = this.#world.queue.nowMs;
      return;
    }
    const leader = this.#world.leader();
    if (leader === undefined) return;
    const { voters, learners } = leader.machine.membership.confState;
    const learner = learners.find((id) => machines.get(id)?.isLost === false);
    const removed = [...machines.keys()].find((id) => leader.machine.membership.wasRemoved(id));
    const mayRemove = voters.length > 3 && this.#lost === undefined && !faults.isRoom;
    if (removed !== undefined && prng.bool(0.1)) {
      // By mistake, and without effect.
      this.#trace(`add ${removed} again: ${leader.changeMembership("add-learner", removed, NOTHING)}`);
    } else if (!faults.isRoom && learner !== undefined && prng.bool(0.7)) {
      this.#trace(`promote ${learner}: ${leader.changeMembership("add-node", learner, NOTHING)}`);
    } else if (mayRemove && prng.bool(0.5)) {
      const leaving = prng.pick(voters);
      this.#trace(`remove ${leaving}: ${leader.changeMembership("remove-node", leaving, NOTHING)}`);
    } else if (machines.size < MACHINES_MAX) {
      const newcomer = this.#world.addNewcomer();
      const record = memberRecord({ id: newcomer.id, name: `m${newcomer.id}` });
      const asks = faults.isRoom || prng.bool(0.5);
      if (!asks) leader.changeMembership("add-learner", newcomer.id, encodeMember(record));
      this.#trace(`${newcomer.id} ${asks ? "asks to join" : "is added"}`);
      newcomer.powerOn();
    }
    this.#changedMs = this.#world.queue.nowMs;
  }

  /** One at a time, and only if the others can do without it. */
  #loseDatabase(): void {
    const { prng, queue, machines, faults } = this.#world;
    const leader = this.#world.leader();
    if (leader === undefined || this.#lost !== undefined || machines.size >= MACHINES_MAX + 2) return;
    const { voters } = leader.machine.membership.confState;
    if (voters.length < 3 || voters.length % 2 === 0 || queue.nowMs - this.#changedMs < CALM_MS) return;
    const victim = machines.get(prng.pick(voters));
    // The platform keeps what an object has stored.
    if (faults.isMixed && victim?.id === this.#world.object) return;
    if (victim === undefined || voters.some((id) => machines.get(id)?.isLost === true)) return;
    this.#trace(`${victim.id} loses its database`);
    victim.loseDatabase();
    this.#lost = victim;
    // A browser profile keeps its key: it comes back as another member, and replaces the one that it was.
    const newcomer = this.#world.addNewcomer(faults.isRoom ? victim : undefined);
    queue.after(prng.int(100, 3_000), () => newcomer.powerOn());
    const remove = (): void => {
      if (this.#lost !== victim || this.#world.healing) return;
      this.removeLost();
      queue.after(700, remove);
    };
    queue.after(prng.int(500, 5_000), remove);
  }

  #transfer(): void {
    const leader = this.#world.leader();
    if (leader === undefined) return;
    const { voters } = leader.machine.membership.confState;
    const to = this.#world.prng.pick(voters);
    this.#trace(`transfer from ${leader.id} to ${to}`);
    leader.transferLeader(to);
  }

  #compact(): void {
    const { prng, alive } = this.#world;
    if (alive.length === 0) return;
    const member = prng.pick(alive);
    const revision = member.machine.store.revision - prng.int(0, 20);
    if (revision <= member.machine.store.compactRevision) return;
    this.#trace(`compact ${revision}`);
    member.write({ type: "compaction", compaction: compactionRequest({ revision }) }, (outcome) => {
      if (outcome.ok && member.problem === undefined) member.scheduleCompaction(undefined);
    });
  }

  /** One watcher moves from member to member, as a client behind a balancer does. */
  #roam(): void {
    const { prng, queue, alive, watchers } = this.#world;
    const roamer = watchers[0];
    const frozen = (id: bigint): boolean => this.#world.machines.get(id)?.isFrozen === true;
    const up = alive.filter(({ id }) => !frozen(id));
    if (roamer !== undefined && up.length > 0) roamer.attach(prng.pick(up));
    queue.after(prng.int(500, 6_000), () => {
      if (!this.#world.healing) this.#roam();
    });
  }

  #every(meanMs: number, happen: () => void): void {
    if (meanMs === Infinity) return;
    const { queue, prng } = this.#world;
    queue.after(meanMs * (0.5 + prng.next()), () => {
      if (this.#world.healing) return;
      happen();
      this.#every(meanMs, happen);
    });
  }

  #trace(line: string): void {
    this.#world.trace(line);
  }
}
