/**
 * One run of a simulated cluster, decided by its seed alone: real members, real state, real frames; the network, the
 * disks, the clocks and the power switches are ours.
 *
 * First a time of faults, in which nothing may ever be wrong. Then everything is mended, and the cluster must come to
 * one mind and serve. Last, what clients saw must have been a linearizable store, and all members must hold the same.
 */
import { Prng } from "../../src/base/prng.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import type { Member } from "../../src/member/member.ts";
import { encodeMember } from "../../src/member/membership.ts";
import { member as memberRecord } from "../../src/protocol/cluster.ts";
import { compactionRequest, putRequest } from "../../src/protocol/kv.ts";
import { MemoryNetwork } from "../../src/transport/memory.ts";
import type { Delivery } from "../../src/transport/memory.ts";
import { Client } from "./clients.ts";
import { EventQueue } from "./event-queue.ts";
import { drawFaults } from "./faults.ts";
import type { Faults } from "./faults.ts";
import { History } from "./history.ts";
import { checkKey } from "./linearizability.ts";
import { Machine } from "./sim-member.ts";
import { Truth, Violation } from "./truth.ts";

const CLIENTS = 4;
const HEAL_LIMIT_MS = 60_000;
/** Checking every member's whole inside after every single event would take most of the time. */
const DEEP_CHECK_EVERY_STEPS = 16;

export interface SimulationResult {
  readonly seed: number;
  readonly steps: number;
  readonly calls: number;
  readonly answered: number;
  readonly applied: number;
  readonly snapshots: number;
  readonly failure: string | undefined;
}

export interface SimulationOptions {
  readonly seconds: number;
  readonly trace?: (line: string) => void;
}

export function simulate(seed: number, options: SimulationOptions): SimulationResult {
  const simulation = new Simulation(seed, options);
  return simulation.run();
}

class Simulation {
  readonly #seed: number;
  readonly #options: SimulationOptions;
  readonly #prng: Prng;
  readonly #faults: Faults;
  readonly #queue: EventQueue = new EventQueue();
  readonly #network: MemoryNetwork;
  readonly #machines: Map<bigint, Machine> = new Map();
  readonly #truth: Truth = new Truth();
  readonly #history: History = new History();
  readonly #clients: Client[] = [];
  readonly #cut: Set<string> = new Set();
  #touched: Set<Machine> = new Set();
  #healing = false;
  #nextId: bigint;
  #stopped: string | undefined;

  constructor(seed: number, options: SimulationOptions) {
    this.#seed = seed;
    this.#options = options;
    this.#prng = new Prng(seed);
    this.#faults = drawFaults(this.#prng.fork());
    this.#network = new MemoryNetwork({ schedule: (delivery) => this.#carry(delivery) });
    const count = seed % 2 === 0 ? 3 : 5;
    const members = Array.from({ length: count }, (_, at) => memberRecord({ id: BigInt(at + 1), name: `m${at + 1}` }));
    this.#nextId = BigInt(count + 1);
    for (const { id } of members) this.#addMachine(id, { type: "found", members });
  }

  run(): SimulationResult {
    let failure: string | undefined;
    try {
      this.#faultsPhase();
      this.#healingPhase();
      this.#checkHistory();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      failure = error instanceof Violation ? error.message : `${error.message}\n${error.stack ?? ""}`;
    }
    const answered = this.#history.calls.filter((call) => call.result !== undefined).length;
    const snapshots = [...this.#machines.values()].reduce((sum, { member }) => sum + (member?.snapshotsSent ?? 0), 0);
    return {
      seed: this.#seed,
      steps: this.#queue.steps,
      calls: this.#history.calls.length,
      answered,
      applied: this.#truth.lastApplied,
      snapshots,
      failure,
    };
  }

  #faultsPhase(): void {
    for (const machine of this.#machines.values()) machine.powerOn();
    for (let id = 0; id < CLIENTS; id++) this.#startClient(id);
    this.#every(this.#faults.crashEveryMs, () => this.#crashSomebody());
    this.#every(this.#faults.partitionEveryMs, () => this.#partition());
    this.#every(this.#faults.freezeEveryMs, () => this.#freezeSomebody());
    this.#every(this.#faults.membershipEveryMs, () => this.#changeMembership());
    this.#every(this.#faults.compactEveryMs, () => this.#compact());
    this.#queue.runUntil(this.#options.seconds * 1_000, () => this.#afterStep());
  }

  #healingPhase(): void {
    this.#healing = true;
    this.#trace("everything is mended");
    for (const client of this.#clients) client.stop();
    for (const name of this.#cut) {
      const [left, right] = name.split("-").map(BigInt) as [bigint, bigint];
      this.#network.setLink(left, right, true);
    }
    this.#cut.clear();
    for (const machine of this.#machines.values()) machine.powerOn();
    let wrote = false;
    const start = this.#queue.nowMs;
    while (!this.#agreed(wrote)) {
      if (this.#queue.nowMs - start > HEAL_LIMIT_MS) throw new Violation(`liveness: ${this.#describe()}`);
      this.#queue.runUntil(this.#queue.nowMs + 250, () => this.#afterStep());
      const leader = this.#leader();
      if (wrote || leader === undefined) continue;
      leader.write(
        { type: "put", put: putRequest({ key: utf8Encode("healed"), value: utf8Encode("yes") }) },
        (outcome) => {
          if (outcome.ok) wrote = true;
        },
      );
    }
    this.#checkSameState();
  }

  /** Every member of the configuration has applied everything. */
  #agreed(wrote: boolean): boolean {
    const leader = this.#leader();
    if (!wrote || leader === undefined) return false;
    const { lastIndex, commit } = leader.brief();
    if (commit !== lastIndex) return false;
    return this.#belonging(leader).every(({ member }) => member?.applied === lastIndex);
  }

  #checkSameState(): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    const revision = leader.machine.store.revision;
    let expected: string | undefined;
    for (const { id, member } of this.#belonging(leader)) {
      if (member === undefined) continue;
      const { hash, compactRevision } = member.machine.store.hashKv(revision);
      const state = `${hash} of revision ${revision} compacted at ${compactRevision}`;
      expected ??= state;
      if (state !== expected) throw new Violation(`equal state: member ${id} has ${state}, another one ${expected}`);
    }
  }

  #checkHistory(): void {
    const byKey = new Map<number, History["calls"]>();
    for (const call of this.#history.calls) {
      const list = byKey.get(call.operation.key) ?? [];
      byKey.set(call.operation.key, list);
      list.push(call);
    }
    for (const [key, calls] of byKey) {
      const wrong = checkKey(calls);
      if (wrong !== undefined) throw new Violation(`linearizability of key ${key}:\n${wrong}`);
    }
  }

  #afterStep(): void {
    if (this.#stopped !== undefined) throw new Violation(this.#stopped);
    const deep = this.#queue.steps % DEEP_CHECK_EVERY_STEPS === 0;
    for (const machine of deep ? this.#machines.values() : this.#touched) {
      this.#truth.observe(machine);
      if (deep && machine.member?.problem === undefined) machine.member?.checkInvariants();
    }
    if (this.#touched.size > 0) this.#touched = new Set();
  }

  // ── the network ───────────────────────────────────────────────────────────────────────────────────────────────

  #carry(delivery: Delivery): void {
    const faults = this.#faults;
    const prng = this.#prng;
    const arrive = (): void => {
      const machine = this.#machines.get(delivery.to);
      if (machine === undefined) return;
      machine.whenAwake(delivery.deliver);
    };
    if (delivery.type !== "frame") {
      this.#queue.after(faults.delayMs, arrive);
      return;
    }
    if (this.#healing) {
      this.#queue.after(1 + prng.next() * 5, arrive);
      return;
    }
    if (prng.bool(faults.lossProbability)) return;
    const slow = faults.slowProbability > 0 && prng.bool(faults.slowProbability);
    this.#queue.after(prng.next() * (slow ? faults.slowMs : faults.delayMs), arrive);
    if (prng.bool(faults.duplicateProbability)) this.#queue.after(prng.next() * faults.delayMs * 3, arrive);
  }

  #partition(): void {
    const ids = [...this.#machines.keys()];
    const side = new Map(ids.map((id) => [id, this.#prng.bool(0.4)]));
    const oneLink = this.#prng.bool(0.3);
    const cut: string[] = [];
    for (const left of ids) {
      for (const right of ids) {
        if (left >= right) continue;
        const apart = oneLink ? this.#prng.bool(0.3) : side.get(left) !== side.get(right);
        const name = `${left}-${right}`;
        if (!apart || this.#cut.has(name)) continue;
        cut.push(name);
        this.#cut.add(name);
        this.#network.setLink(left, right, false);
      }
    }
    this.#trace(`cut ${cut.join(" ")}`);
    this.#queue.after(this.#prng.int(500, 8_000), () => {
      for (const name of cut) {
        if (!this.#cut.delete(name)) continue;
        const [left, right] = name.split("-").map(BigInt) as [bigint, bigint];
        this.#network.setLink(left, right, true);
      }
      this.#trace(`mended ${cut.join(" ")}`);
    });
  }

  // ── the machines ──────────────────────────────────────────────────────────────────────────────────────────────

  #addMachine(id: bigint, beginning: ConstructorParameters<typeof Machine>[2]): Machine {
    const machine = new Machine(
      {
        queue: this.#queue,
        network: this.#network,
        prng: this.#prng,
        faults: this.#faults,
        onTouched: (touched) => this.#touched.add(touched),
        onStopped: (stopped, problem) => this.#onStopped(stopped, problem.text),
      },
      id,
      beginning,
    );
    this.#machines.set(id, machine);
    return machine;
  }

  #onStopped(machine: Machine, text: string): void {
    if (text.includes("removed from the cluster")) this.#trace(`${machine.id} was removed`);
    else this.#stopped ??= `member ${machine.id}: ${text}`;
  }

  #crashSomebody(): void {
    const all = this.#prng.bool(0.05);
    for (const machine of all ? this.#machines.values() : [this.#prng.pick([...this.#machines.values()])]) {
      if (machine.storage === undefined) continue;
      this.#trace(`crash ${machine.id}`);
      machine.powerOff();
      this.#queue.after(this.#prng.int(50, 8_000), () => {
        this.#trace(`start ${machine.id}`);
        machine.powerOn();
      });
    }
  }

  #freezeSomebody(): void {
    const machine = this.#prng.pick([...this.#machines.values()]);
    const forMs = this.#prng.int(500, 10_000);
    this.#trace(`freeze ${machine.id} for ${forMs} ms`);
    machine.freeze(forMs);
  }

  /** The leader, asked by an operator: a newcomer learns, a learner is promoted, somebody leaves. */
  #changeMembership(): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    const { voters, learners } = leader.status().confState;
    const learner = learners[0];
    if (learner !== undefined && this.#prng.bool(0.7)) {
      this.#trace(`promote ${learner}: ${leader.changeMembership("add-node", learner, new Uint8Array(0))}`);
    } else if (voters.length > 3 && this.#prng.bool(0.5)) {
      const leaving = this.#prng.pick(voters);
      this.#trace(`remove ${leaving}: ${leader.changeMembership("remove-node", leaving, new Uint8Array(0))}`);
    } else if (this.#machines.size < 8) {
      const id = this.#nextId++;
      const machine = this.#addMachine(id, { type: "join" });
      const context = encodeMember({ ...memberRecord({ id, name: `m${id}` }) });
      this.#trace(`add ${id}: ${leader.changeMembership("add-learner", id, context)}`);
      machine.powerOn();
    }
  }

  #compact(): void {
    const leader = this.#leader();
    if (leader === undefined) return;
    const revision = leader.machine.store.revision - this.#prng.int(0, 20);
    if (revision <= leader.machine.store.compactRevision) return;
    this.#trace(`compact ${revision}`);
    leader.write({ type: "compaction", compaction: compactionRequest({ revision }) }, (outcome) => {
      if (outcome.ok && leader.problem === undefined) leader.scrub(undefined);
    });
  }

  #leader(): Member | undefined {
    let leader: Member | undefined;
    for (const { member } of this.#machines.values()) {
      if (member === undefined || member.problem !== undefined) continue;
      const brief = member.brief();
      if (brief.role === "leader" && (leader === undefined || brief.term > leader.brief().term)) leader = member;
    }
    return leader;
  }

  #belonging(leader: Member): readonly Machine[] {
    const { voters, learners } = leader.status().confState;
    return [...this.#machines.values()].filter(({ id }) => voters.includes(id) || learners.includes(id));
  }

  // ── the rest ──────────────────────────────────────────────────────────────────────────────────────────────────

  #startClient(id: number): void {
    const pick = (): Member | undefined => {
      const up = [...this.#machines.values()].filter(
        ({ member, isFrozen }) => member?.problem === undefined && member !== undefined && !isFrozen,
      );
      if (up.length === 0) return undefined;
      const machine = this.#prng.pick(up);
      this.#touched.add(machine);
      return machine.member;
    };
    const client = new Client({ queue: this.#queue, prng: this.#prng.fork(), history: this.#history, pick }, id);
    this.#clients.push(client);
    client.start();
  }

  #every(meanMs: number, happen: () => void): void {
    if (meanMs === Infinity) return;
    this.#queue.after(meanMs * (0.5 + this.#prng.next()), () => {
      if (this.#healing) return;
      happen();
      this.#every(meanMs, happen);
    });
  }

  #trace(line: string): void {
    this.#options.trace?.(`${(this.#queue.nowMs / 1_000).toFixed(3)} ${line}`);
  }

  #describe(): string {
    const lines = [...this.#machines.values()].map(({ id, member, isFrozen }) => {
      if (member === undefined) return `${id}: off`;
      const { term, role, commit, lastIndex, leader } = member.status();
      const state = member.problem?.text ?? `${role} term ${term} leader ${leader} commit ${commit} last ${lastIndex}`;
      return `${id}: ${state} applied ${member.applied}${isFrozen ? " frozen" : ""}`;
    });
    return `${HEAL_LIMIT_MS / 1_000} s after everything was mended:\n${lines.join("\n")}`;
  }
}
