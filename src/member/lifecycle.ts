/** How a member ends: once, for one reason, with all of its parts, and nothing of it runs afterwards. */
import { errStopped } from "../protocol/errors.ts";
import type { Transport } from "../transport/transport.ts";
import type { Chores } from "./chores.ts";
import type { ClusterChanges } from "./cluster-changes.ts";
import type { CommitNotices } from "./commit-notices.ts";
import type { Hashing } from "./hashing.ts";
import type { LeaseKeeper } from "./lease-keeper.ts";
import type { Proposals } from "./proposals.ts";
import type { Reads } from "./reads.ts";
import type { Rpc } from "./rpc.ts";
import type { ProblemCode } from "./services.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Ticking } from "./ticking.ts";

export interface Problem {
  readonly code: ProblemCode;
  readonly text: string;
}

export const WAS_REMOVED: Problem = { code: "removed", text: "This member was removed from the cluster." };

export interface LifecycleParts {
  readonly ticking: Ticking;
  readonly notices: CommitNotices;
  readonly leases: LeaseKeeper;
  readonly changes: ClusterChanges;
  readonly rpc: Rpc;
  readonly chores: Chores;
  readonly hashing: Hashing;
  readonly snapshots: Snapshots;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly transport: Transport;
}

export class Lifecycle {
  readonly #parts: LifecycleParts;
  readonly #onStopped: ((problem: Problem) => void) | undefined;
  readonly #listeners: Set<() => void> = new Set();
  #problem: Problem | undefined;

  constructor(parts: LifecycleParts, onStopped: ((problem: Problem) => void) | undefined) {
    this.#parts = parts;
    this.#onStopped = onStopped;
  }

  /** Undefined while the member lives. */
  get problem(): Problem | undefined {
    return this.#problem;
  }

  /** Whatever is thrown in here is a broken invariant: the member stops before it can diverge from the others. */
  guard(action: () => void): void {
    if (this.#problem !== undefined) return;
    try {
      action();
    } catch (error) {
      this.stop({ code: "stopped", text: `The member stopped itself: ${String(error)}` });
    }
  }

  /** The returned function takes it back. */
  whenStopped(run: () => void): () => void {
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  /** Nothing is sent any more; whoever waits is told. */
  stop(problem: Problem): void {
    if (this.#problem !== undefined) return;
    this.#problem = problem;
    const { ticking, notices, leases, changes, rpc, chores, hashing, snapshots, proposals, reads } = this.#parts;
    ticking.stop();
    notices.stop();
    leases.stop();
    changes.stop(problem === WAS_REMOVED);
    rpc.failAll(errStopped);
    chores.stop();
    hashing.stop();
    snapshots.stop();
    proposals.failAll(errStopped);
    reads.failAll(errStopped);
    this.#parts.transport.close();
    for (const run of this.#listeners) run();
    this.#onStopped?.(problem);
  }
}
