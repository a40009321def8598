/** Who leads, as far as this member knows, and what follows for its parts when that changes. */
import { errNoLeader, errTimeout, errTimeoutDueToLeaderFail } from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Attributes } from "../membership/attributes.ts";
import type { Clock } from "../clock.ts";
import type { ClusterChanges } from "../membership/cluster-changes.ts";
import type { LeaseKeeper } from "../background/lease-keeper.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";
import type { Settings } from "../options.ts";
import type { Quiet } from "./quiet.ts";
import type { Reads } from "./reads.ts";
import type { Roster } from "../membership/roster.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";

const NO_MEMBER = 0n;

export interface KnownLeaderParts {
  readonly id: MemberId;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly metrics: MemberMetrics;
  readonly leases: LeaseKeeper;
  readonly snapshots: Snapshots;
  readonly changes: ClusterChanges;
  readonly roster: Roster;
  readonly quiet: Quiet;
  readonly reads: Reads;
  readonly attributes: Attributes;
}

export class KnownLeader {
  readonly #parts: KnownLeaderParts;
  #id: MemberId = NO_MEMBER;
  #lostMs = -Infinity;

  constructor(parts: KnownLeaderParts) {
    this.#parts = parts;
  }

  /** 0: nobody that this member knows of. */
  get id(): MemberId {
    return this.#id;
  }

  get isKnown(): boolean {
    return this.#id !== NO_MEMBER;
  }

  get isSelf(): boolean {
    return this.#id === this.#parts.id;
  }

  /** Raft says so. */
  changed(leader: MemberId): void {
    const { id, leases, snapshots, changes, roster } = this.#parts;
    if (leader !== id) leases.stop();
    if (leader !== id) snapshots.sendOnlyTo([]);
    if (leader === this.#id) return;
    if (this.isKnown) this.#lostMs = this.#parts.clock.nowMs();
    this.#id = leader;
    changes.leaderChanged(leader);
    if (!this.isKnown) return;
    if (leader !== id) roster.askIfRemoved();
    this.#parts.metrics.counters.leaderChanges += 1;
    this.#parts.quiet.awake();
    this.#parts.reads.askedInVain();
    this.#parts.attributes.publish();
  }

  /** Why a request that waited for too long got no answer. */
  timeoutError(nowMs: number): EtcdError {
    const lately = nowMs - this.#lostMs < this.#parts.settings.requestTimeoutMs;
    return !this.isKnown || lately ? errTimeoutDueToLeaderFail : errTimeout;
  }

  /** The same of a call that is for the leader. */
  get callError(): EtcdError {
    return this.isKnown ? errTimeout : errNoLeader;
  }
}
