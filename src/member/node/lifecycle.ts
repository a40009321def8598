/** The end of a member. It stops once, for one reason, with all of its parts. Nothing of it runs afterwards. */
import { EtcdError, errStopped, GrpcCode } from "../../protocol/errors.ts";
import type { MemberProblem } from "../api/services.ts";

export type Problem = MemberProblem;

export const WAS_REMOVED: Problem = { code: "removed", text: "This member was removed from the cluster." };

/** What those get who call a member that has stopped. A full disk is no end: the reason says what can be done. */
export function stoppedError({ code, text }: Problem): EtcdError {
  return code === "disk-full" ? new EtcdError(GrpcCode.ResourceExhausted, text) : errStopped;
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

  /** Runs `action`. An exception means a broken invariant: the member stops before it can diverge from the others. */
  runOrStop(action: () => void): void {
    if (this.#problem !== undefined) return;
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

  /** Calls `run` after all steps of stopping. The returned function removes it. */
  whenStopped(run: () => void): () => void {
    this.#listeners.add(run);
    return () => this.#listeners.delete(run);
  }

  /** Runs the steps of stopping, once. Nothing is sent afterwards, and every waiting call has failed. */
  stop(problem: Problem): void {
    if (this.#problem !== undefined) return;
    this.#problem = problem;
    for (const step of this.#steps) step(problem);
    for (const run of this.#listeners) run();
    this.#onStopped?.(problem);
  }
}
