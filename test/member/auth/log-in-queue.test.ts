import { describe, expect, test } from "vitest";
import type { Attempt } from "../../../src/member/auth/log-in-failures.ts";
import { LogInQueue } from "../../../src/member/auth/log-in-queue.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const REFUSED = "etcdserver: too many requests";
const HASHING_MS = 100;

/** A queue with slow hashing, and a record of the turns. */
class LogIns {
  readonly hashingMs: number;

  readonly clock = new VirtualClock();
  readonly queue = new LogInQueue(this.clock);
  readonly turns: string[] = [];
  readonly results: string[] = [];
  running = 0;
  runningMost = 0;

  constructor(hashingMs = HASHING_MS) {
    this.hashingMs = hashingMs;
  }

  logIn(address: string, name: string, isRight = false): Promise<string> {
    const attempt: Attempt = { address, name };
    const result = this.queue
      .verify(attempt, async () => {
        this.turns.push(`${address}/${name}`);
        this.running += 1;
        this.runningMost = Math.max(this.running, this.runningMost);
        await new Promise<void>((done) => void this.clock.setTimer(this.hashingMs, done));
        this.running -= 1;
        return isRight;
      })
      .then(
        (right) => (right ? "in" : "out"),
        (error: unknown) => (error as Error).message,
      );
    void result.then((text) => this.results.push(`${address}/${name} ${text}`));
    return result;
  }

  /** A caller that tries again as soon as it gets a response. */
  flood(address: string, name: () => string): void {
    void this.logIn(address, name()).then(() => {
      // A caller that is refused at once tries again a moment later, because in the same instant it would never end.
      this.clock.setTimer(1, () => this.flood(address, name));
    });
  }

  async timeOf(result: Promise<string>, limitMs = 60_000): Promise<{ readonly text: string; readonly ms: number }> {
    const sinceMs = this.clock.nowMs();
    let text: string | undefined;
    void result.then((one) => (text = one));
    await this.clock.until(() => text !== undefined, "ended", limitMs);
    return { text: text ?? "", ms: this.clock.nowMs() - sinceMs };
  }
}

describe("the queue of log-ins", () => {
  test("LL1: one attempt is verified at a time, and the next when it ends, however it ends", async () => {
    const logIns = new LogIns();
    for (const name of ["a", "b", "c"]) void logIns.logIn("1.1.1.1", name);
    const failing = logIns.queue.run({ address: "1.1.1.1", name: "d" }, () => Promise.reject(new Error("broken")));
    const last = logIns.logIn("1.1.1.1", "e", true);
    failing.catch(() => {});
    expect((await logIns.timeOf(last)).text).toBe("in");
    await expect(failing).rejects.toThrow("broken");
    expect(logIns.runningMost).toBe(1);
    expect(logIns.turns.map((turn) => turn.slice(-1))).toEqual(["a", "b", "c", "e"]);
  });

  test("LL2: addresses take turns: an address with many attempts waits behind those with few", async () => {
    const logIns = new LogIns();
    for (let at = 0; at < 20; at++) void logIns.logIn("6.6.6.6", `x${at}`);
    const honest = logIns.logIn("1.1.1.1", "amy", true);
    // Behind the attempt in progress and one that came before.
    expect(await logIns.timeOf(honest)).toEqual({ text: "in", ms: 3 * HASHING_MS });
  });

  test("LL3: the number of waiting attempts is bounded, lower per address; the next one is refused with too many requests", async () => {
    const logIns = new LogIns();
    for (let at = 0; at < 40; at++) void logIns.logIn("6.6.6.6", `x${at}`);
    await logIns.clock.advance(0);
    // One is verified, 32 wait.
    expect(logIns.results).toHaveLength(40 - 33);
    expect(logIns.results.every((result) => result.endsWith(REFUSED))).toBe(true);
    for (let at = 0; at < 100; at++) void logIns.logIn(`7.7.7.${at}`, "x");
    await logIns.clock.advance(0);
    expect(40 + 100 - logIns.results.length).toBe(1 + 64);
  });

  test("LL4: a new attempt replaces the newest one of the caller with the most", async () => {
    const logIns = new LogIns();
    for (let at = 0; at < 33; at++) void logIns.logIn("6.6.6.6", "x");
    for (let at = 0; at < 32; at++) void logIns.logIn("7.7.7.7", "x");
    const honest = logIns.logIn("1.1.1.1", "amy", true);
    await logIns.clock.advance(0);
    expect(logIns.results).toEqual([`6.6.6.6/x ${REFUSED}`]);
    expect(await logIns.timeOf(honest)).toMatchObject({ text: "in" });
    // The same for another name at the same address.
    for (let at = 0; at < 40; at++) void logIns.logIn("8.8.8.8", "x");
    expect((await logIns.timeOf(logIns.logIn("8.8.8.8", "amy", true))).text).toBe("in");
  });

  test("LL5: a user at another address logs in soon while 24 attempts guess the password, known there or not", async () => {
    const logIns = new LogIns();
    for (let at = 0; at < 24; at++) logIns.flood("6.6.6.6", () => "amy");
    await logIns.clock.advance(60_000);
    const first = await logIns.timeOf(logIns.logIn("1.1.1.1", "amy", true));
    expect(first.text).toBe("in");
    expect(first.ms).toBeLessThanOrEqual(1_000 + 3 * HASHING_MS);
    const second = await logIns.timeOf(logIns.logIn("1.1.1.1", "amy", true));
    expect(second.ms).toBeLessThanOrEqual(2 * HASHING_MS);
  });

  test("LL6: at the same address a user that fails goes behind one that has not failed", async () => {
    const logIns = new LogIns();
    for (let at = 0; at < 24; at++) logIns.flood("6.6.6.6", () => `x${at}`);
    await logIns.clock.advance(60_000);
    const { text, ms } = await logIns.timeOf(logIns.logIn("6.6.6.6", "amy", true));
    expect(text).toBe("in");
    expect(ms).toBeLessThanOrEqual(1_000 + 26 * HASHING_MS);
    expect((await logIns.timeOf(logIns.logIn("6.6.6.6", "amy", true))).ms).toBeLessThanOrEqual(26 * HASHING_MS);
  });

  test("LL11: a user that failed once does not wait for ever because of new names from the same address", async () => {
    const logIns = new LogIns();
    let count = 0;
    await logIns.timeOf(logIns.logIn("6.6.6.6", "amy"));
    for (let at = 0; at < 24; at++) logIns.flood("6.6.6.6", () => `x${count++}`);
    await logIns.clock.advance(60_000);
    const { text, ms } = await logIns.timeOf(logIns.logIn("6.6.6.6", "amy", true));
    expect(text).toBe("in");
    expect(ms).toBeLessThanOrEqual(1_000 + 2 * 26 * HASHING_MS);
  });

  test("LL12: a user that has not failed goes before those who guess, however slow the member is and many of them wait", async () => {
    const logIns = new LogIns(1_000);
    for (let at = 0; at < 24; at++) logIns.flood("6.6.6.6", () => `x${at % 4}`);
    await logIns.clock.advance(60_000);
    const { text, ms } = await logIns.timeOf(logIns.logIn("6.6.6.6", "amy", true));
    expect(text).toBe("in");
    expect(ms).toBeLessThanOrEqual(5_000);
  });

  test("LL13: a user that has logged in from an address goes before new names from there", async () => {
    const logIns = new LogIns(1_000);
    await logIns.timeOf(logIns.logIn("6.6.6.6", "amy", true));
    let count = 0;
    for (let at = 0; at < 24; at++) logIns.flood("6.6.6.6", () => `x${count++}`);
    await logIns.clock.advance(60_000);
    const { text, ms } = await logIns.timeOf(logIns.logIn("6.6.6.6", "amy", true));
    expect(text).toBe("in");
    expect(ms).toBeLessThanOrEqual(3_000);
  });

  test("LL7: many addresses that guess one user's password, with new names each time, delay no user for long", async () => {
    const logIns = new LogIns();
    let count = 0;
    for (let at = 0; at < 20; at++) logIns.flood(`6.6.6.${at}`, () => (at % 2 === 0 ? "amy" : `x${count++}`));
    await logIns.clock.advance(60_000);
    const { text, ms } = await logIns.timeOf(logIns.logIn("1.1.1.1", "amy", true));
    expect(text).toBe("in");
    expect(ms).toBeLessThanOrEqual(1_000 + 22 * HASHING_MS);
  });

  test("LL8: each further failure delays the next attempt more, up to five seconds, and a success ends that", async () => {
    const logIns = new LogIns();
    const waits: number[] = [];
    for (let at = 0; at < 12; at++) waits.push((await logIns.timeOf(logIns.logIn("6.6.6.6", "x"))).ms - HASHING_MS);
    expect(waits).toEqual([0, 0, 0, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000]);
    expect((await logIns.timeOf(logIns.logIn("6.6.6.6", "x", true))).ms).toBe(5_000 + HASHING_MS);
    expect((await logIns.timeOf(logIns.logIn("6.6.6.6", "x", true))).ms).toBe(HASHING_MS);
  });

  test("LL9: failures of an address, and of a name, delay others by a second at most, and expire", async () => {
    const logIns = new LogIns();
    for (let at = 0; at < 30; at++) await logIns.timeOf(logIns.logIn("6.6.6.6", `x${at}`));
    expect((await logIns.timeOf(logIns.logIn("6.6.6.6", "amy"))).ms).toBe(1_000 + HASHING_MS);
    for (let at = 0; at < 30; at++) await logIns.timeOf(logIns.logIn(`7.7.7.${at}`, "bob"));
    expect((await logIns.timeOf(logIns.logIn("1.1.1.1", "bob"))).ms).toBe(1_000 + HASHING_MS);
    expect((await logIns.timeOf(logIns.logIn("1.1.1.1", "amy"))).ms).toBe(HASHING_MS);
    await logIns.clock.advance(10 * 60_000 + 1);
    expect((await logIns.timeOf(logIns.logIn("6.6.6.6", "amy"))).ms).toBe(HASHING_MS);
    expect((await logIns.timeOf(logIns.logIn("2.2.2.2", "bob"))).ms).toBe(HASHING_MS);
  });
});
