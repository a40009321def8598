/** One member of the simulated cluster with its machine: disk, clock, power switch. */
import type { Prng } from "../../src/base/prng.ts";
import type { Clock } from "../../src/member/clock.ts";
import { prepareStorage } from "../../src/member/founding.ts";
import { Member } from "../../src/member/member.ts";
import type { Problem } from "../../src/member/member.ts";
import type { Beginning } from "../../src/member/options.ts";
import { MemoryImage, MemoryStorage } from "../../src/storage/memory.ts";
import type { MemoryNetwork } from "../../src/transport/memory.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Faults } from "./faults.ts";

export const CLUSTER_ID = 99n;

export interface MachineHost {
  readonly queue: EventQueue;
  readonly network: MemoryNetwork;
  readonly prng: Prng;
  readonly faults: Faults;
  /** Something happens at this machine. */
  readonly onTouched: (machine: Machine) => void;
  /** Called when the member stopped by itself. */
  readonly onStopped: (machine: Machine, problem: Problem) => void;
}

export class Machine {
  readonly id: bigint;
  readonly #host: MachineHost;
  readonly #speed: number;
  #image: MemoryImage = new MemoryImage();
  #member: Member | undefined;
  #storage: MemoryStorage | undefined;
  #beginning: Beginning;
  #diskFreeMs = 0;
  #frozenUntilMs = 0;
  /** Grows with each start; what belongs to an earlier life must not reach a later one. */
  life = 0;

  constructor(host: MachineHost, id: bigint, beginning: Beginning) {
    this.#host = host;
    this.id = id;
    this.#beginning = beginning;
    this.#speed = 1 + (host.prng.next() - 0.5) * 2 * host.faults.drift;
  }

  get member(): Member | undefined {
    return this.#member;
  }

  get storage(): MemoryStorage | undefined {
    return this.#storage;
  }

  get isFrozen(): boolean {
    return this.#host.queue.nowMs < this.#frozenUntilMs;
  }

  powerOn(): void {
    if (this.#member !== undefined) return;
    this.life++;
    const { life } = this;
    const storage = new MemoryStorage({ image: this.#image, schedule: (complete) => this.#write(life, complete) });
    const identity = { clusterId: CLUSTER_ID, memberId: this.id, name: `m${this.id}` };
    this.#storage = storage;
    prepareStorage(storage, identity, this.#beginning, () => {
      if (this.life === life && this.#storage === storage) this.#start(storage);
    });
  }

  /** Nobody is told; of the writes under way, the first few may have reached the disk. */
  powerOff(): void {
    const storage = this.#storage;
    if (storage === undefined) return;
    const member = this.#member;
    this.#member = undefined;
    this.#storage = undefined;
    member?.stop();
    this.#image = storage.crash(this.#host.prng);
    this.#diskFreeMs = 0;
    this.#frozenUntilMs = 0;
  }

  /** The page is frozen, the laptop closed: nothing runs, and then everything at once. */
  freeze(forMs: number): void {
    this.#frozenUntilMs = Math.max(this.#frozenUntilMs, this.#host.queue.nowMs + forMs);
  }

  /** Runs now, or when the machine is thawed. */
  whenAwake(run: () => void): void {
    const waitMs = this.#frozenUntilMs - this.#host.queue.nowMs;
    if (waitMs <= 0) {
      this.#host.onTouched(this);
      run();
    } else this.#host.queue.after(waitMs, () => this.whenAwake(run));
  }

  #start(storage: MemoryStorage): void {
    const { faults, network, prng } = this.#host;
    const member = new Member({
      storage,
      transport: network.transportFor(this.id),
      clock: this.#clock(this.life),
      prng: prng.fork(),
      identity: { clusterId: CLUSTER_ID, memberId: this.id, name: `m${this.id}` },
      beginning: this.#beginning,
      limits: { logEntries: faults.logEntries, catchUpEntries: Math.floor(faults.logEntries / 2) },
      onStopped: (problem) => {
        if (this.#member === member) this.#host.onStopped(this, problem);
      },
    });
    this.#member = member;
    member.start();
  }

  #clock(life: number): Clock {
    const { queue } = this.#host;
    const alive = (): boolean => this.life === life && this.#storage !== undefined;
    return {
      nowMs: () => queue.nowMs,
      setTimer: (delayMs, fire) => {
        let cancelled = false;
        const cancel = queue.after(delayMs * this.#speed, () =>
          this.whenAwake(() => {
            if (!cancelled && alive()) fire();
          }),
        );
        return () => {
          cancelled = true;
          cancel();
        };
      },
      defer: (run) => queue.defer(run),
    };
  }

  /** The disk works off one write after the other. */
  #write(life: number, complete: () => void): void {
    const { queue, prng, faults } = this.#host;
    const stalls = faults.stallProbability > 0 && prng.bool(faults.stallProbability);
    const takesMs = prng.next() * faults.diskMs + (stalls ? faults.stallMs : 0);
    this.#diskFreeMs = Math.max(this.#diskFreeMs, queue.nowMs) + takesMs;
    queue.after(this.#diskFreeMs - queue.nowMs, () =>
      this.whenAwake(() => {
        if (this.life === life && this.#storage !== undefined) complete();
      }),
    );
  }
}
