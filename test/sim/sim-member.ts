/** One member of the simulated cluster with its machine: disk, clock, power switch. */
import type { Prng } from "../../src/base/prng.ts";
import type { Clock } from "../../src/member/clock.ts";
import { bootstrapStorage } from "../../src/member/node/bootstrap.ts";
import { Member } from "../../src/member/node/member.ts";
import type { Problem } from "../../src/member/node/lifecycle.ts";
import type { BootstrapOptions } from "../../src/member/options.ts";
import type { Entry, Term } from "../../src/protocol/peer/raft-message.ts";
import type { ResumePoint } from "../../src/raft/config.ts";
import { MemoryImage, MemoryStorage } from "../../src/storage/memory/memory.ts";
import type { MemoryNetwork } from "../../src/transport/memory.ts";
import type { Transport } from "../../src/transport/transport.ts";
import { Disk } from "./disk.ts";
import type { DiskLie } from "./disk.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Faults } from "./faults.ts";

export const CLUSTER_ID = 99n;
/** A room transfers the vote of a tab that is gone to another one. The time is shorter here, so that it happens. */
const REPLACE_AFTER_MS = 3_500;
const GONE_AFTER_MS = 6_000;
export const VOTERS_MAX = 5;
/** As at the edge. */
const COMMIT_DELAY_MS = 5;

export interface MachineHost {
  readonly queue: EventQueue;
  readonly network: MemoryNetwork;
  readonly prng: Prng;
  readonly faults: Faults;
  readonly lie: DiskLie | undefined;
  /** A member was added, and a machine is created for it. */
  readonly newMemberId: () => bigint;
  /** The members that a new one requests to join at. */
  readonly everybody: () => readonly bigint[];
  /** Called when something happens at this machine. */
  readonly onTouched: (machine: Machine) => void;
  readonly onWritten: (machine: Machine, entries: readonly Entry[], previousTerm: Term | undefined) => void;
  readonly onStarted: (machine: Machine, member: Member) => void;
  readonly onCrashed: (machine: Machine) => void;
  /** Called when the member stopped by itself. */
  readonly onStopped: (machine: Machine, problem: Problem) => void;
}

export class Machine {
  readonly id: bigint;
  /** The fingerprint of the key that its profile has. */
  readonly key: Uint8Array;
  /** By which its profile comes. Undefined: it knows the room's secret. */
  readonly invitation: Uint8Array | undefined;
  readonly #host: MachineHost;
  readonly #speed: number;
  readonly #beginning: BootstrapOptions;
  #image: MemoryImage = new MemoryImage();
  #member: Member | undefined;
  #storage: MemoryStorage | undefined;
  #diskFreeMs = 0;
  #frozenUntilMs = 0;
  #isDiskSilent = false;
  #timers = 0;
  #point: ResumePoint | undefined;
  /** Receives for a member that is evicted. */
  #doorbell: Transport | undefined;
  /** Incremented with each start, so that callbacks of an earlier run do not reach a later one. */
  incarnation = 0;
  /** Its database is lost, and it never comes back. */
  isLost = false;

  constructor(
    host: MachineHost,
    id: bigint,
    profile: Pick<Machine, "key" | "invitation">,
    beginning: BootstrapOptions,
  ) {
    this.#host = host;
    this.id = id;
    this.key = profile.key;
    this.invitation = profile.invitation;
    this.#beginning = beginning;
    this.#speed = 1 + (host.prng.next() - 0.5) * 2 * host.faults.drift;
  }

  get member(): Member | undefined {
    return this.#member;
  }

  /** The member, if it is running and not frozen. */
  get running(): Member | undefined {
    return this.#member?.problem === undefined ? this.#member : undefined;
  }

  /** Out of memory, until a frame or a request arrives. */
  get isEvicted(): boolean {
    return this.#doorbell !== undefined;
  }

  get isOn(): boolean {
    return this.#storage !== undefined;
  }

  /**
   * The content of the disk. For a running machine: what it would find after a crash now if no further write completed.
   */
  get image(): MemoryImage {
    return this.#image;
  }

  get isFrozen(): boolean {
    return this.#host.queue.nowMs < this.#frozenUntilMs;
  }

  /** Number of running timers; 0 while the member is quiesced. */
  get timers(): number {
    return this.#timers;
  }

  powerOn(): void {
    if (this.isOn || this.isLost) return;
    this.#doorbell = undefined;
    this.incarnation++;
    this.#timers = 0;
    const { incarnation } = this;
    const inner = new MemoryStorage({
      image: this.#image,
      flushRows: this.#host.faults.flushRows,
      schedule: (complete) => this.#write(incarnation, complete),
    });
    const identity = { clusterId: CLUSTER_ID, memberId: this.id, name: `m${this.id}` };
    this.#storage = inner;
    const disk = new Disk(
      inner,
      { entriesWritten: (entries, previousTerm) => this.#host.onWritten(this, entries, previousTerm) },
      this.#host.lie,
      (run) => this.#host.queue.defer(() => this.#ifAlive(incarnation, run)),
    );
    bootstrapStorage(disk, identity, this.#beginning, () => this.#ifAlive(incarnation, () => this.#start(disk)));
  }

  /** Crashes without a callback. The first few writes in flight may have reached the disk. */
  powerOff(): void {
    this.#doorbell?.close();
    this.#doorbell = undefined;
    const storage = this.#storage;
    if (storage === undefined) return;
    const member = this.#member;
    this.#member = undefined;
    this.#storage = undefined;
    member?.stop();
    this.#image = storage.crash(this.#host.prng);
    this.#diskFreeMs = 0;
    this.#frozenUntilMs = 0;
    this.#isDiskSilent = false;
    this.#host.onCrashed(this);
  }

  /** As a platform does with what stands still. The others still reach it, and wake it up. */
  evict(): void {
    if (this.running === undefined || this.isFrozen || this.#timers > 0) return;
    const peers = this.running.members.map(({ id }) => id);
    this.powerOff();
    const doorbell = this.#host.network.transportFor(this.id);
    this.#doorbell = doorbell;
    doorbell.start({
      onFrame: (from, frame) => {
        if (this.#doorbell !== doorbell) return;
        this.powerOn();
        this.#host.network.post(from, this.id, frame);
      },
      onPeerUp: () => {},
      onPeerDown: () => {},
    });
    doorbell.setPeers(peers);
  }

  loseDatabase(): void {
    this.powerOff();
    this.isLost = true;
    this.#image = new MemoryImage();
  }

  /** Its database is closed without a word. No write is done or fails, until it is off. */
  silenceDisk(): void {
    this.#isDiskSilent = true;
  }

  freeze(forMs: number): void {
    this.#frozenUntilMs = Math.max(this.#frozenUntilMs, this.#host.queue.nowMs + forMs);
  }

  /** Runs it now, or when the machine is no longer frozen. */
  whenAwake(run: () => void): void {
    const waitMs = this.#frozenUntilMs - this.#host.queue.nowMs;
    if (waitMs <= 0) {
      this.#host.onTouched(this);
      run();
    } else this.#host.queue.after(waitMs, () => this.whenAwake(run));
  }

  #start(disk: Disk): void {
    const { faults, network, prng, everybody, onStarted } = this.#host;
    const member = new Member({
      storage: disk,
      transport: network.transportFor(this.id),
      clock: this.#clock(this.incarnation),
      prng: prng.fork(),
      identity: { clusterId: CLUSTER_ID, memberId: this.id, name: `m${this.id}` },
      bootstrap: this.#beginning,
      key: this.key,
      admission: "authenticated",
      quiesceAfterTicks: faults.quiesceAfterTicks,
      spareDelayMs: faults.spareDelayMs,
      commitDelayMs: Math.min(faults.spareDelayMs, COMMIT_DELAY_MS),
      startsQuiet: faults.evictEveryMs < Infinity,
      ...(faults.isRoom
        ? { autopilot: { votersMax: VOTERS_MAX, replaceAfterMs: REPLACE_AFTER_MS, goneAfterMs: GONE_AFTER_MS } }
        : {}),
      resumption: { saved: this.#point, save: (point) => this.#savePoint(this.incarnation, point) },
      cluster: { maxLearners: 3, newMemberId: this.#host.newMemberId },
      limits: {
        logEntries: faults.logEntries,
        catchUpEntries: Math.floor(faults.logEntries / 2),
        appendBytes: faults.appendBytes,
        snapshotChunkBytes: faults.snapshotChunkBytes,
        watchStreamBytes: faults.watchStreamBytes,
      },
      onStopped: (problem) => {
        if (this.#member === member) this.#host.onStopped(this, problem);
      },
    });
    this.#member = member;
    member.start();
    if (this.#beginning.type === "join") member.dial(everybody());
    onStarted(this, member);
  }

  /** It may be lost, as every write that a crash overtakes. */
  #savePoint(incarnation: number, point: ResumePoint): void {
    const { queue, faults } = this.#host;
    queue.after(faults.diskMs, () =>
      this.#ifAlive(incarnation, () => {
        this.#point = point;
      }),
    );
  }

  #ifAlive(incarnation: number, run: () => void): void {
    if (this.incarnation === incarnation && this.isOn) run();
  }

  #clock(incarnation: number): Clock {
    const { queue } = this.#host;
    return {
      nowMs: () => queue.nowMs,
      setTimer: (delayMs, fire) => {
        let pending = true;
        const over = (): boolean => {
          if (!pending) return false;
          pending = false;
          if (this.incarnation === incarnation) this.#timers--;
          return true;
        };
        this.#timers++;
        const cancel = queue.after(delayMs * this.#speed, () =>
          this.whenAwake(() => {
            if (over()) this.#ifAlive(incarnation, fire);
          }),
        );
        return () => {
          if (over()) cancel();
        };
      },
      defer: (run) => queue.defer(run),
    };
  }

  /** The disk completes one write after the other. */
  #write(incarnation: number, complete: () => void): void {
    const { queue, prng, faults } = this.#host;
    const stalls = faults.stallProbability > 0 && prng.bool(faults.stallProbability);
    const takesMs = prng.next() * faults.diskMs + (stalls ? faults.stallMs : 0);
    this.#diskFreeMs = Math.max(this.#diskFreeMs, queue.nowMs) + takesMs;
    queue.after(this.#diskFreeMs - queue.nowMs, () =>
      this.whenAwake(() => {
        if (!this.#isDiskSilent) this.#ifAlive(incarnation, complete);
      }),
    );
  }
}
