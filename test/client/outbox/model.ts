/**
 * A world for senders of one outbox: a real member behind a network that loses requests and answers, delivers twice and
 * late; a store whose owner crashes before and after each write; and a record of all that happened.
 */
import { createClient, type Client } from "../../../src/client/client.ts";
import { SYSTEM_BACKOFF } from "../../../src/client/common/backoff.ts";
import { memoryOutboxStore } from "../../../src/client/outbox/memory-store.ts";
import { newEntry, type WriteCall } from "../../../src/client/outbox/new-entry.ts";
import { OutboxLog } from "../../../src/client/outbox/outbox-log.ts";
import type { OutboxLimits, OutboxStore } from "../../../src/client/outbox/outbox-store.ts";
import type { OutboxHandler } from "../../../src/client/outbox/outbox-types.ts";
import { Sender, type Step } from "../../../src/client/outbox/sender.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { startMember } from "../support/own-member.ts";

/** What the network does with one request. */
export type Delivery = "delivered" | "lost" | "answer lost" | "twice" | "late, answer lost";
/** Where the page dies. */
export type Crash = "none" | "before a write" | "after a write" | "before a call" | "after a call";

export class Crashed extends Error {}

export const LIMITS: OutboxLimits = { entriesMax: 100_000, bytesMax: 1e9 };
export const MARKERS: string = "quorate/outbox/";

export class World {
  readonly member: Awaited<ReturnType<typeof startMember>>;
  /** Not disturbed. */
  readonly client: Client;
  readonly store: OutboxStore = memoryOutboxStore();
  readonly handlers: Map<string, OutboxHandler> = new Map();
  readonly queued: string[] = [];
  deliveries: Iterator<Delivery> = [].values();
  now = 1_000_000;
  #ids = 0;
  readonly #logs: OutboxLog[] = [];
  readonly #late: (() => Promise<unknown>)[] = [];

  private constructor(member: World["member"]) {
    this.member = member;
    this.client = createClient(member.services, { backoff: SYSTEM_BACKOFF });
  }

  static async start(): Promise<World> {
    return new World(await startMember());
  }

  stop(): void {
    this.client.close();
    this.member.member.stop();
  }

  newId(): string {
    this.#ids += 1;
    return `id-${this.#ids}`;
  }

  /** As a page does, durably. */
  async queue(call: WriteCall): Promise<string> {
    const id = this.newId();
    const from = await this.store.append([newEntry(id, call, this.now, MARKER_TTL)], LIMITS);
    for (const log of this.#logs) await log.refresh({ from, to: from + 1 });
    this.queued.push(id);
    return id;
  }

  /** A page that sends, with a memory of its own, until it crashes. */
  async sender(crash: () => Crash = () => "none"): Promise<Sender> {
    const store = crashing(this.store, crash);
    const services = this.#disturbed(crash);
    const client = createClient(services, { backoff: SYSTEM_BACKOFF });
    const log = await OutboxLog.open(store);
    this.#logs.push(log);
    return new Sender({
      kv: client.kv,
      lease: client.lease,
      log,
      handlers: this.handlers,
      markerPrefix: MARKERS,
      markerTtl: MARKER_TTL,
      now: () => this.now,
      newId: () => this.newId(),
    });
  }

  /** Requests that were on their way for long arrive now. */
  async deliverLate(): Promise<void> {
    for (const arrive of this.#late.splice(0)) await arrive().catch(() => {});
  }

  /** The cluster forgets the marker, as when its lease ends. */
  async loseMarkers(): Promise<void> {
    const { identity } = (await this.store.read()).meta;
    if (identity === undefined) return;
    await this.client.lease.revoke(identity.lease).catch(() => {});
  }

  /** Without any fault, until nothing is pending. */
  async settle(): Promise<void> {
    this.deliveries = [].values();
    await this.deliverLate();
    const sender = await this.sender();
    for (let steps = 0; steps < 10_000; steps++) {
      const step: Step = await sender.step();
      if (step.type === "idle") return this.deliverLate();
      if (step.type !== "again") throw new Error(`it does not settle: ${JSON.stringify(step)}`);
    }
    throw new Error("it does not settle");
  }

  #disturbed(crash: () => Crash): Services {
    const { services } = this.member;
    const unavailable = new EtcdError(GrpcCode.Unavailable, "the network is broken");
    const disturb = async <Result>(execute: () => Promise<Result>): Promise<Result> => {
      if (crash() === "before a call") throw new Crashed();
      const delivery = this.deliveries.next().value ?? "delivered";
      if (delivery === "lost") throw unavailable;
      if (delivery === "late, answer lost") {
        this.#late.push(execute);
        throw unavailable;
      }
      const result = await execute();
      if (delivery === "twice") await execute().catch(() => {});
      if (crash() === "after a call") throw new Crashed();
      if (delivery === "answer lost") throw unavailable;
      return result;
    };
    const { kv, lease } = services;
    return {
      ...services,
      kv: {
        ...kv,
        txn: (request, context) => disturb(async () => kv.txn(request, context)),
        range: (request, context) => disturb(async () => kv.range(request, context)),
      },
      lease: {
        ...lease,
        grant: (request, context) => disturb(async () => lease.grant(request, context)),
      },
    };
  }
}

export const MARKER_TTL: number = 30 * 24 * 60 * 60;

function crashing(store: OutboxStore, crash: () => Crash): OutboxStore {
  return {
    ...store,
    async commit(version, change) {
      if (crash() === "before a write") throw new Crashed();
      const isMade = await store.commit(version, change);
      if (crash() === "after a write") throw new Crashed();
      return isMade;
    },
  };
}
