/** The only periodic timer of a member, and what is due at each tick. It stands still while the cluster is quiesced. */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Attributes } from "../membership/attributes.ts";
import type { Clock } from "../clock.ts";
import type { AutopilotRunner } from "../membership/autopilot-runner.ts";
import type { ClusterChanges } from "../membership/cluster-changes.ts";
import type { Availability } from "./availability.ts";
import type { Driver } from "./driver.ts";
import type { Freshness } from "./freshness.ts";
import type { LeaderTracker } from "./leader-tracker.ts";
import type { LeaderMonitor } from "./leader-monitor.ts";
import type { Lessor } from "../background/lessor.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberOptions, Settings } from "../options.ts";
import type { Proposals } from "./proposals.ts";
import type { Quiescence } from "./quiescence.ts";
import type { Reads } from "./reads.ts";
import type { OwnKey } from "../membership/own-key.ts";
import type { PeerTracker } from "../membership/peer-tracker.ts";
import type { Rpc } from "../peer/rpc.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";

const AUTOPILOT_EVERY_TICKS = 3;

/** A periodic task of a member. It uses the member as services do. */
export interface Tickable {
  readonly tick: () => void;
}

export interface TickerDeps {
  readonly id: MemberId;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly driver: Driver;
  readonly leader: LeaderTracker;
  readonly quiescence: Quiescence;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly rpc: Rpc;
  readonly lessor: Lessor;
  readonly snapshots: Snapshots;
  readonly leaderMonitor: LeaderMonitor;
  readonly peers: PeerTracker;
  readonly autopilot: AutopilotRunner;
  readonly changes: ClusterChanges;
  readonly attributes: Attributes;
  readonly ownKey: OwnKey;
  readonly freshness: Freshness;
  readonly availability: Availability;
  readonly options: Pick<MemberOptions, "outage">;
}

export class Ticker {
  readonly #parts: TickerDeps;
  #tickables: readonly Tickable[] = [];
  #ticks = 0;
  #cancel: (() => void) | undefined;

  constructor(parts: TickerDeps) {
    this.#parts = parts;
  }

  register(tickables: readonly Tickable[]): void {
    this.#tickables = tickables;
  }

  start(): void {
    const { lifecycle, clock, settings } = this.#parts;
    if (lifecycle.problem !== undefined) return;
    this.#cancel ??= clock.setTimer(settings.tickMs, () => lifecycle.runOrStop(() => this.#tick()));
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #tick(): void {
    const { raft, leader, quiescence, rpc, lessor, snapshots, leaderMonitor, peers, changes, attributes } = this.#parts;
    this.#cancel = undefined;
    if (quiescence.tick()) return;
    this.start();
    this.#ticks += 1;
    raft.tick();
    this.#expire();
    if (rpc.pending > 0) rpc.expire(leader.callError);
    lessor.tick();
    for (const task of this.#tickables) task.tick();
    snapshots.tick();
    leaderMonitor.tick(leader.id);
    peers.tick();
    this.#parts.freshness.tick();
    changes.tick();
    attributes.tick();
    this.#parts.ownKey.tick();
    if (leader.isSelf && this.#ticks % AUTOPILOT_EVERY_TICKS === 0) this.#parts.autopilot.run(raft.status());
    peers.contactPeers(leader.id);
    this.#parts.driver.schedule();
  }

  /** Fails requests that have waited long enough. How long that is depends on what is known of the cluster. */
  #expire(): void {
    const { clock, settings, leader, proposals, reads, availability, options } = this.#parts;
    if (proposals.pending === 0 && reads.pending === 0) return;
    const nowMs = clock.nowMs();
    const problem = options.outage === undefined ? undefined : availability.problem;
    const outage = problem === undefined ? undefined : options.outage?.(problem);
    const timeout = leader.timeoutError(nowMs);
    const error = outage?.error(false) ?? timeout;
    // A deadline is the time of arrival and this.
    const { requestTimeoutMs } = settings;
    const dueMs = nowMs + requestTimeoutMs - Math.min(outage?.failAfterMs ?? Infinity, requestTimeoutMs);
    proposals.expire(dueMs, error, outage?.error(true) ?? timeout);
    reads.expire(dueMs, error);
  }
}
