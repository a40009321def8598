/**
 * A browser profile of several tabs, on a clock of its own: locks by the rules of the Web Locks specification, a channel
 * that all tabs hear, timers, and processes that are stopped and go on. All that reaches a tab takes a moment that the
 * seed decides. What waits for a stopped tab is run in any order when it goes on.
 */
import type { Prng } from "../../../../src/base/prng.ts";
import type { LockManagerLike } from "../../../../src/room/tabs/tab-lock.ts";
import type { TabMessage } from "../../../../src/room/tabs/tab-message.ts";

type Request = Parameters<LockManagerLike["request"]>;

interface Held {
  readonly client: Client;
  readonly lose: (error: unknown) => void;
}

interface Due {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

const DELAY_MAX_MS = 4;
const LATE_MAX_MS = 1_500;

/** One tab's process, as the profile knows it. */
export class Client implements LockManagerLike {
  readonly profile: Profile;
  heard: (message: TabMessage) => void = () => {};
  #state: "runs" | "stopped" | "gone" = "runs";
  #inputs: (() => void)[] = [];

  constructor(profile: Profile) {
    this.profile = profile;
  }

  get isGone(): boolean {
    return this.#state === "gone";
  }

  get isStopped(): boolean {
    return this.#state === "stopped";
  }

  request(_name: Request[0], options: Request[1], hold: Request[2]): Promise<unknown> {
    return this.profile.locks.request(this, options, hold);
  }

  /** What reaches the tab from outside, after a moment. */
  input(run: () => void, delayMs: number = this.profile.moment()): void {
    this.profile.at(delayMs, () => {
      if (this.#state === "stopped") this.#inputs.push(run);
      else if (this.#state === "runs") run();
    });
  }

  send(message: TabMessage): void {
    for (const other of this.profile.clients) if (other !== this) other.input(() => other.heard(message));
  }

  every(intervalMs: number, run: () => void): () => void {
    let isOver = false;
    const next = (): void =>
      this.input(() => {
        if (isOver) return;
        next();
        run();
      }, intervalMs);
    next();
    return () => {
      isOver = true;
    };
  }

  after(delayMs: number, run: () => void): () => void {
    let isOver = false;
    this.input(() => (isOver ? undefined : run()), delayMs);
    return () => {
      isOver = true;
    };
  }

  isHolding(): Promise<boolean> {
    return new Promise((resolve) => {
      this.profile.at(this.profile.moment(), () => {
        const holds = this.profile.locks.holder === this;
        this.input(() => resolve(holds));
      });
    });
  }

  stop(): void {
    if (this.#state === "runs") this.#state = "stopped";
  }

  goOn(): void {
    if (this.#state !== "stopped") return;
    this.#state = "runs";
    for (const input of this.profile.shuffled(this.#inputs.splice(0))) this.input(input);
  }

  die(): void {
    this.#state = "gone";
    this.profile.locks.forget(this);
  }
}

class Locks {
  readonly #profile: Profile;
  #held: Held | undefined;
  #queue: { readonly client: Client; readonly take: () => void }[] = [];

  constructor(profile: Profile) {
    this.#profile = profile;
  }

  /** A takeover is on its way to the browser's process. */
  isAsked: boolean = false;

  get holder(): Client | undefined {
    return this.#held?.client;
  }

  request(client: Client, options: Request[1], hold: Request[2]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        const held: Held = { client, lose: (error) => client.input(() => reject(error), this.#profile.lateMoment()) };
        this.#held = held;
        client.input(() => {
          void hold({}).then((value) => {
            resolve(value);
            if (this.#held === held) this.#free();
          });
        });
      };
      const error = (text: string): DOMException => new DOMException(text, "AbortError");
      options.signal?.addEventListener("abort", () => {
        this.#queue = this.#queue.filter((waiting) => waiting.take !== take);
        reject(error("given up"));
      });
      if (options.steal === true) this.isAsked = true;
      // The browser's process takes the request a little later.
      this.#profile.at(this.#profile.moment(), () => {
        if (client.isGone || options.signal?.aborted === true) return;
        if (options.steal === true) {
          this.#held?.lose(error("stolen"));
          take();
        } else if (this.#held === undefined) take();
        else if (options.ifAvailable === true) client.input(() => resolve(hold(null)));
        else this.#queue.push({ client, take });
      });
    });
  }

  forget(client: Client): void {
    this.#queue = this.#queue.filter((waiting) => waiting.client !== client);
    if (this.#held?.client === client) this.#free();
  }

  #free(): void {
    this.#held = undefined;
    this.#queue.shift()?.take();
  }
}

export class Profile {
  readonly clients: Set<Client> = new Set();
  readonly locks: Locks = new Locks(this);
  nowMs = 0;
  readonly #prng: Prng;
  #due: Due[] = [];
  #order = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  client(): Client {
    const client = new Client(this);
    this.clients.add(client);
    return client;
  }

  moment(): number {
    return this.#prng.int(0, DELAY_MAX_MS + 1);
  }

  /** Of news that wait behind whatever else a page has to do. */
  lateMoment(): number {
    return this.#prng.int(0, LATE_MAX_MS);
  }

  shuffled<Item>(items: readonly Item[]): readonly Item[] {
    return items
      .map((item) => ({ item, at: this.#prng.next() }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ item }) => item);
  }

  at(delayMs: number, run: () => void): void {
    this.#order += 1;
    this.#due.push({ atMs: this.nowMs + delayMs, order: this.#order, run });
  }

  async pass(milliseconds: number): Promise<void> {
    const untilMs = this.nowMs + milliseconds;
    for (;;) {
      await settled();
      const [next] = this.#due.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order);
      if (next === undefined || next.atMs > untilMs) break;
      this.#due = this.#due.filter((each) => each !== next);
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = untilMs;
  }
}

/** All promises that can settle have settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
