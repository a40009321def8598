/**
 * Callbacks of calls that wait for a write. Writes may complete in any order; the callbacks run in the order of the
 * calls.
 */
import type { StorageError } from "../storage-error.ts";
import type { Done } from "../storage.ts";

/** One waiting call, held by the write that will complete it. */
export interface WaitingCall {
  readonly done: Done;
  isReady: boolean;
}

export class WaitingCalls {
  readonly #calls: WaitingCall[] = [];

  add(done: Done): WaitingCall {
    const call: WaitingCall = { done, isReady: false };
    this.#calls.push(call);
    return call;
  }

  /** Completes calls. Each callback runs as soon as all calls before it are complete. */
  resolve(ready: readonly WaitingCall[], failure: StorageError | undefined): void {
    for (const call of ready) call.isReady = true;
    for (let first = this.#calls[0]; first?.isReady === true; first = this.#calls[0]) {
      this.#calls.shift();
      first.done(failure);
    }
  }

  resolveAll(failure: StorageError | undefined): void {
    this.resolve([...this.#calls], failure);
  }
}
