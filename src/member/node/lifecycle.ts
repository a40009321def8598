/**
 * The end of a member. It stops once, for one reason, with all of its parts. It writes and sends nothing afterwards.
 *
 *     running ──► reading (the disk is full) ──► stopped
 *        └───────────────────────────────────────┘
 *
 * A member whose disk is full goes on reading: serializable reads and watches answer from its memory, until it is stopped.
 */
import { EtcdError, errStopped, GrpcCode } from "../../protocol/errors.ts";
import type { MemberProblem } from "../api/services.ts";

export type Problem = MemberProblem;

export const WAS_REMOVED: Problem = { code: "removed", text: "This member was removed from the cluster." };

const UNKNOWN_OUTCOME = "This write was proposed before, and its outcome is unknown.";

/**
 * What those get who call a member that has stopped. A full disk is no end: the reason says what can be done. `isUnknown`:
 * the call is a write that may be committed by the others.
 */
export function stoppedError({ code, text }: Problem, isUnknown: boolean = false): EtcdError {
  if (code !== "disk-full") return errStopped;
  return new EtcdError(GrpcCode.ResourceExhausted, isUnknown ? `${text} ${UNKNOWN_OUTCOME}` : text);
}

export class Lifecycle {
  readonly #steps: ((problem: Problem) => void)[] = [];
  readonly #onStopped: ((problem: Problem) => void) | undefined;
  readonly #listeners: Set<() => void> = new Set();
  #problem: Problem | undefined;

  constructor(onStopped: ((problem: Problem) => void) | undefined) {
    this.#onStopped = onStopped;
  }

  /** Why the member stopped; undefined while it runs. */
  get problem(): Problem | undefined {
    return this.#problem;
  }

  /** True if the member answers serializable reads and watches, from a memory that does not change any more. */
  get isReading(): boolean {
    return this.#problem?.code === "disk-full";
  }

  /** Runs `action`. An exception means a broken invariant: the member stops before it can diverge from the others. */
  runOrStop(action: () => void): void {
    if (this.#problem === undefined) this.#run(action);
  }

  /** Runs `action`, which only reads, also while the member does nothing else. */
  readOrStop(action: () => void): void {
    if (this.#problem === undefined || this.isReading) this.#run(action);
  }

  #run(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.stop({ code: "stopped", text: `The member stopped itself: ${String(error)}` });
    }
  }

  /** Adds a step of stopping. The steps run in the order in which they were added, before all listeners. */
  onStop(step: (problem: Problem) => void): void {
    this.#steps.push(step);
  }

  /** Calls `run` after all steps of stopping, and again when a member that still reads ends. The returned function removes it. */
  whenStopped(run: () => void): () => void {
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  /** Runs the steps of stopping, once. Nothing is sent afterwards, and every waiting call has failed. */
  stop(problem: Problem): void {
    if (this.isReading) return this.#endReading(problem);
    if (this.#problem !== undefined) return;
    this.#problem = problem;
    for (const step of this.#steps) step(problem);
    for (const run of this.#listeners) run();
    this.#onStopped?.(problem);
  }

  #endReading(problem: Problem): void {
    if (problem.code === "disk-full") return;
    this.#problem = problem;
    for (const run of this.#listeners) run();
  }
}
