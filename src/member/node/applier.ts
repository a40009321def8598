/**
 * Applies committed entries to the state machine, in log order, and notifies the parts that wait for the applied index.
 */
import { assert } from "../../base/assert.ts";
import type { Entry, SnapshotMeta } from "../../protocol/peer/raft-message.ts";
import { decodeChange } from "../../raft/conf-change/conf-change-entry.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Storage } from "../../storage/storage.ts";
import type { MembershipMonitor } from "./membership-monitor.ts";
import type { StoreMaintenance } from "../background/store-maintenance.ts";
import type { ClusterChanges } from "../membership/cluster-changes.ts";
import type { LeaderTracker } from "./leader-tracker.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Lessor } from "../background/lessor.ts";
import type { LogRetention } from "../apply/log-retention.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";
import type { Proposals } from "./proposals.ts";
import type { Reads } from "./reads.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { StateMachine } from "../apply/state-machine.ts";

export interface ApplierDeps {
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly storage: Storage;
  readonly machine: StateMachine;
  readonly membershipMonitor: MembershipMonitor;
  readonly changes: ClusterChanges;
  readonly leader: LeaderTracker;
  readonly lessor: Lessor;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly snapshots: Snapshots;
  readonly maintenance: StoreMaintenance;
  readonly retention: LogRetention;
  readonly metrics: MemberMetrics;
}

export class Applier {
  readonly #parts: ApplierDeps;
  #index: number;
  #term: number;

  constructor(parts: ApplierDeps, { appliedAtOpen, log }: Storage) {
    this.#parts = parts;
    this.#index = appliedAtOpen;
    this.#term = log.term(appliedAtOpen) ?? 0;
  }

  /** Index of the last applied entry. */
  get index(): number {
    return this.#index;
  }

  get term(): number {
    return this.#term;
  }

  /** Describes the current state for a snapshot; undefined while no snapshot can be taken. */
  get snapshotMeta(): SnapshotMeta | undefined {
    if (this.#index === 0 || this.#parts.snapshots.installing) return undefined;
    return { index: this.#index, term: this.#term, confState: this.#parts.machine.membership.confState };
  }

  apply(entries: readonly Entry[]): void {
    const { raft, leader, membershipMonitor, machine, maintenance, proposals, retention } = this.#parts;
    for (const entry of entries) {
      assert(entry.index === this.#index + 1, "entries are applied one after the other");
      if (entry.type === "conf-change") this.#applyConfChange(entry);
      else this.#applyRequest(entry);
      this.#index = entry.index;
      if (entry.term > this.#term) proposals.termApplied(entry.term);
      this.#term = entry.term;
      retention.applied(entry.index, entry.data.length);
    }
    this.stateChanged();
    raft.appliedTo(this.#index);
    this.startLeases();
    if (!leader.isKnown) membershipMonitor.campaignIfAlone();
    if (machine.hub.hasUnsynced) maintenance.syncWatchers();
    if (machine.store.hasPendingCompaction) maintenance.scheduleCompaction(undefined);
    this.#cutLog();
  }

  /** Notifies storage that rows have changed. */
  stateChanged(): void {
    this.#parts.storage.stateChanged(this.#index, this.#term);
  }

  /** Called when storage has switched to the state of a snapshot. */
  installed(snapshot: SnapshotMeta): void {
    const { storage, machine, membershipMonitor, snapshots, proposals, reads, maintenance, lessor } = this.#parts;
    snapshots.installed();
    this.#index = snapshot.index;
    this.#term = snapshot.term;
    proposals.stateReplaced();
    machine.reopen(storage.tables);
    lessor.tableReplaced();
    membershipMonitor.membershipChanged();
    reads.applied(this.#index);
    maintenance.scheduleCompaction(undefined);
    maintenance.syncWatchers();
  }

  #applyRequest(entry: Entry): void {
    const { machine, metrics, proposals } = this.#parts;
    const applied = machine.apply(entry.data, entry.index);
    if (applied === undefined) return;
    if (!applied.outcome.ok) metrics.counters.proposalsFailed += 1;
    proposals.resolve(applied.id, applied.outcome);
  }

  #applyConfChange(entry: Entry): void {
    const { raft, machine, changes, membershipMonitor } = this.#parts;
    const change = decodeChange(entry.data);
    if (change === undefined) return;
    const validation = machine.membership.validate(change);
    if (validation === "apply") machine.applyConfChange(change, raft.applyConfChange(change));
    changes.applied(change, validation);
    if (validation === "apply") membershipMonitor.membershipChanged();
  }

  /**
   * Promotes the lessor once this leader has applied everything that was committed before it led. A leader that goes on
   * in its term may have done so at once.
   */
  startLeases(): void {
    const { raft, lessor } = this.#parts;
    if (!raft.isSettled || lessor.term === raft.term) return;
    lessor.promote(raft.term, raft.inheritedIndex);
  }

  /**
   * Call it when the cluster stops its clocks: all members hold the log, and nobody will ask for entries. What is kept
   * would be read at the next start, and a member that sleeps starts often.
   */
  cutQuietLog(): void {
    const { storage } = this.#parts;
    const last = storage.log.lastIndex();
    if (storage.durableApplied === last) {
      this.#cutTo(last);
      return;
    }
    const { lifecycle } = this.#parts;
    storage.flush((error) => {
      if (error === undefined) lifecycle.runOrStop(() => this.#cutTo(last));
    });
  }

  /** Cuts a long log, unless something was written since. */
  #cutTo(last: number): void {
    const { storage, snapshots, retention } = this.#parts;
    if (storage.log.lastIndex() !== last || storage.durableApplied < last) return;
    const cut = retention.quietCutAt(storage.log.firstIndex(), last, snapshots.keepFrom);
    if (cut !== undefined) storage.compactLog(cut);
  }

  #cutLog(): void {
    const { storage, snapshots, retention } = this.#parts;
    const keepFrom = Math.min(snapshots.keepFrom, storage.durableApplied + 1);
    const cut = retention.cutAt(storage.log.firstIndex(), keepFrom);
    if (cut !== undefined) storage.compactLog(cut);
  }
}
