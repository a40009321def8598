/**
 * Many jobs at once, but only so many, and only so many bytes in all of them together. The bytes are why it is not
 * p-limit, which counts jobs.
 */

export class InFlight {
  readonly #maxJobs: number;
  readonly #maxBytes: number;
  readonly #running: Set<Promise<void>> = new Set();
  #bytes = 0;

  constructor(maxJobs: number, maxBytes: number) {
    this.#maxJobs = maxJobs;
    this.#maxBytes = maxBytes;
  }

  /** Resolves when the job has started. A single job may exceed the limit of bytes. The job must not reject. */
  async start(bytes: number, job: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#maxJobs || (this.#running.size > 0 && this.#bytes + bytes > this.#maxBytes)) {
      await Promise.race(this.#running);
    }
    this.#bytes += bytes;
    const running = job().finally(() => {
      this.#running.delete(running);
      this.#bytes -= bytes;
    });
    this.#running.add(running);
  }

  async finished(): Promise<void> {
    while (this.#running.size > 0) await Promise.race(this.#running);
  }
}
