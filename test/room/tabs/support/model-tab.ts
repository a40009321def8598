/** A tab as room-session.ts composes it, with a member that does nothing but act: each act is one that only one may do. */
import { HolderCheck } from "../../../../src/room/tabs/holder-check.ts";
import { TabLock } from "../../../../src/room/tabs/tab-lock.ts";
import type { Client, Profile } from "./profile.ts";

const ACT_EVERY_MS = 20;
let ids = 0;

/** What the tabs of a profile did. */
export interface Record {
  /** The tab whose member opened the store last. */
  owner: ModelTab | undefined;
  readonly told: string[];
  acts: number;
  readonly wrong: string[];
}

export class ModelTab {
  readonly name: string;
  readonly client: Client;
  readonly #profile: Profile;
  readonly #record: Record;
  #lock: TabLock | undefined;
  #check: HolderCheck | undefined;
  #stopActing: () => void = () => {};
  isFrozen = false;
  state: "closed" | "asking" | "waiting" | "held" = "asking";
  holder: string | undefined;

  constructor(name: string, profile: Profile, record: Record) {
    this.name = name;
    this.#profile = profile;
    this.#record = record;
    this.client = profile.client();
    this.#begin();
  }

  /** The handler of `freeze`: what it does is done before the page is frozen. A frozen page still hears. */
  freeze(): void {
    if (this.state === "closed" || this.isFrozen || this.client.isStopped) return;
    this.isFrozen = true;
    this.#end();
  }

  resume(): void {
    if (!this.isFrozen) return;
    this.isFrozen = false;
    if (!this.client.isGone) this.#begin();
  }

  close(): void {
    if (this.client.isStopped) return this.crash();
    this.state = "closed";
    this.#end();
  }

  crash(): void {
    this.state = "closed";
    this.client.die();
  }

  #begin(): void {
    this.state = "asking";
    const { client } = this;
    const check = new HolderCheck({
      isHeld: () => client.isHolding(),
      nowMs: () => this.#profile.nowMs,
      after: (delayMs, run) => void client.after(delayMs, run),
      onLost: () => lock.lost(),
    });
    const lock = new TabLock({
      name: "quorate:room:test",
      tab: `${this.name}-${(ids += 1)}`,
      locks: client,
      send: (message) => client.send(message),
      every: (intervalMs, run) => client.every(intervalMs, run),
      after: (delayMs, run) => client.after(delayMs, run),
      onWaiting: () => this.#is("waiting"),
      onHolder: (holder) => {
        this.holder = holder;
      },
      // A lock that was granted to a stopped tab may be another's when it goes on.
      onHeld: () =>
        check.run(() => {
          this.#is("held");
          this.#record.owner = this;
          this.#stopActing = client.every(ACT_EVERY_MS, () => check.run(() => this.#act()));
        }),
      onLost: () => {
        this.#record.told.push(`${this.name} lost`);
        this.#end();
        this.#begin();
      },
    });
    this.#lock = lock;
    this.#check = check;
    client.heard = (message) => lock.heard(message);
    void lock.acquire();
  }

  #is(state: "waiting" | "held"): void {
    this.state = state;
    this.#record.told.push(`${this.name} ${state}`);
  }

  #act(): void {
    const { owner } = this.#record;
    this.#record.acts += 1;
    if (owner !== this) this.#record.wrong.push(`${this.name} acts at ${this.#profile.nowMs}, after ${owner?.name}`);
  }

  #end(): void {
    this.#stopActing();
    this.#check?.end();
    void this.#lock?.release();
  }
}
