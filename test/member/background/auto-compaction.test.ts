import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { AutoCompaction } from "../../../src/member/background/auto-compaction.ts";
import type { Compactor } from "../../../src/member/background/auto-compaction.ts";
import type { AutoCompactionOptions } from "../../../src/member/options.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import { GuardedCluster } from "../support/auth-kit.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A member as the compaction sees it, and the compactions requested. */
class World implements Compactor {
  isLeader = true;
  nowMs = 0;
  revision = 1;
  /** Result of the next compactions. */
  succeeds = true;
  readonly asked: (readonly [minute: number, revision: number])[] = [];

  compact(revision: number, done: (compacted: boolean) => void): void {
    this.asked.push([this.nowMs / MINUTE, revision]);
    done(this.succeeds);
  }
}

/** Ticks every six seconds; `each` returns the revisions written in the minute before. */
function live(world: World, compaction: AutoCompaction, minutes: number, each: (minute: number) => number): void {
  for (let minute = 0; minute < minutes; minute++) {
    world.revision += each(minute);
    for (let tick = 0; tick < 10; tick++) {
      world.nowMs += MINUTE / 10;
      compaction.tick();
    }
  }
}

/** etcd's loops on a clock that never stops. Checks at each minute. */
function asEtcd(options: AutoCompactionOptions, minutes: number, revisionAt: (minute: number) => number): unknown[] {
  const asked: unknown[] = [];
  if (options.mode === "revision") {
    let previous = 0;
    for (let minute = 5; minute <= minutes; minute += 5) {
      const revision = revisionAt(minute) - options.retention;
      if (revision <= 0 || revision === previous) continue;
      asked.push([minute, revision]);
      previous = revision;
    }
    return asked;
  }
  const intervalMs = Math.min(options.retention, HOUR);
  const stepMinutes = intervalMs / 10 / MINUTE;
  const retentions = options.retention / (intervalMs / 10) + 1;
  let baseMs = options.retention;
  let revisions: number[] = [];
  let last = 0;
  let success = 0;
  for (let minute = 0; ; minute += stepMinutes) {
    revisions.push(revisionAt(minute));
    if (revisions.length > retentions) revisions = revisions.slice(1);
    const now = minute + stepMinutes;
    if (now > minutes) return asked;
    const revision = revisions[0] as number;
    if ((now - success) * MINUTE < baseMs || revision === last) continue;
    baseMs = intervalMs;
    asked.push([now, revision]);
    last = revision;
    success = now;
  }
}

describe("as etcd does it, on an active member", () => {
  test.each([
    ["10m", { mode: "periodic", retention: 10 * MINUTE }],
    ["1h", { mode: "periodic", retention: HOUR }],
    ["5h", { mode: "periodic", retention: 5 * HOUR }],
    ["100 revisions", { mode: "revision", retention: 100 }],
    ["1 revision", { mode: "revision", retention: 1 }],
  ] as const)("compacts the same revisions at the same times: %s", (_name, options) => {
    fc.assert(
      fc.property(fc.array(fc.nat(40), { minLength: 10, maxLength: 900, size: "max" }), (writes) => {
        const world = new World();
        live(world, new AutoCompaction(options, world), writes.length, (minute) => writes[minute] ?? 0);
        const revisions = [1];
        for (const written of writes) revisions.push((revisions.at(-1) as number) + written);
        expect(world.asked).toEqual(asEtcd(options, writes.length, (minute) => revisions[minute] as number));
      }),
      // Shrinking to the smallest counterexample would take long.
      { numRuns: 30, endOnFailure: true },
    );
  });

  test("M40 with 1h the first compaction comes after an hour and keeps an hour, then one every hour", () => {
    const world = new World();

    live(world, new AutoCompaction({ mode: "periodic", retention: HOUR }, world), 200, () => 10);

    expect(world.asked).toEqual([
      [60, 1],
      [120, 541],
      [180, 1141],
    ]);
  });

  test("a compaction that fails is retried a tenth of the period later", () => {
    const world = new World();
    world.succeeds = false;

    live(world, new AutoCompaction({ mode: "periodic", retention: 10 * MINUTE }, world), 12, () => 1);

    expect(world.asked.map(([minute]) => minute)).toEqual([10, 11, 12]);
  });

  test("a follower takes samples and compacts nothing, and needs no new period when it becomes leader", () => {
    const world = new World();
    const compaction = new AutoCompaction({ mode: "periodic", retention: 10 * MINUTE }, world);
    world.isLeader = false;
    live(world, compaction, 30, () => 1);
    expect(world.asked).toEqual([]);
    world.isLeader = true;
    live(world, compaction, 1, () => 1);

    expect(world.asked).toEqual([[31, 21]]);
  });

  test("off, nothing is ever compacted and no record saved", () => {
    const world = new World();
    const records: unknown[] = [];
    const options = { mode: "off", retention: 0, save: (record: Uint8Array) => void records.push(record) } as const;

    live(world, new AutoCompaction(options, world), 1_000, () => 1);

    expect([world.asked, records]).toEqual([[], []]);
  });
});

describe("after quiescence", () => {
  test("the revision did not change, and what was old before is compacted with the next work", () => {
    const world = new World();
    const compaction = new AutoCompaction({ mode: "periodic", retention: HOUR }, world);
    live(world, compaction, 30, () => 1);
    world.nowMs += 5 * HOUR;
    world.revision += 1_000;
    compaction.tick();

    // Of the 1,000 newest revisions none is an hour old.
    expect(world.asked).toEqual([[330, 31]]);
  });

  test("by revision, the newest revisions stay", () => {
    const world = new World();
    const compaction = new AutoCompaction({ mode: "revision", retention: 10 }, world);
    live(world, compaction, 2, () => 50);
    world.nowMs += HOUR;
    world.revision += 1;
    compaction.tick();

    expect(world.asked).toEqual([[62, 92]]);
  });
});

describe("a member that is evicted", () => {
  /** Runs for ten seconds every two minutes. Each run knows only the record that the previous one saved. */
  function incarnations(options: AutoCompactionOptions, count: number): World {
    const world = new World();
    let saved: Uint8Array | undefined;
    for (let incarnation = 0; incarnation < count; incarnation++) {
      const save = (kept: Uint8Array): void => {
        saved = kept;
      };
      const compaction = new AutoCompaction({ ...options, saved, save }, world);
      world.revision += 2;
      for (let tick = 0; tick < 10; tick++) {
        world.nowMs += 1_000;
        compaction.tick();
      }
      world.nowMs += 2 * MINUTE - 10_000;
    }
    return world;
  }

  test("continues from its record: periodic", () => {
    const { asked } = incarnations({ mode: "periodic", retention: HOUR }, 100);

    expect(asked.length).toBeGreaterThanOrEqual(3);
    for (const [minute, revision] of asked) {
      // Two revisions in two minutes: older than an hour, give or take two samples.
      expect(revision).toBeLessThanOrEqual(minute - 60 + 3);
      expect(revision).toBeGreaterThanOrEqual(Math.max(1, minute - 60 - 14));
    }
  });

  test("continues from its record: by revision", () => {
    expect(incarnations({ mode: "revision", retention: 5 }, 20).asked.length).toBeGreaterThanOrEqual(6);
  });

  test("ignores a record of other settings, of another time, or of an unknown form", () => {
    const world = new World();
    const options = { mode: "periodic", retention: HOUR } as const;
    let saved = new Uint8Array();
    const save = (kept: Uint8Array<ArrayBuffer>): void => {
      saved = kept;
    };
    world.nowMs = 10 * HOUR;
    live(world, new AutoCompaction({ ...options, save }, world), 59, () => 1);
    const after = (changes: Partial<AutoCompactionOptions>, nowMs: number, revision: number, minutes = 1): unknown => {
      const later = new World();
      later.nowMs = nowMs;
      later.revision = revision;
      live(later, new AutoCompaction({ ...options, saved, ...changes }, later), minutes, () => 0);
      return later.asked.length;
    };

    expect(after({}, world.nowMs, world.revision)).toBe(1);
    expect(after({ retention: 2 * HOUR }, world.nowMs, world.revision)).toBe(0);
    expect(after({}, HOUR, world.revision)).toBe(0);
    expect(after({}, world.nowMs, 3)).toBe(0);
    expect(after({ saved: saved.slice(1) }, world.nowMs, world.revision)).toBe(0);
    expect(after({ saved: saved.slice(0, 8) }, world.nowMs, world.revision)).toBe(0);
    // A clock that was set back begins a new period, and does not wait until it has reached the old time.
    expect(after({}, HOUR, world.revision, 61)).toBe(1);
  });
});

describe("in a cluster", () => {
  // Longer ticks than usual, so that hours pass faster.
  const PERIODIC = { autoCompaction: { mode: "periodic", retention: HOUR }, tickMs: 1_000 } as const;

  async function write(cluster: Cluster, count: number): Promise<void> {
    const { services } = await cluster.elected();
    for (let at = 0; at < count; at++) {
      await cluster.settled(services.kv.put(putRequest({ key: utf8Encode("k"), value: utf8Encode(`${at}`) }), CALL));
    }
  }

  const compactRevisions = (cluster: Cluster): readonly number[] =>
    [...cluster.nodes.values()].map(({ member }) => member.machine.store.compactRevision);

  test("the leader compacts for all, and every member's rows are removed", async () => {
    const cluster = await Cluster.founded(3, PERIODIC);
    await write(cluster, 20);
    await cluster.clock.advance(2 * HOUR + MINUTE);

    expect(compactRevisions(cluster)).toEqual([21, 21, 21]);
    for (const { member } of cluster.nodes.values()) expect(member.machine.store.keys.rowCount).toBe(1);
    const proposals = cluster.node(1n).member.applied;
    await cluster.clock.advance(2 * HOUR);
    // Nothing new was written, so nothing is proposed.
    expect(cluster.node(1n).member.applied).toBe(proposals);
  });

  test("with auth on it is done as root", async () => {
    const { cluster } = await GuardedCluster.open(1, PERIODIC);
    const { member } = await cluster.elected();
    await cluster.clock.advance(HOUR + MINUTE);

    expect(member.machine.auth.enabled).toBe(true);
    expect(member.machine.store.compactRevision).toBe(1);
  });

  test("M40 a quiesced cluster is not woken, not for days, and compacts with its next work", async () => {
    const cluster = await Cluster.founded(3, { ...PERIODIC, quiesceAfterTicks: 20 });
    await write(cluster, 20);
    await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiet");
    const sent = (): number =>
      [...cluster.nodes.values()].reduce((sum, { member }) => sum + member.counters.framesSent, 0);
    const before = sent();
    await cluster.clock.advance(72 * HOUR);

    expect([cluster.clock.timerCount, sent() - before]).toEqual([0, 0]);
    expect(compactRevisions(cluster)).toEqual([-1, -1, -1]);
    await write(cluster, 1);
    await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiet again");
    expect(compactRevisions(cluster)).toEqual([21, 21, 21]);
    for (const { member } of cluster.nodes.values()) expect(member.machine.store.keys.rowCount).toBe(2);
  });

  test("M40 by revision, the newest N stay, in a cluster that quiesces between", async () => {
    const options = { autoCompaction: { mode: "revision", retention: 7 }, quiesceAfterTicks: 20 } as const;
    const cluster = await Cluster.founded(1, options);
    await write(cluster, 20);
    await cluster.clock.advance(HOUR);
    expect(compactRevisions(cluster)).toEqual([-1]);
    await write(cluster, 1);
    await cluster.clock.advance(1_000);

    expect(compactRevisions(cluster)).toEqual([15]);
  });

  test("a new leader continues with its own samples", async () => {
    const cluster = await Cluster.founded(3, PERIODIC);
    await write(cluster, 20);
    await cluster.clock.advance(50 * MINUTE);
    const old: Node = await cluster.elected();
    cluster.crash(old.id);
    await cluster.elected();
    await cluster.clock.advance(11 * MINUTE);

    expect(Math.max(...compactRevisions(cluster))).toBe(1);
    await cluster.clock.advance(HOUR);
    expect(compactRevisions(cluster)).toEqual([21, 21]);
  });
});
