/** The browser profiles of a run that queue writes. They draw from a generator of their own. */
import { Prng } from "../../../src/base/prng.ts";
import type { Member } from "../../../src/member/node/member.ts";
import type { EventQueue } from "../event-queue.ts";
import type { Faults } from "../faults.ts";
import type { StateChecker } from "../state-checker.ts";
import { OutboxChecker } from "./outbox-checker.ts";
import { Profile } from "./profile.ts";

export interface OutboxWorld {
  readonly queue: EventQueue;
  readonly faults: Faults;
  readonly checker: StateChecker;
  /** True once the faults have stopped. */
  readonly healing: boolean;
  readonly pick: (prng: Prng) => Member | undefined;
  readonly trace: (line: string) => void;
  readonly broken: (error: unknown) => void;
}

export class Outboxes {
  readonly checker: OutboxChecker;
  readonly #profiles: Profile[] = [];

  constructor(world: OutboxWorld, seed: number) {
    const { queue, faults, checker } = world;
    const prng = new Prng(seed + 2);
    this.checker = new OutboxChecker(checker.model);
    if (faults.outbox === undefined) return;
    for (let at = 0; at < faults.outbox.profiles; at++) {
      const host = {
        queue,
        prng,
        faults: faults.outbox,
        checker: this.checker,
        pick: () => {
          const member = world.pick(prng);
          // Whoever may only read has no outbox.
          return member?.machine.membership.guest(member.id)?.role === "reader" ? undefined : member;
        },
        isHealing: () => world.healing,
        trace: (line: string) => world.trace(line),
        current: (key: string) => checker.model.state(checker.model.revision).get(key),
        broken: world.broken,
      };
      this.#profiles.push(new Profile(host, `p${at + 1}`));
    }
  }

  get count(): number {
    return this.#profiles.length;
  }

  start(): void {
    for (const profile of this.#profiles) profile.start();
  }

  /** After the faults. */
  mend(): void {
    for (const profile of this.#profiles) profile.mend();
  }

  get areSettled(): boolean {
    return this.#profiles.every(({ isSettled }) => isSettled);
  }

  stop(): void {
    for (const profile of this.#profiles) profile.stop();
    this.checker.checkEnd();
  }
}
