import { beforeEach, describe, expect, test, vi } from "vitest";
import { LeaseTable } from "../../../src/lease/lease-table.ts";
import { encodeSavedExpiry } from "../../../src/lease/saved-expiry.ts";
import type { SavedExpiry } from "../../../src/lease/saved-expiry.ts";
import { Lessor } from "../../../src/member/background/lessor.ts";
import type { Outcome } from "../../../src/member/outcome.ts";
import { Rpc } from "../../../src/member/peer/rpc.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import { errTimeout } from "../../../src/protocol/errors.ts";
import type { EtcdError } from "../../../src/protocol/errors.ts";
import type { InternalRequest } from "../../../src/protocol/peer/internal.ts";
import {
  leaseKeepAliveRequestSchema,
  leaseKeepAliveResponseSchema,
} from "../../../src/protocol/api/schema/lease-schema.ts";
import { decode, encode } from "../../../src/protocol/codec/proto-codec.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const EXTENSION_MS = 1_000;

/** The lessor of a leader, whose proposals the test applies or loses. */
class World {
  readonly clock: VirtualClock;
  readonly proposed: { readonly request: InternalRequest; readonly done: (outcome: Outcome<unknown>) => void }[] = [];
  /** Terms of the log's entries. */
  readonly terms: Map<number, number> = new Map();
  /** Requested wake-ups, in milliseconds from the start. */
  readonly alarms: number[] = [];
  readonly table: LeaseTable;
  readonly lessor: Lessor;
  readonly rpc: Rpc;
  /** How often a quorum was asked whether this member leads. */
  asked = 0;
  /** No quorum answers. */
  isCutOff = false;

  constructor(record?: SavedExpiry, clock: VirtualClock = new VirtualClock()) {
    this.clock = clock;
    const host = {
      id: 1n,
      firstCall: 0,
      send: () => {},
      nowMs: () => this.clock.nowMs(),
      defer: (run: () => void) => run(),
    };
    this.rpc = new Rpc(host, { pending: 100, timeoutMs: 7_000, retryMs: 1_000 });
    this.lessor = new Lessor({
      clock: this.clock,
      rpc: this.rpc,
      table: () => this.table,
      write: (request, done) => void this.proposed.push({ request, done }),
      linearizable: (read) => {
        this.asked += 1;
        if (!this.isCutOff) read();
      },
      logTerm: (index) => this.terms.get(index),
      newest: () => ({ term: 1, index: 1 }),
      extensionMs: EXTENSION_MS,
      wakeup:
        record === undefined
          ? undefined
          : {
              saved: encodeSavedExpiry(record),
              save: () => {},
              wakeAfter: (delayMs) => this.alarms.push(this.clock.nowMs() + delayMs),
            },
      wake: () => {},
    });
    this.table = new LeaseTable(new MemoryTables().bucket("lease"), this.lessor);
  }

  /** As the member does: in ticks of 100 ms. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await this.clock.advance(100);
      this.lessor.tick();
    }
  }

  get revocations(): bigint[] {
    return this.proposed.flatMap(({ request }) => (request.type === "leaseRevoke" ? [request.leaseRevoke.id] : []));
  }

  /** The seconds, the error's text, or "none" if the lease does not exist, as soon as it is known. */
  call(method: "renew" | "remaining", id: bigint): { result: number | string | undefined } {
    const state: { result: number | string | undefined } = { result: undefined };
    const payload = encode(leaseKeepAliveRequestSchema, { id });
    this.rpc.call(1n, `lease/${method}`, payload, (outcome) => {
      state.result = outcome.ok ? decode(leaseKeepAliveResponseSchema, outcome.value).ttl : outcome.error.message;
    });
    return state;
  }

  apply(at: number): void {
    const { request, done } = this.proposed[at] as (typeof this.proposed)[number];
    if (request.type === "leaseRevoke") this.table.remove(request.leaseRevoke.id);
    if (request.type === "leaseCheckpoint")
      request.leaseCheckpoint.checkpoints.forEach((each) => this.table.checkpoint(each));
    done({ ok: true, value: undefined });
  }

  lose(at: number, error: EtcdError): void {
    this.proposed[at]?.done({ ok: false, error });
  }
}

let world: World;

beforeEach(() => {
  world = new World();
});

describe("a new leader", () => {
  test("M27 adds an election timeout to the TTL of each lease", () => {
    world.table.grant(5n, 10);
    world.lessor.promote(2, 7);
    expect(world.call("remaining", 5n).result).toBe(11);
    world.table.grant(6n, 10);
    expect(world.call("remaining", 6n).result).toBe(10);
  });

  test.each([
    ["was the last one when it began to lead", 7, 1, 0, 4],
    ["is older than that", 6, 1, 0, 11],
    ["is of another term", 7, 3, 0, 11],
    ["was written in the future", 7, 1, 1, 11],
  ])("uses a record whose entry %s", (_what, index, term, writtenMs, seconds) => {
    world = new World({ term, index, writtenMs, ends: new Map([[5n, 3_000]]) });
    world.terms.set(6, 1).set(7, 1).set(8, 2);
    world.table.grant(5n, 10);
    world.lessor.promote(2, 7);
    expect(world.call("remaining", 5n).result).toBe(seconds);
  });

  test("M26 of the same term does not use a record that a renewal has outdated: nothing in the log shows it", () => {
    world = new World({ term: 1, index: 7, writtenMs: 0, ends: new Map([[5n, 3_000]]) });
    world.terms.set(7, 1);
    world.table.grant(5n, 10);
    world.lessor.promote(1, 7);
    expect(world.call("renew", 5n).result).toBe(10);
    world.lessor.demote();
    world.lessor.promote(1, 7);
    expect(world.call("remaining", 5n).result).toBe(11);
  });
});

describe("an expired lease", () => {
  beforeEach(async () => {
    world.lessor.promote(1, 1);
    world.table.grant(5n, 10);
    await world.pass(11_000);
  });

  test("M28 is proposed to be revoked once, and again if that was lost", async () => {
    expect(world.revocations).toEqual([5n]);
    await world.pass(5_000);
    expect(world.revocations).toEqual([5n]);
    world.lose(0, errTimeout);
    await world.pass(1_000);
    expect(world.revocations).toEqual([5n, 5n]);
    world.apply(1);
    await world.pass(5_000);
    expect(world.revocations).toEqual([5n, 5n]);
  });

  test("M31 keeps a keep-alive waiting until it is revoked", async () => {
    const keepAlive = world.call("renew", 5n);
    await world.pass(1_000);
    expect(keepAlive.result).toBeUndefined();
    world.apply(0);
    expect(keepAlive.result).toBe("etcdserver: requested lease not found");
  });

  test("keeps a keep-alive waiting until another member leads, to which it must be sent then", () => {
    const keepAlive = world.call("renew", 5n);
    world.lessor.demote();
    expect(keepAlive.result).toBe("etcdserver: not leader");
  });

  test("has a TTL below zero, in whole seconds", () => {
    expect(world.call("remaining", 5n).result).toBe(-1);
    expect(world.call("renew", 6n).result).toBe("etcdserver: requested lease not found");
  });
});

test("M28 leases are revoked at most a thousand a second, also while revocations wait for a quorum", async () => {
  world.lessor.promote(1, 1);
  for (let id = 1n; id <= 3_000n; id++) world.table.grant(id, 10);
  await world.pass(10_500);
  const before = world.revocations.length;
  await world.pass(2_000);
  expect([before, world.revocations.length]).toEqual([500, 500]);
  for (let at = 0; at < 500; at++) world.apply(at);
  await world.pass(500);
  expect(world.revocations.length).toBe(1_000);
});

test("an active leader requests a wake-up at the next expiry, too, and changes the request rarely", async () => {
  world = new World({ term: 0, index: 0, writtenMs: 0, ends: new Map() });
  world.lessor.promote(1, 1);
  world.table.grant(5n, 60);
  world.table.grant(6n, 600);
  for (let keepAlive = 0; keepAlive < 10; keepAlive++) {
    await world.pass(20_000);
    world.call("renew", 5n);
  }
  // The first one, and one more each time that it has passed.
  expect(world.alarms).toEqual([60_000, 120_000, 180_000, 240_000]);
  world.table.grant(7n, 10);
  await world.pass(1_000);
  expect(world.alarms.at(-1)).toBe(210_000);
});

test("no timer is longer than a platform's timers allow, however long the lease", async () => {
  const setTimer = vi.spyOn(world.clock, "setTimer");
  world.lessor.promote(1, 1);
  world.table.grant(5n, 9_000_000_000);
  world.lessor.hibernate();
  expect(setTimer.mock.calls.map(([delayMs]) => delayMs)).toEqual([2 ** 31 - 1]);

  world = new World({ term: 0, index: 0, writtenMs: 0, ends: new Map() });
  world.lessor.promote(1, 1);
  world.table.grant(5n, 9_000_000_000);
  await world.pass(500);
  world.lessor.hibernate();
  expect(world.alarms.every((alarmMs) => alarmMs < 2 ** 31 + 1_000)).toBe(true);
});

test("a deposed leader revokes nothing and renews nothing", async () => {
  world.lessor.promote(1, 1);
  world.table.grant(5n, 10);
  world.lessor.demote();
  await world.pass(20_000);
  expect(world.proposed).toEqual([]);
  expect(world.call("renew", 5n).result).toBe("etcdserver: not leader");
  expect(world.call("remaining", 5n).result).toBe("etcdserver: not leader");
});

describe("M64 a leader", () => {
  test("asks a quorum once for all keep-alives of half an election timeout", async () => {
    world.lessor.promote(1, 1);
    world.table.grant(5n, 10);
    const renewed: (number | undefined)[] = [];
    for (let at = 0; at < 10; at++) {
      await world.clock.advance(100);
      if (at % 5 === 0) renewed.push(world.call("renew", 5n).result as number);
      else world.lessor.renew(5n, (outcome) => renewed.push(outcome.ok ? outcome.value : undefined));
    }
    expect(renewed).toEqual(Array.from({ length: 10 }, () => 10));
    expect(world.asked).toBe(2);
    world.call("remaining", 5n);
    expect(world.asked).toBe(3);
  });

  test("asks again when it has led anew", () => {
    world.lessor.promote(1, 1);
    world.table.grant(5n, 10);
    world.call("renew", 5n);
    world.lessor.promote(3, 9);
    world.isCutOff = true;
    expect(world.call("renew", 5n).result).toBe(undefined);
    expect(world.asked).toBe(2);
  });

  test("that is cut off has promised nothing that its successor does not keep", async () => {
    const successor = new World(undefined, world.clock);
    world.lessor.promote(1, 1);
    for (const { table } of [world, successor]) table.grant(5n, 10);
    expect(world.call("renew", 5n).result).toBe(10);
    world.isCutOff = true;
    // As early as it can be: every voter of the successor has answered this leader before.
    successor.lessor.promote(2, 2);
    let renewedMs = world.clock.nowMs();
    while (successor.revocations.length === 0) {
      await world.clock.advance(50);
      if (world.call("renew", 5n).result === 10) renewedMs = world.clock.nowMs();
      successor.lessor.tick();
    }
    expect(renewedMs).toBeGreaterThan(0);
    expect(world.clock.nowMs() - renewedMs).toBeGreaterThanOrEqual(10_000);
  });
});

test("M26 a keep-alive while a checkpoint is on its way resets it", async () => {
  world.lessor.promote(1, 1);
  world.table.grant(5n, 600);
  await world.pass(301_000);
  expect(world.proposed.map(({ request }) => request.type)).toEqual(["leaseCheckpoint"]);
  const keepAlive = world.call("renew", 5n);
  expect([keepAlive.result, world.proposed.length]).toEqual([undefined, 2]);
  world.apply(0);
  world.apply(1);
  expect(keepAlive.result).toBe(600);
  expect(world.table.get(5n)?.remainingTtl).toBe(0);
});

test("a keep-alive of a checkpointed lease responds when its checkpoint is reset", async () => {
  world.table.grant(5n, 600);
  world.table.checkpoint({ id: 5n, remainingTtl: 100 });
  world.lessor.promote(1, 1);
  const keepAlive = world.call("renew", 5n);
  expect([keepAlive.result, world.proposed.length]).toEqual([undefined, 1]);
  world.apply(0);
  expect(keepAlive.result).toBe(600);
  expect(world.table.get(5n)?.remainingTtl).toBe(0);
});
