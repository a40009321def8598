/**
 * Tracks the writes to storage in flight, and the callbacks that wait for them. A transport that responds to a frame
 * calls `whenSettled`, so that its response leaves when all writes of the frame are durable, and carries Raft's own
 * responses.
 */
import { assert } from "../../base/assert.ts";

export class WritesInFlight {
  #issued = 0;
  #durable = 0;
  #waiting: { readonly after: number; readonly done: () => void }[] = [];
  #unassigned: (() => void)[] = [];

  get outstanding(): number {
    return this.#issued - this.#durable;
  }

  issued(id: number): void {
    assert(id > this.#issued, "writes are numbered upwards");
    this.#issued = id;
  }

  durable(id: number): void {
    assert(id > this.#durable && id <= this.#issued, "writes become durable in order");
    this.#durable = id;
  }

  /** Calls `done` once everything that the inputs so far have caused is durable and sent. */
  whenSettled(done: () => void): void {
    this.#unassigned.push(done);
  }

  /** Called at the end of a run: the inputs so far are processed, and their writes are known. */
  settle(): void {
    if (this.#unassigned.length > 0) {
      for (const done of this.#unassigned) this.#waiting.push({ after: this.#issued, done });
      this.#unassigned = [];
    }
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0];
      if (first === undefined || first.after > this.#durable) return;
      this.#waiting.shift();
      first.done();
    }
  }
}
