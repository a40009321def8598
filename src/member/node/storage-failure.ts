/**
 * The end of a member whose store has failed. Nothing is written any more, because what its disk holds is unknown. A
 * leader whose disk is full asks another member to lead first. That takes no write, and the others need not wait for an
 * election time-out. Raft counts nothing as durable here that was not reported as durable, so it does no harm meanwhile.
 *
 * With a full disk the member goes on reading (lifecycle.ts). What is known to be committed is applied first.
 */
import { StorageError } from "../../storage/storage-error.ts";
import type { Clock } from "../clock.ts";
import type { Availability } from "./availability.ts";
import type { Freshness } from "./freshness.ts";
import type { LeaderTracker } from "./leader-tracker.ts";
import type { Lifecycle, Problem } from "./lifecycle.ts";
import { successorOf } from "./successor.ts";
import type { Entry } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { StateMachine } from "../apply/state-machine.ts";

/** A successor that has the log leads after one round trip. One that has to catch up may take longer than is worth it. */
const HAND_OVER_LIMIT_MS = 1_000;

export interface StorageFailureDeps {
  readonly id: MemberId;
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly machine: StateMachine;
  readonly leader: LeaderTracker;
  readonly admission: { transferLeader(to: MemberId): void };
  readonly applier: { apply(entries: readonly Entry[]): void };
  readonly availability: Availability;
  readonly freshness: Freshness;
}

export class StorageFailure {
  readonly #parts: StorageFailureDeps;
  #problem: Problem | undefined;
  #cancel: () => void = () => {};

  constructor(parts: StorageFailureDeps) {
    this.#parts = parts;
  }

  /** True while a leader whose disk is full waits for its successor: nothing is written any more. */
  get hasFailed(): boolean {
    return this.#problem !== undefined;
  }

  /** Call it with the first error of the store, and with every other one. */
  report(error: Error): void {
    if (this.#problem !== undefined) return;
    const { clock, freshness, lifecycle } = this.#parts;
    const isFull = error instanceof StorageError && error.kind === "quota";
    if (!isFull) return lifecycle.stop({ code: "storage", text: error.message });
    this.#problem = { code: "disk-full", text: error.message, sinceWallMs: freshness.asOfWallMs };
    if (!this.#handOver()) return this.#stop();
    this.#cancel = clock.setTimer(HAND_OVER_LIMIT_MS, () => this.#stop());
  }

  /** Called after each run of the driver: another member may lead by now. */
  check(): void {
    if (this.#problem !== undefined && !this.#parts.leader.isSelf) this.#stop();
  }

  stop(): void {
    this.#cancel();
  }

  #stop(): void {
    const { lifecycle } = this.#parts;
    if (this.#problem === undefined) return;
    lifecycle.runOrStop(() => this.#applyKnown());
    lifecycle.stop(this.#problem);
  }

  /** A member that was opened a moment ago may still have much of its log to apply. */
  #applyKnown(): void {
    const { raft, applier } = this.#parts;
    for (;;) {
      const { committed } = raft.ready();
      if (committed.length > 0) applier.apply(committed);
      else if (!raft.commitAlone()) return;
    }
  }

  #handOver(): boolean {
    const { id, leader, machine, raft, availability, admission } = this.#parts;
    if (!leader.isSelf) return false;
    const isActive = (member: MemberId): boolean => availability.isActive(member);
    const successor = successorOf(id, machine.membership.members, raft.status(), isActive);
    if (successor === undefined) return false;
    admission.transferLeader(successor);
    return true;
  }
}
