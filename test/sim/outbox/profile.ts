/**
 * A browser profile that queues writes, in one or two tabs that both send. Tabs crash and freeze; the profile loses its
 * store, gets an old copy of it, or has it closed without a word.
 */
import { createClient } from "../../../src/client/client.ts";
import { toText } from "../../../src/client/common/convert.ts";
import { compare, op } from "../../../src/client/facade/txn.ts";
import { newEntry, type WriteCall } from "../../../src/client/outbox/new-entry.ts";
import { OutboxLog, type ChangedRange } from "../../../src/client/outbox/outbox-log.ts";
import { Sender } from "../../../src/client/outbox/sender.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { SYSTEM_BACKOFF } from "../../../src/client/common/backoff.ts";
import type { OutboxFaults } from "../faults.ts";
import type { OutboxChecker, Queued } from "./outbox-checker.ts";
import { OutboxDisk, type OutboxConnection } from "./outbox-disk.ts";
import { outboxServices, type OutboxNetworkHost } from "./outbox-network.ts";

const LIMITS = { entriesMax: 100_000, bytesMax: 1e9 };
/** A time of day, far from 0. */
const EPOCH_MS = 1_000_000_000;
const SHARED_KEYS = 3;

export interface ProfileHost extends Omit<OutboxNetworkHost, "lossProbability"> {
  readonly faults: OutboxFaults;
  readonly checker: OutboxChecker;
  readonly isHealing: () => boolean;
  readonly trace: (line: string) => void;
  /** What stands there by the agreed log. */
  readonly current: (key: string) => { readonly value: string; readonly mod: number } | undefined;
  /** A tab failed by an error that is none of the world's. */
  readonly broken: (error: unknown) => void;
}

export class Profile {
  readonly name: string;
  readonly #host: ProfileHost;
  readonly #disk: OutboxDisk;
  readonly #tabs: (Tab | undefined)[] = [];
  #silentUntilMs = 0;
  #writes = 0;
  #ids = 0;

  constructor(host: ProfileHost, name: string) {
    this.#host = host;
    this.name = name;
    const { queue, prng, checker } = host;
    this.#disk = new OutboxDisk({
      queue,
      prng,
      diskMs: 10,
      onVerdict: (entry, life) => checker.decided(entry, name, life),
    });
  }

  start(): void {
    const { prng, faults } = this.#host;
    for (let at = 0; at < faults.tabs; at++) this.#open(at);
    this.#later();
    this.#every(faults.crashEveryMs, () => this.#reopen(prng.int(0, faults.tabs), "crashes"));
    this.#every(faults.freezeEveryMs, () => this.#tabs[prng.int(0, faults.tabs)]?.freeze(prng.int(500, 9_000)));
    this.#every(faults.silenceEveryMs, () => this.#silence(prng.int(0, faults.tabs)));
    this.#every(faults.lossEveryMs, () => {
      this.#disk.lose();
      this.#reopenAll("loses its store");
    });
    this.#every(faults.restoreEveryMs, () => this.#copy());
  }

  /** Nothing is undecided. */
  get isSettled(): boolean {
    return [...this.#disk.entries].every(({ verdict }) => verdict !== undefined);
  }

  /** Nothing is sent any more. */
  stop(): void {
    for (const tab of this.#tabs) tab?.die();
  }

  /** After the faults no tab stays as they left it. */
  mend(): void {
    this.#reopenAll("is opened again");
  }

  newId(): string {
    this.#ids += 1;
    return `${this.name}-${this.#ids}`;
  }

  /** Another tab of the profile hears of it, sooner or later. */
  tell(from: Tab, range: ChangedRange): void {
    const { queue, prng } = this.#host;
    for (const tab of this.#tabs)
      if (tab !== undefined && tab !== from) queue.after(prng.int(1, 60), () => tab.hear(range));
  }

  #open(at: number): void {
    this.#tabs[at] = new Tab(this.#host, this, this.#disk.connect());
  }

  #reopen(at: number, why: string): void {
    const { queue, prng, trace } = this.#host;
    const tab = this.#tabs[at];
    if (tab === undefined) return;
    trace(`tab ${at} of ${this.name} ${why}`);
    tab.die();
    this.#tabs[at] = undefined;
    queue.after(prng.int(10, 2_000), () => this.#open(at));
  }

  #reopenAll(why: string): void {
    for (const at of this.#tabs.keys()) this.#reopen(at, why);
  }

  /** Its person has a copy of the profile made, writes nothing for a while, and goes on with the copy. */
  #copy(): void {
    const { queue, prng } = this.#host;
    this.#disk.backUp();
    const forMs = prng.int(100, 4_000);
    this.#silentUntilMs = queue.nowMs + forMs;
    queue.after(forMs, () => {
      if (this.#disk.restore()) this.#reopenAll("has an old copy of its store");
    });
  }

  #silence(at: number): void {
    const { queue, prng, trace } = this.#host;
    const tab = this.#tabs[at];
    if (tab === undefined) return;
    trace(`the store of tab ${at} of ${this.name} is closed without a word`);
    tab.silence();
    queue.after(prng.int(1_000, 6_000), () => {
      if (this.#tabs[at] === tab) this.#reopen(at, "is loaded anew");
    });
  }

  #later(): void {
    const { queue, prng, isHealing } = this.#host;
    queue.after(prng.int(20, 900), () => {
      if (isHealing()) return;
      if (queue.nowMs < this.#silentUntilMs) return this.#later();
      const tab = prng.pick(this.#tabs.filter((each) => each?.log !== undefined).concat(undefined));
      const log = tab?.log;
      if (log !== undefined) for (let count = prng.int(1, 5); count > 0; count--) this.#queue(log);
      this.#later();
    });
  }

  #queue(log: OutboxLog): void {
    const { queue, checker, broken } = this.#host;
    const id = this.newId();
    const value = `${this.name}.${++this.#writes}`;
    const { call, ...rest } = this.#draw(value);
    checker.queued({ id, values: new Set([value]), ...rest });
    const nowMs = EPOCH_MS + queue.nowMs;
    log.append([newEntry(id, call, nowMs, this.#host.faults.markerTtl)], LIMITS).catch(broken);
  }

  #draw(value: string): { readonly call: WriteCall } & Partial<Queued> {
    const { prng, current } = this.#host;
    const token = `w/${value}`;
    const shared = `shared/${prng.int(0, SHARED_KEYS)}`;
    const puts = [op.put(token, value), op.put(shared, `${value}s`)];
    const options = prng.bool(0.2) ? { expiresIn: prng.int(1_000, 5_000) } : {};
    const there = current(shared);
    switch (prng.int(0, 6)) {
      case 0:
        return {
          call: {
            type: "txn",
            options: { ...options, compare: [compare.createRevision(shared).equals(0)], success: puts },
          },
          condition: { key: shared, holds: (found) => found === undefined },
        };
      case 1: {
        const expected = there?.value ?? "none";
        return {
          call: {
            type: "txn",
            options: { ...options, compare: [compare.value(shared).equals(expected)], success: puts },
          },
          condition: { key: shared, holds: (found) => found === expected },
        };
      }
      case 2: {
        const mod = there?.mod ?? 0;
        return {
          call: { type: "put", key: shared, value, options: { ...options, ifMatch: String(mod) } },
          condition: { key: shared, holds: (_, found) => found === mod },
        };
      }
      case 3: {
        const values = new Set<string>();
        return {
          call: {
            type: "update",
            key: `count/${prng.int(0, 2)}`,
            handler: "add",
            options: { ...options, args: value },
          },
          values: this.#computed(value, values),
        };
      }
      case 4:
        return {
          call: { type: "txn", options: { ...options, success: [op.deleteRange(shared), op.put(token, value)] } },
        };
      default:
        return { call: { type: "put", key: token, value, options } };
    }
  }

  readonly #computedOf: Map<string, Set<string>> = new Map();

  #computed(value: string, values: Set<string>): Set<string> {
    this.#computedOf.set(value, values);
    return values;
  }

  /** The handler of updates: one more, by this write. */
  add(current: Uint8Array | undefined, args: unknown): string {
    const count = current === undefined ? 0 : Number.parseInt(toText(current), 10);
    const next = `${count + 1} by ${String(args)}`;
    this.#computedOf.get(String(args))?.add(next);
    return next;
  }

  #every(meanMs: number, happen: () => void): void {
    if (meanMs === Infinity) return;
    const { queue, prng, isHealing } = this.#host;
    queue.after(meanMs * (0.5 + prng.next()), () => {
      if (isHealing()) return;
      happen();
      this.#every(meanMs, happen);
    });
  }
}

/** Sends until it dies. Two of a profile do so at once, as where there are no locks. */
class Tab {
  readonly #host: ProfileHost;
  readonly #profile: Profile;
  readonly #connection: OutboxConnection;
  #frozenUntilMs = 0;
  isDead = false;
  log: OutboxLog | undefined;

  constructor(host: ProfileHost, profile: Profile, connection: OutboxConnection) {
    this.#host = host;
    this.#profile = profile;
    this.#connection = connection;
    connection.whenAwake = (run) => this.whenAwake(run);
    this.#run().catch((error: unknown) => host.broken(error));
  }

  die(): void {
    this.isDead = true;
    this.log = undefined;
    this.#connection.isDead = true;
  }

  freeze(forMs: number): void {
    this.#frozenUntilMs = this.#host.queue.nowMs + forMs;
  }

  silence(): void {
    this.#connection.isSilent = true;
    this.log = undefined;
  }

  readonly whenAwake = (run: () => void): void => {
    if (this.isDead) return;
    const waitMs = this.#frozenUntilMs - this.#host.queue.nowMs;
    if (waitMs <= 0) run();
    else this.#host.queue.after(waitMs, () => this.whenAwake(run));
  };

  hear(range: ChangedRange): void {
    this.whenAwake(() => void this.log?.refresh(range).catch(this.#host.broken));
  }

  async #run(): Promise<void> {
    const { queue, prng, faults, isHealing } = this.#host;
    const log = await OutboxLog.open(this.#connection);
    this.log = log;
    log.onChange = (_, others) => {
      if (others !== undefined && !this.isDead) this.#profile.tell(this, others);
    };
    const lossProbability = (): number => (isHealing() ? 0 : faults.lossProbability);
    const services = outboxServices({ ...this.#host, lossProbability }, this) as Services;
    const { kv, lease } = createClient(services, { backoff: SYSTEM_BACKOFF });
    const sender = new Sender({
      kv,
      lease,
      log,
      handlers: new Map([["add", (current, { args }) => this.#profile.add(current, args)]]),
      markerPrefix: "marker/",
      markerTtl: faults.markerTtl,
      now: () => EPOCH_MS + queue.nowMs,
      newId: () => this.#profile.newId(),
    });
    while (!this.isDead) {
      const step = await sender.step();
      const pauseMs = step.type === "again" ? prng.int(0, 20) : prng.int(100, 1_500);
      await new Promise<void>((resolve) => queue.after(pauseMs, () => this.whenAwake(resolve)));
    }
  }
}
