/**
 * Which writes to storage are under way, and who waits for them: carriers that answer a frame once all that it caused
 * is durable (the reply then carries Raft's own answers).
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

  /** `done` is called once everything that the inputs so far have caused is durable and sent. */
  whenSettled(done: () => void): void {
    this.#unassigned.push(done);
  }

  /** The inputs were worked through: from here on their writes are known. */
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
