/** The parts of a run: time, random numbers, the network, the machines, and the reference model. */
import { Prng } from "../../src/base/prng.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { BootstrapOptions } from "../../src/member/options.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import { Attacker, STRANGER } from "./attacker.ts";
import type { DiskLie } from "./disk.ts";
import { EventQueue } from "./event-queue.ts";
import { drawFaults } from "./faults.ts";
import type { Faults } from "./faults.ts";
import { SimNetwork } from "./network.ts";
import { Guests, proofBetween } from "./guests.ts";
import { Outboxes } from "./outbox/outboxes.ts";
import { Machine } from "./sim-member.ts";
import { StateChecker, Violation } from "./state-checker.ts";
import { Watcher } from "./watcher.ts";

const FOUNDER = 1n;
/** Checking every member's whole state after every event would take most of the time. */
const DEEP_CHECK_EVERY_STEPS = 32;
const HASH_CHECK_EVERY_STEPS = 4_096;

export interface WorldOptions {
  readonly trace: ((line: string) => void) | undefined;
  readonly lie: DiskLie | undefined;
  readonly faults: Partial<Faults> | undefined;
}

export class World {
  readonly prng: Prng;
  readonly faults: Faults;
  readonly queue: EventQueue = new EventQueue();
  readonly network: SimNetwork;
  readonly machines: Map<bigint, Machine> = new Map();
  readonly checker: StateChecker = new StateChecker();
  readonly attacker: Attacker;
  readonly guests: Guests;
  readonly outboxes: Outboxes;
  /** The first one moves from member to member, the others stay with theirs. */
  readonly watchers: Watcher[] = [];
  /** Set once the faults stop. */
  healing = false;
  readonly #options: WorldOptions;
  /** Used only by the checks, so that more checks do not change what happens. */
  readonly #checkPrng: Prng;
  #touched: Set<Machine> = new Set();
  #nextId = 1n;
  #broken: string | undefined;

  constructor(seed: number, options: WorldOptions) {
    this.#options = options;
    this.prng = new Prng(seed);
    this.#checkPrng = new Prng(seed + 1);
    this.faults = { ...drawFaults(this.prng.fork()), ...options.faults };
    this.network = new SimNetwork({
      queue: this.queue,
      prng: this.prng,
      faults: this.faults,
      stranger: STRANGER,
      proofOf: (peer, to) => proofBetween(this.machines.get(peer), this.machines.get(to), peer !== STRANGER),
      observe: (frame) => this.#noting(() => this.checker.sent(frame)),
      arrive: (at, deliver) => this.machines.get(at)?.whenAwake(deliver),
    });
    this.attacker = new Attacker(this, seed);
    this.guests = new Guests(this, seed);
    this.outboxes = new Outboxes(this, seed);
    this.#addWatcher("that roams");
    this.#found(seed % 2 === 0 ? 3 : 5);
  }

  trace(line: string): void {
    this.#options.trace?.(`${(this.queue.nowMs / 1_000).toFixed(3)} ${line}`);
  }

  /** Not in a world with outboxes. */
  run(untilMs: number): void {
    this.queue.runUntil(untilMs, () => this.#afterStep());
  }

  async runSettled(untilMs: number): Promise<void> {
    if (this.outboxes.count === 0) this.run(untilMs);
    else await this.queue.runUntilSettled(untilMs, () => this.#afterStep());
  }

  /**
   * Returns any member that a client reaches; undefined if none is. After the faults it is one of the cluster: a member
   * that was removed while it was away may never hear of it, and people do not go on asking it.
   */
  pick(prng: Prng): Member | undefined {
    const membership = this.healing ? this.leader()?.machine.membership : undefined;
    const up = [...this.machines.values()].filter(
      (machine) =>
        ((machine.running && !machine.isFrozen) || machine.isEvicted) && membership?.wasRemoved(machine.id) !== true,
    );
    if (up.length === 0) return undefined;
    const machine = prng.pick(up);
    machine.powerOn();
    this.touch(machine);
    return machine.running;
  }

  /** For what a part of the world finds in a promise. */
  readonly broken = (error: unknown): void => {
    this.#broken ??= error instanceof Error ? (error.stack ?? error.message) : String(error);
  };

  /** Adds a new member, powered off, that will request to join: of a profile of its own, or of one that was here before. */
  addNewcomer(profile?: Partial<Pick<Machine, "key" | "invitation">>): Machine {
    return this.#addMachine({ type: "join" }, profile);
  }

  /** Running members, without those that were removed or lost. */
  get alive(): readonly Member[] {
    const alive: Member[] = [];
    for (const machine of this.machines.values()) {
      const { running } = machine;
      if (running !== undefined && !machine.isLost) alive.push(running);
    }
    return alive;
  }

  /** Of a mixed room. */
  get object(): bigint {
    return this.faults.isGiven ? FOUNDER + 1n : FOUNDER;
  }

  /** May be evicted from memory: every member of a cluster at the edge, and of a room only its object. */
  mayEvict({ id }: Machine): boolean {
    return !this.faults.isMixed || id === this.object;
  }

  /** The server of a mixed room is up or down, and with it what it relays. */
  serve(machine: Machine, isUp: boolean): void {
    if (!this.faults.isMixed || !this.faults.isRelayed || machine.id !== this.object) return;
    const tabs = [...this.machines.keys()].filter((id) => id !== this.object);
    const pairs = tabs.flatMap((left) =>
      tabs.flatMap((right): readonly (readonly [bigint, bigint])[] =>
        left < right && (left + right) % 3n === 0n ? [[left, right]] : [],
      ),
    );
    this.network.relay(pairs, isUp);
  }

  leader(): Member | undefined {
    let leader: Member | undefined;
    for (const member of this.alive) {
      const { role, term } = member.basicStatus();
      if (role === "leader" && (leader === undefined || term > leader.basicStatus().term)) leader = member;
    }
    return leader;
  }

  touch(machine: Machine): void {
    this.#touched.add(machine);
  }

  #found(count: number): void {
    if (this.faults.isRoom) {
      const { isMixed, isGiven } = this.faults;
      const shape = isMixed && !isGiven ? ({ shape: "mixed", objects: [this.object] } as const) : undefined;
      this.#addMachine({ type: "found", members: [memberRecord({ id: FOUNDER, name: "m1" })], shape });
      for (let at = 1; at < count; at++) this.addNewcomer();
      return;
    }
    const members = Array.from({ length: count }, (_, at) => memberRecord({ id: BigInt(at + 1), name: `m${at + 1}` }));
    for (let at = 0; at < count; at++) this.#addMachine({ type: "found", members });
  }

  #addMachine(beginning: BootstrapOptions, profile: Partial<Pick<Machine, "key" | "invitation">> = {}): Machine {
    const { queue, prng, faults, network, checker } = this;
    const id = this.#nextId++;
    const watcher = this.#addWatcher(`of ${id}`);
    const machine = new Machine(
      {
        queue,
        network: network.transport,
        prng,
        faults,
        lie: this.#options.lie,
        newMemberId: () => {
          const newcomer = this.addNewcomer();
          queue.after(prng.int(100, 3_000), () => newcomer.powerOn());
          return newcomer.id;
        },
        everybody: () => [...this.machines.keys()],
        onTouched: (touched) => this.#touched.add(touched),
        onWritten: (writer, entries, previousTerm) =>
          this.#noting(() => checker.written(writer, entries, previousTerm)),
        onStarted: (_, member) => watcher.attach(member),
        onCrashed: (crashed) => checker.crashed(crashed),
        onStopped: (stopped, { text }) => {
          if (text.includes("removed from the cluster")) this.#wasRemoved(stopped);
          else this.#broken ??= `stopped: member ${stopped.id}: ${text}`;
        },
      },
      id,
      { key: profile.key ?? new Uint8Array(32).fill(Number(id)), invitation: profile.invitation },
      beginning,
    );
    this.machines.set(id, machine);
    return machine;
  }

  /** A member may only accept this from a peer that it can trust. */
  #wasRemoved({ id, member }: Machine): void {
    this.trace(`${id} was removed`);
    const isTrue = this.checker.removed.has(id) || member?.machine.membership.wasRemoved(id) === true;
    if (!isTrue) this.#broken ??= `stranger: member ${id} believed that it was removed`;
  }

  #addWatcher(name: string): Watcher {
    const { queue, prng, checker } = this;
    const slowReaderMs = (): number => (this.healing ? 0 : this.faults.slowReaderMs);
    const watcher = new Watcher({ queue, prng, model: checker.model, slowReaderMs }, name);
    this.watchers.push(watcher);
    return watcher;
  }

  /**
   * A violation found during a member's work is reported afterwards, because the member would take it for its own
   * error.
   */
  #noting(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.#broken ??= error.message;
    }
  }

  #afterStep(): void {
    if (this.#broken !== undefined) throw new Violation(this.#broken);
    for (const machine of this.#touched) this.checker.observe(machine);
    if (this.#touched.size > 0) this.#touched = new Set();
    this.outboxes.checker.check();
    if (this.queue.steps % DEEP_CHECK_EVERY_STEPS === 0) this.#checkDeeply();
  }

  #checkDeeply(): void {
    for (const machine of this.machines.values()) {
      this.checker.observe(machine);
      machine.running?.checkInvariants();
      if (machine.running !== undefined) this.attacker.check(machine.running);
      if (machine.running !== undefined) this.guests.check(machine.running);
    }
    this.checker.checkDurability(this.machines);
    const { alive } = this;
    if (alive.length === 0) return;
    this.checker.checkMembership(this.#checkPrng.pick(alive));
    this.checker.checkState(this.#checkPrng.pick(alive), this.#checkPrng.int(0, 60));
    if (this.queue.steps % HASH_CHECK_EVERY_STEPS === 0) for (const member of alive) this.checker.checkHash(member);
  }
}
