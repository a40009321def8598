/**
 * Why this member cannot serve now, and a notice whenever that changes. It is computed from what the parts know and not
 * stored, so there is no event that could be forgotten: it is compared after each run of the driver, which is when it
 * can change. While nobody listens, that costs nothing.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Clock } from "../clock.ts";
import type { Settings } from "../options.ts";
import type { PeerTracker } from "../membership/peer-tracker.ts";
import type { StateMachine } from "../apply/state-machine.ts";
import type { Freshness } from "./freshness.ts";
import type { LeaderMonitor } from "./leader-monitor.ts";
import type { Lifecycle, Problem } from "./lifecycle.ts";

export interface AvailabilityDeps {
  readonly id: MemberId;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly machine: StateMachine;
  readonly peers: PeerTracker;
  readonly leaderMonitor: LeaderMonitor;
  readonly freshness: Freshness;
}

export class Availability {
  readonly #parts: AvailabilityDeps;
  readonly #listeners: Set<() => void> = new Set();
  #last: Problem | undefined;
  #isNoticePending = false;

  constructor(parts: AvailabilityDeps) {
    this.#parts = parts;
    parts.lifecycle.whenStopped(() => this.check());
  }

  /** Why this member cannot serve linearizable requests, with a message for operators; undefined while it can. */
  get problem(): Problem | undefined {
    const { id, lifecycle, raft, machine, freshness } = this.#parts;
    if (lifecycle.problem !== undefined) return lifecycle.problem;
    if (machine.membership.wasRemoved(id)) {
      return { code: "removed", text: "This member was removed from the cluster, and waits until the others know it." };
    }
    if (!machine.membership.has(id)) {
      return { code: "joining", text: "Waiting to be added to the cluster by its leader." };
    }
    const { role, leader } = raft.basicStatus();
    if (role !== "leader" && leader === 0n) return this.#withoutLeader();
    return freshness.isCurrent ? undefined : catchingUp(freshness);
  }

  /** Calls `run` in a later turn whenever `problem` has changed. The returned function removes it. */
  onChange(run: () => void): () => void {
    if (this.#listeners.size === 0) this.#last = this.problem;
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  /** Called when `problem` may have changed. */
  check(): void {
    if (this.#listeners.size === 0) return;
    const problem = this.problem;
    if (problem?.code === this.#last?.code && problem?.text === this.#last?.text) return;
    this.#last = problem;
    if (this.#isNoticePending) return;
    this.#isNoticePending = true;
    // A listener may call this member, and its exceptions must not stop it.
    this.#parts.clock.defer(() => {
      this.#isNoticePending = false;
      for (const run of this.#listeners) run();
    });
  }

  #withoutLeader(): Problem {
    const { id, raft, leaderMonitor, freshness } = this.#parts;
    const { voters } = raft.status().confState;
    const total = voters.length;
    const needed = Math.floor(total / 2) + 1;
    const here = voters.filter((voter) => voter === id || this.isActive(voter)).length;
    const sinceWallMs = freshness.asOfWallMs;
    if (here < needed && !leaderMonitor.isInGracePeriod) {
      const text =
        `No quorum: ${here} of ${total} voters ${here === 1 ? "is" : "are"} here, ${needed} are needed. ` +
        "Reads marked serializable still work; writes wait.";
      return { code: "no-quorum", text, sinceWallMs, voters: { here, total } };
    }
    return { code: "no-leader", text: "No leader yet: an election is under way.", sinceWallMs };
  }

  /** True if this member had contact with `member` within the longest election timeout. */
  isActive(member: MemberId): boolean {
    const { peers, settings } = this.#parts;
    return peers.sinceContactMs(member) <= 2 * settings.electionTicks * settings.tickMs;
  }
}

/** The number is rounded, so that listeners are not notified of each entry. */
function catchingUp({ behind, asOfWallMs }: Freshness): Problem {
  const sinceWallMs = asOfWallMs;
  if (behind === 0) return { code: "catching-up", text: "Asking the leader what was missed meanwhile.", sinceWallMs };
  const about = Number(behind.toPrecision(2)).toLocaleString("en");
  return { code: "catching-up", text: `Catching up: about ${about} entries behind the leader.`, sinceWallMs };
}
