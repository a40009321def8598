/**
 * A notice whenever what a member shows of itself (services/member-view.ts) has changed: its role, what it has committed and
 * applied, how far the others are. As in availability.ts it is compared after each run of the driver, so that no event can
 * be forgotten, and costs nothing while nobody listens.
 */
import type { Raft } from "../../raft/raft.ts";
import type { Clock } from "../clock.ts";
import type { Applier } from "./applier.ts";
import type { Availability } from "./availability.ts";
import type { MembershipMonitor } from "./membership-monitor.ts";

export interface ViewChangesDeps {
  readonly clock: Clock;
  readonly raft: Raft;
  readonly applier: Applier;
  readonly availability: Availability;
  readonly membershipMonitor: MembershipMonitor;
}

export class ViewChanges {
  readonly #parts: ViewChangesDeps;
  readonly #listeners: Set<() => void> = new Set();
  #last = "";

  constructor(parts: ViewChangesDeps) {
    this.#parts = parts;
  }

  /** Calls `run` in a later turn, once for all changes until then. The returned function removes it. */
  onChange(run: () => void): () => void {
    if (this.#listeners.size === 0) this.#last = this.#shown();
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  /** Called when something may have changed. */
  check(): void {
    if (this.#listeners.size === 0) return;
    const shown = this.#shown();
    if (shown === this.#last) return;
    this.#last = shown;
    // A listener may call this member, and its exceptions must not stop it.
    this.#parts.clock.defer(() => {
      for (const run of this.#listeners) run();
    });
  }

  /** Whatever else is shown comes from applied entries. */
  #shown(): string {
    const { raft, applier, availability, membershipMonitor } = this.#parts;
    const { term, role, leader, commit, lastIndex, leaderCommit } = raft.basicStatus();
    const { joinRefusal = "" } = membershipMonitor;
    let shown = `${term} ${role} ${leader} ${commit} ${lastIndex} ${leaderCommit} ${applier.index} ${joinRefusal}`;
    if (role !== "leader") return shown;
    for (const [peer, { match }] of raft.status().progress) {
      shown += ` ${match} ${availability.isActive(peer)}`;
    }
    return shown;
  }
}
