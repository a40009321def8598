/** A member's one clock: what is due at each tick. It stands still while the cluster is quiet. */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Attributes } from "../membership/attributes.ts";
import type { Clock } from "../clock.ts";
import type { ClusterChanges } from "../membership/cluster-changes.ts";
import type { Driver } from "./driver.ts";
import type { KnownLeader } from "./known-leader.ts";
import type { LeaderLoss } from "./leader-loss.ts";
import type { LeaseKeeper } from "../background/lease-keeper.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Settings } from "../options.ts";
import type { Proposals } from "./proposals.ts";
import type { Quiet } from "./quiet.ts";
import type { Reads } from "./reads.ts";
import type { Roster } from "../membership/roster.ts";
import type { Rpc } from "../peer/rpc.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";

const AUTOPILOT_EVERY_TICKS = 3;

/** Something that a member does now and then, and that uses it as its services do. */
export interface Duty {
  readonly tick: () => void;
}

export interface TickingParts {
  readonly id: MemberId;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly life: Lifecycle;
  readonly raft: Raft;
  readonly driver: Driver;
  readonly leader: KnownLeader;
  readonly quiet: Quiet;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly rpc: Rpc;
  readonly leases: LeaseKeeper;
  readonly snapshots: Snapshots;
  readonly leaderLoss: LeaderLoss;
  readonly roster: Roster;
  readonly changes: ClusterChanges;
  readonly attributes: Attributes;
}

export class Ticking {
  readonly #parts: TickingParts;
  #duties: readonly Duty[] = [];
  #ticks = 0;
  #cancel: (() => void) | undefined;

  constructor(parts: TickingParts) {
    this.#parts = parts;
  }

  attendTo(duties: readonly Duty[]): void {
    this.#duties = duties;
  }

  start(): void {
    const { life, clock, settings } = this.#parts;
    if (life.problem !== undefined) return;
    this.#cancel ??= clock.setTimer(settings.tickMs, () => life.guard(() => this.#tick()));
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #tick(): void {
    const { raft, leader, quiet, rpc, leases, snapshots, leaderLoss, roster, changes, attributes } = this.#parts;
    this.#cancel = undefined;
    if (quiet.tick()) return;
    this.start();
    this.#ticks += 1;
    raft.tick();
    this.#expire();
    if (rpc.pending > 0) rpc.expire(leader.callError);
    leases.tick();
    for (const duty of this.#duties) duty.tick();
    snapshots.tick();
    leaderLoss.tick(leader.id);
    roster.tick();
    changes.tick();
    attributes.tick();
    if (leader.isSelf && this.#ticks % AUTOPILOT_EVERY_TICKS === 0) roster.autopilot(raft.status());
    roster.askAround(leader.id);
    this.#parts.driver.schedule();
  }

  #expire(): void {
    const { clock, leader, proposals, reads } = this.#parts;
    if (proposals.pending === 0 && reads.pending === 0) return;
    const nowMs = clock.nowMs();
    proposals.expire(nowMs, leader.timeoutError(nowMs));
    reads.expire(nowMs, leader.timeoutError(nowMs));
  }
}
