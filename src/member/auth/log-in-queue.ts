/**
 * Queues log-ins. Any stranger may try to log in, and each attempt costs a tenth of a second. So one attempt is
 * verified at a time, the number of waiting attempts is bounded, and addresses take turns. Every second turn of an
 * address goes to the user that has logged in before or has failed least, the others go in order of arrival. So neither
 * guessing nor new names can make any user wait for ever.
 *
 *     attempt ──► waits (64; 32 per address) ──► ready, after its failures' delay ──► its turn ──► hashing
 *                   │ full: "too many requests", for the newest attempt of the caller with the most
 */
import { errRequestTooManyRequests } from "../../protocol/errors.ts";
import type { Clock } from "../clock.ts";
import type { Attempt } from "./log-in-failures.ts";
import { LogInFailures } from "./log-in-failures.ts";

const WAITING_MAX = 64;
const WAITING_MAX_OF_ADDRESS = 32;

interface Waiting extends Attempt {
  readonly sinceMs: number;
  readonly start: () => Promise<unknown>;
  readonly refuse: () => void;
}

/** Attempts of one address, in order of arrival. */
interface AddressQueue {
  readonly waiting: Waiting[];
  turns: number;
}

export class LogInQueue {
  readonly #clock: Clock;
  readonly #failures = new LogInFailures();
  /** By address, in the order of their turns. */
  readonly #queues = new Map<string, AddressQueue>();
  #size = 0;
  #isBusy = false;
  #cancelTimer: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `verify` when it is the attempt's turn, and records the result. */
  async verify(attempt: Attempt, verify: () => Promise<boolean>): Promise<boolean> {
    return this.run(attempt, async () => {
      const isRight = await verify();
      if (isRight) this.#failures.succeeded(attempt);
      else this.#failures.failed(attempt, this.#clock.nowMs());
      return isRight;
    });
  }

  /** Runs other work that costs as much. Rejects with etcd's "too many requests" if too many attempts wait. */
  run<R>(attempt: Attempt, work: () => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      if (!this.#makeRoom(attempt)) throw errRequestTooManyRequests;
      const queue = this.#queues.get(attempt.address) ?? { waiting: [], turns: 0 };
      queue.waiting.push({
        ...attempt,
        sinceMs: this.#clock.nowMs(),
        start: () => work().then(resolve, reject),
        refuse: () => reject(errRequestTooManyRequests),
      });
      this.#queues.set(attempt.address, queue);
      this.#size += 1;
      this.#next();
    });
  }

  #next(): void {
    if (this.#isBusy) return;
    this.#cancelTimer();
    const nowMs = this.#clock.nowMs();
    let earliestMs = Infinity;
    for (const [address, queue] of this.#queues) {
      const readyMs = queue.waiting.map((one) => one.sinceMs + this.#failures.delayMs(one, nowMs));
      earliestMs = Math.min(earliestMs, ...readyMs);
      const ready = queue.waiting.filter((_, at) => (readyMs[at] ?? Infinity) <= nowMs);
      const waiting = this.#first(ready, queue.turns % 2 === 0, nowMs);
      if (waiting === undefined) continue;
      queue.turns += 1;
      this.#take(waiting);
      // Moves the address behind all others that wait.
      this.#queues.delete(address);
      if (queue.waiting.length > 0) this.#queues.set(address, queue);
      this.#isBusy = true;
      void waiting.start().finally(() => {
        this.#isBusy = false;
        this.#next();
      });
      return;
    }
    if (earliestMs < Infinity) this.#cancelTimer = this.#clock.setTimer(earliestMs - nowMs, () => this.#next());
  }

  /**
   * Returns the next attempt of an address. Failures are evaluated only now, so that attempts that arrived at once are
   * distinguished, too.
   */
  #first(ready: readonly Waiting[], byFailures: boolean, nowMs: number): Waiting | undefined {
    if (!byFailures) return ready[0];
    const ranks = ready.map((one) => this.#failures.rank(one, nowMs));
    return ready[ranks.indexOf(Math.min(...ranks))];
  }

  #take(waiting: Waiting): void {
    const queue = this.#queues.get(waiting.address);
    if (queue === undefined) return;
    queue.waiting.splice(queue.waiting.indexOf(waiting), 1);
    if (queue.waiting.length === 0) this.#queues.delete(waiting.address);
    this.#size -= 1;
  }

  /** A new attempt replaces one of the address that has more; within an address, one of the name that has more. */
  #makeRoom({ address, name }: Attempt): boolean {
    const own = this.#queues.get(address)?.waiting ?? [];
    if (own.length < WAITING_MAX_OF_ADDRESS && this.#size < WAITING_MAX) return true;
    const longest = [...this.#queues.values()].reduce(
      (long, { waiting }) => (waiting.length > long.length ? waiting : long),
      own,
    );
    const isOwn = own.length >= WAITING_MAX_OF_ADDRESS || longest.length <= own.length + 1;
    const queue = isOwn ? own : longest;
    const last = newestOfMost(queue);
    if (last === undefined) return false;
    const countOf = (one: string): number => queue.filter((waiting) => waiting.name === one).length;
    if (isOwn && countOf(last.name) <= countOf(name) + 1) return false;
    this.#take(last);
    last.refuse();
    return true;
  }
}

function newestOfMost(queue: readonly Waiting[]): Waiting | undefined {
  const counts = new Map<string, number>();
  for (const { name } of queue) counts.set(name, (counts.get(name) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return queue.findLast(({ name }) => counts.get(name) === most);
}
