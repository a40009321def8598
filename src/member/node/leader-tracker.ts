/** Tracks the leader as this member knows it, and notifies the other parts when it changes. */
import { errNoLeader, errTimeout, errTimeoutDueToLeaderFail } from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Attributes } from "../membership/attributes.ts";
import type { Clock } from "../clock.ts";
import type { ClusterChanges } from "../membership/cluster-changes.ts";
import type { Lessor } from "../background/lessor.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";
import type { Settings } from "../options.ts";
import type { Quiescence } from "./quiescence.ts";
import type { Reads } from "./reads.ts";
import type { PeerTracker } from "../membership/peer-tracker.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";

const NO_MEMBER = 0n;

export interface LeaderTrackerDeps {
  readonly id: MemberId;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly metrics: MemberMetrics;
  readonly lessor: Lessor;
  readonly snapshots: Snapshots;
  readonly changes: ClusterChanges;
  readonly peers: PeerTracker;
  readonly quiescence: Quiescence;
  readonly reads: Reads;
  readonly attributes: Attributes;
}

export class LeaderTracker {
  readonly #parts: LeaderTrackerDeps;
  #id: MemberId = NO_MEMBER;
  #lostMs = -Infinity;

  constructor(parts: LeaderTrackerDeps) {
    this.#parts = parts;
  }

  /** Id of the leader; 0 while none is known. */
  get id(): MemberId {
    return this.#id;
  }

  get isKnown(): boolean {
    return this.#id !== NO_MEMBER;
  }

  get isSelf(): boolean {
    return this.#id === this.#parts.id;
  }

  /** Called when Raft reports a new leader, or that there is none. */
  onLeaderChanged(leader: MemberId): void {
    const { id, lessor, snapshots, changes, peers } = this.#parts;
    if (leader !== id) lessor.demote();
    if (leader !== id) snapshots.sendOnlyTo([]);
    if (leader === this.#id) return;
    if (this.isKnown) this.#lostMs = this.#parts.clock.nowMs();
    this.#id = leader;
    changes.leaderChanged(leader);
    if (!this.isKnown) return;
    if (leader !== id) peers.wakePeers();
    this.#parts.metrics.counters.leaderChanges += 1;
    this.#parts.quiescence.activate();
    this.#parts.reads.retryPending();
    this.#parts.attributes.publish();
  }

  /** Error for a request that timed out at `nowMs`. */
  timeoutError(nowMs: number): EtcdError {
    const isRecentlyLost = nowMs - this.#lostMs < this.#parts.settings.requestTimeoutMs;
    return !this.isKnown || isRecentlyLost ? errTimeoutDueToLeaderFail : errTimeout;
  }

  /** Error for a call to the leader that timed out. */
  get callError(): EtcdError {
    return this.isKnown ? errTimeout : errNoLeader;
  }
}
