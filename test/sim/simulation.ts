/**
 * One run of a simulated cluster, decided by its seed alone: real members, state and frames. The network, the disks,
 * the clocks and the power switches are simulated.
 *
 * The first phase has faults, and no rule may ever be broken. Then the faults stop: the cluster must agree, admit all
 * new members, and serve at every member. At the end, the calls of the clients must be linearizable, and all members
 * must hold the same state.
 */
import { utf8Encode } from "../../src/base/utf8.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { Membership } from "../../src/member/membership/membership.ts";
import { putRequest } from "../../src/protocol/api/kv.ts";
import { Client } from "./clients.ts";
import type { DiskLie } from "./disk.ts";
import type { Faults } from "./faults.ts";
import { History, KEYS } from "./history.ts";
import { checkKey } from "./linearizability.ts";
import { Operator } from "./operator.ts";
import { checkRevisionOrder, placesOf } from "./revision-order.ts";
import { VOTERS_MAX } from "./sim-member.ts";
import type { Machine } from "./sim-member.ts";
import { Violation } from "./state-checker.ts";
import type { ShapeName } from "../../src/protocol/peer/cluster-shape-schema.ts";
import { World } from "./world.ts";

const CLIENTS = 4;
const HEAL_LIMIT_MS = 90_000;
/** A read that failed is repeated, but only for a bounded time. */
const SERVE_LIMIT_MS = 15_000;

export interface SimulationResult {
  readonly seed: number;
  readonly steps: number;
  readonly calls: number;
  readonly answered: number;
  readonly applied: number;
  readonly snapshots: number;
  readonly compacted: number;
  /** Number of keys whose calls have more possible orders than the search tries; their revisions prove one. */
  readonly undecided: number;
  readonly failure: string | undefined;
}

export interface SimulationOptions {
  readonly seconds: number;
  readonly trace?: (line: string) => void;
  /** Replaces what the seed draws. */
  readonly faults?: Partial<Faults>;
  /** Planted faults. */
  readonly lie?: DiskLie;
  readonly trustsLeaders?: boolean;
}

export function simulate(seed: number, options: SimulationOptions): Promise<SimulationResult> {
  return new Simulation(seed, options).run();
}

class Simulation {
  readonly #seed: number;
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #operator: Operator;
  readonly #history: History = new History();
  readonly #clients: Client[] = [];
  #undecided = 0;

  constructor(seed: number, options: SimulationOptions) {
    this.#seed = seed;
    this.#options = options;
    const { trace, lie, faults } = options;
    this.#world = new World(seed, { trace, lie, faults });
    this.#operator = new Operator(this.#world);
  }

  async run(): Promise<SimulationResult> {
    let failure: string | undefined;
    try {
      await this.#faultsPhase();
      await this.#healingPhase();
      await this.#servingPhase();
      this.#checkHistory();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      failure = error instanceof Violation ? error.message : `${error.message}\n${error.stack ?? ""}`;
    }
    const { queue, checker, machines, watchers } = this.#world;
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
    return {
      seed: this.#seed,
      steps: queue.steps,
      calls: this.#history.calls.length,
      answered: this.#history.calls.filter((call) => call.result !== undefined).length,
      applied: checker.lastApplied,
      snapshots: sum([...machines.values()].map(({ member }) => member?.snapshotsSent ?? 0)),
      compacted: sum(watchers.map((watcher) => watcher.compacted)),
      undecided: this.#undecided,
      failure,
    };
  }

  async #faultsPhase(): Promise<void> {
    for (const machine of this.#world.machines.values()) machine.powerOn();
    for (let id = 0; id < CLIENTS; id++) this.#startClient(id);
    this.#operator.start();
    this.#world.attacker.start();
    this.#world.guests.start();
    this.#world.outboxes.start();
    await this.#world.runSettled(this.#options.seconds * 1_000);
  }

  #startClient(id: number): void {
    const { queue, prng } = this.#world;
    const client = new Client(
      {
        queue,
        prng: prng.fork(),
        history: this.#history,
        pick: () => this.#world.pick(this.#world.prng),
        silentMs: () => this.#operator.silentMs,
        trustsLeaders: this.#options.trustsLeaders === true,
      },
      id,
    );
    this.#clients.push(client);
    client.start();
  }

  async #healingPhase(): Promise<void> {
    const world = this.#world;
    world.healing = true;
    world.trace("everything is mended");
    for (const client of this.#clients) client.stop();
    world.network.mend();
    for (const machine of world.machines.values()) world.serve(machine, true);
    for (const machine of world.machines.values()) machine.powerOn();
    const progress = { wrote: false };
    let tries = 0;
    const startMs = world.queue.nowMs;
    world.outboxes.mend();
    while (!progress.wrote || !world.outboxes.areSettled || !this.#isSettled()) {
      if (world.queue.nowMs - startMs > HEAL_LIMIT_MS) throw new Violation(`liveness: ${this.#describe()}`);
      await world.runSettled(world.queue.nowMs + 250);
      this.#operator.removeLost();
      // Without a leader people try one member after the other: some were removed and never heard of it, some sleep.
      const member = world.leader() ?? world.alive[tries++ % world.alive.length];
      if (progress.wrote || member === undefined) continue;
      const request = putRequest({ key: utf8Encode("healed"), value: EMPTY });
      member.write({ type: "put", put: request }, (outcome) => {
        if (outcome.ok) progress.wrote = true;
      });
    }
    world.outboxes.stop();
    this.#revokeLeases();
    for (const member of this.#world.alive) {
      world.checker.checkHash(member);
      world.attacker.checkEnd(member);
      world.guests.check(member);
    }
    const leader = world.leader();
    if (leader !== undefined) this.#operator.membership.check(leader);
  }

  /** Of the outboxes: a lease would end one day, and wake everybody up. */
  #revokeLeases(): void {
    const leader = this.#world.leader();
    for (const id of this.#world.checker.model.leases) {
      leader?.write({ type: "leaseRevoke", leaseRevoke: { id } }, () => {});
    }
  }

  /**
   * Returns whether all running members are in the cluster, have applied everything, and have sent it to their
   * watchers.
   */
  #isSettled(): boolean {
    const { checker, faults, watchers } = this.#world;
    const leader = this.#world.leader();
    if (leader === undefined) return false;
    const { lastIndex, commit } = leader.basicStatus();
    const { membership } = leader.machine;
    const running = this.#world.alive.filter((one) => !this.#isForgotten(one, membership));
    if (commit !== lastIndex || !running.every((one) => one.applied === lastIndex && membership.has(one.id))) {
      return false;
    }
    const { voters } = membership.confState;
    if (faults.isRoom && voters.length % 2 === 0) return false;
    const mayVote = running.filter(({ id }) => membership.guest(id)?.role !== "reader").length;
    if (faults.isMixed && !this.#votes(voters, mayVote, membership.shape.shape)) return false;
    return watchers.every(({ member, nextRevision }) => {
      return member === undefined || !running.includes(member) || nextRevision > checker.model.revision;
    });
  }

  /** Returns whether the object votes, and with it as many tabs as may; or it alone, or tabs alone. */
  #votes(voters: readonly bigint[], running: number, shape: ShapeName): boolean {
    const { object } = this.#world;
    if (shape === "edge") return voters.join() === `${object}`;
    if (shape === "tabs") return !voters.includes(object);
    // Nobody has named an object yet.
    if (shape === "none") return true;
    const count = Math.min(running, VOTERS_MAX);
    return voters.includes(object) && voters.length === (count % 2 === 1 ? count : count - 1);
  }

  /**
   * Returns whether the member was removed while it was away, together with all members that it knew: none is left that
   * could notify it.
   */
  #isForgotten({ id, machine }: Member, membership: Membership): boolean {
    const { alive } = this.#world;
    const isKnown = (other: bigint): boolean => membership.has(other) && alive.some((one) => one.id === other);
    return membership.wasRemoved(id) && !machine.membership.members.some((other) => isKnown(other.id));
  }

  /**
   * Every member must serve. If the cluster quiesces, each in turn wakes it up, after all were evicted: the term goes on.
   */
  async #servingPhase(): Promise<void> {
    const { faults, machines } = this.#world;
    // What was sent while there were faults has arrived by then.
    if (faults.quiesceAfterTicks > 0)
      await this.#world.runSettled(this.#world.queue.nowMs + faults.slowMs + 3 * faults.delayMs);
    const membership = this.#world.leader()?.machine.membership;
    for (const { id } of this.#world.alive) {
      if (membership?.has(id) !== true) continue;
      const term = this.#world.leader()?.basicStatus().term;
      if (faults.quiesceAfterTicks > 0) {
        if (!(await this.#quiesces())) throw new Violation(`quiet: ${this.#describe()}`);
        await this.#world.runSettled(this.#world.queue.nowMs + faults.diskMs);
        if (faults.evictEveryMs < Infinity)
          for (const machine of machines.values()) if (this.#world.mayEvict(machine)) machine.evict();
      }
      const machine = machines.get(id);
      machine?.powerOn();
      if (machine?.running !== undefined) await this.#mustServe(machine.running);
      const now = this.#world.leader()?.basicStatus().term;
      if (now !== term)
        throw new Violation(`quiet: term ${term} ended in sleep, now it is ${now}; ${this.#describe()}`);
    }
  }

  async #quiesces(): Promise<boolean> {
    const { queue, machines, faults } = this.#world;
    const members = this.#world.leader()?.machine.membership;
    const limitMs = queue.nowMs + faults.quiesceAfterTicks * 200 + 20_000;
    while (queue.nowMs < limitMs) {
      const isQuiesced = ({ id, timers, running }: Machine): boolean =>
        timers === 0 || running === undefined || members?.has(id) !== true;
      if ([...machines.values()].every(isQuiesced)) return true;
      await this.#world.runSettled(queue.nowMs + 250);
    }
    return false;
  }

  async #mustServe(member: Member): Promise<void> {
    const { queue } = this.#world;
    const startMs = queue.nowMs;
    const reads = { sent: 0, served: 0 };
    while (reads.served === 0) {
      if (queue.nowMs - startMs > SERVE_LIMIT_MS) {
        throw new Violation(`liveness: member ${member.id} did not serve a read; ${this.#describe()}`);
      }
      if (reads.sent * 5_000 <= queue.nowMs - startMs) {
        reads.sent++;
        member.linearizable(
          () => reads.served++,
          () => {},
        );
      }
      await this.#world.runSettled(queue.nowMs + 100);
    }
  }

  #checkHistory(): void {
    const { calls } = this.#history;
    const { model } = this.#world.checker;
    const disorder = checkRevisionOrder(calls, model);
    if (disorder !== undefined) throw new Violation(`order of revisions: ${disorder}`);
    const places = placesOf(calls, model);
    for (let key = 0; key < KEYS; key++) {
      const result = checkKey(calls, key, places);
      if (result.type === "undecided") this.#undecided++;
      if (result.type !== "not-linearizable") continue;
      throw new Violation(`linearizability of key ${key}:\n${result.because}`);
    }
  }

  #describe(): string {
    const { machines, queue, watchers, checker } = this.#world;
    const lines = [...machines.values()].map(({ id, member, isFrozen, isLost, timers }) => {
      if (member === undefined) return `${id}: ${isLost ? "lost" : "off"}`;
      const { term, role, commit, lastIndex, leader, confState } = member.status();
      const state = member.problem?.text ?? `${role} term ${term} leader ${leader} commit ${commit} last ${lastIndex}`;
      const conf = `voters ${confState.voters.join(" ")} learners ${confState.learners.join(" ")}`;
      return `${id}: ${state} applied ${member.applied} ${conf} timers ${timers}${isFrozen ? " frozen" : ""}`;
    });
    const watching = watchers.map(({ name, nextRevision }) => `${name}: ${nextRevision}`).join(", ");
    return `at ${queue.nowMs / 1_000} s:\n${lines.join("\n")}\nwatchers ${watching} of ${checker.model.revision}`;
  }
}

const EMPTY = new Uint8Array(0);
