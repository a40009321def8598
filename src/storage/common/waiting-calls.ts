/** Calls that wait to be told. Writes may be done in any order; their callers are told in the order of their calls. */
import type { StorageError } from "../storage-error.ts";
import type { Done } from "../storage.ts";

/** One of them, in the hands of whoever does its work. */
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

  /** Those whose work is done; each is told as soon as all before it are. */
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
