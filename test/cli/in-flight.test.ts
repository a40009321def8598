import { expect, test } from "vitest";
import { InFlight } from "../../src/cli/files/in-flight.ts";

/** Jobs that end when the test ends them. */
class Jobs {
  readonly started: string[] = [];
  readonly #finish: Map<string, () => void> = new Map();

  job(name: string): () => Promise<void> {
    return () => {
      this.started.push(name);
      return new Promise((resolve) => this.#finish.set(name, resolve));
    };
  }

  async finish(name: string): Promise<void> {
    this.#finish.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("at most the given number of jobs run concurrently, and the next starts when one has ended", async () => {
  const jobs = new Jobs();
  const inFlight = new InFlight(2, 1000);
  await inFlight.start(1, jobs.job("a"));
  await inFlight.start(1, jobs.job("b"));
  const third = inFlight.start(1, jobs.job("c"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(jobs.started).toEqual(["a", "b"]);
  await jobs.finish("b");
  await third;
  expect(jobs.started).toEqual(["a", "b", "c"]);
});

test("the bytes of all jobs are bounded in total, but a single job may be larger", async () => {
  const jobs = new Jobs();
  const inFlight = new InFlight(10, 100);
  await inFlight.start(500, jobs.job("huge"));
  const second = inFlight.start(60, jobs.job("a"));
  await new Promise((resolve) => setImmediate(resolve));
  expect(jobs.started).toEqual(["huge"]);
  await jobs.finish("huge");
  await second;
  await inFlight.start(40, jobs.job("b"));
  expect(jobs.started).toEqual(["huge", "a", "b"]);
});

test("finished waits for all", async () => {
  const jobs = new Jobs();
  const inFlight = new InFlight(2, 100);
  await inFlight.start(1, jobs.job("a"));
  let isFinished = false;
  const finished = inFlight.finished().then(() => (isFinished = true));
  await new Promise((resolve) => setImmediate(resolve));
  expect(isFinished).toBe(false);
  await jobs.finish("a");
  await finished;
});
