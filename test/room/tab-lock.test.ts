import { expect, test } from "vitest";
import { SILENT_AFTER_MS, TabLock } from "../../src/room/tab-lock.ts";
import type { LockManagerLike } from "../../src/room/tab-lock.ts";

/** One profile: its locks by the rules of the Web Locks specification, its broadcasts, and a clock to move. */
class Profile implements LockManagerLike {
  nowMs = 0;
  readonly #ears: Set<(message: unknown) => void> = new Set();
  readonly #timers: Set<() => void> = new Set();
  #holder: { readonly end: (error: unknown) => void } | undefined;
  #queue: (() => void)[] = [];

  request(
    _name: string,
    options: { readonly ifAvailable?: boolean; readonly steal?: boolean; readonly signal?: AbortSignal },
    hold: (lock: object | null) => Promise<void>,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const take = (): void => {
        const holder = { end: reject };
        this.#holder = holder;
        void hold({}).then((value) => {
          if (this.#holder === holder) this.#holder = undefined;
          resolve(value);
          if (this.#holder === undefined) this.#queue.shift()?.();
        });
      };
      if (options.steal === true) {
        this.#holder?.end(new DOMException("stolen", "AbortError"));
        take();
      } else if (this.#holder === undefined) take();
      else if (options.ifAvailable === true) resolve(hold(null));
      else {
        this.#queue.push(take);
        options.signal?.addEventListener("abort", () => {
          this.#queue = this.#queue.filter((waiting) => waiting !== take);
          reject(new DOMException("given up", "AbortError"));
        });
      }
    });
  }

  async pass(milliseconds: number): Promise<void> {
    this.nowMs += milliseconds;
    for (const run of this.#timers) run();
    await settled();
  }

  tab(isFrozen: () => boolean = () => false): { readonly lock: TabLock; readonly received: string[] } {
    const received: string[] = [];
    const lock = new TabLock({
      name: "quorate:room:test",
      locks: this,
      broadcast: (_name, heard) => {
        const ear = (message: unknown): void => {
          if (!isFrozen()) heard(message);
        };
        this.#ears.add(ear);
        return {
          say: (message) => {
            for (const other of this.#ears) if (other !== ear) other(message);
          },
          close: () => this.#ears.delete(ear),
        };
      },
      nowMs: () => this.nowMs,
      every: (_intervalMs, run) => {
        this.#timers.add(run);
        return () => this.#timers.delete(run);
      },
      onWaiting: (isHolderSilent) => {
        const news = isHolderSilent ? "waiting, the holder is silent" : "waiting";
        if (received.at(-1) !== news) received.push(news);
      },
      onHeld: () => received.push("held"),
      onLost: () => received.push("lost"),
    });
    return { lock, received };
  }
}

/** All promises that can settle have settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function twoTabs(isFrozen?: () => boolean) {
  const profile = new Profile();
  const [first, second] = [profile.tab(isFrozen), profile.tab()];
  void first.lock.acquire();
  await settled();
  void second.lock.acquire();
  await settled();
  return { profile, first, second };
}

test("the first tab has the lock, the second waits and gets it when the first is gone", async () => {
  const { first, second } = await twoTabs();
  expect([first.received, second.received]).toEqual([["held"], ["waiting"]]);
  void first.lock.release();
  await settled();
  expect(second.received).toEqual(["waiting", "held"]);
});

test("a holder that answers is never said to be silent, however long it holds", async () => {
  const { profile, second } = await twoTabs();
  for (let minute = 0; minute < 10; minute++) await profile.pass(60_000);
  expect(second.received).toEqual(["waiting"]);
});

test("a frozen holder is reported as silent after 75 s, and keeps the lock until a person decides", async () => {
  let isFrozen = false;
  const { profile, first, second } = await twoTabs(() => isFrozen);
  isFrozen = true;
  await profile.pass(SILENT_AFTER_MS - 1);
  expect(second.received).toEqual(["waiting"]);
  await profile.pass(1);
  expect(second.received).toEqual(["waiting", "waiting, the holder is silent"]);
  await profile.pass(3_600_000);
  expect(first.received).toEqual(["held"]);
  second.lock.takeOver();
  await settled();
  expect(second.received.at(-1)).toBe("held");
  expect(first.received).toEqual(["held", "lost"]);
});

test("a holder that thaws in time is no longer said to be silent", async () => {
  let isFrozen = false;
  const { profile, second } = await twoTabs(() => isFrozen);
  isFrozen = true;
  await profile.pass(SILENT_AFTER_MS);
  isFrozen = false;
  await profile.pass(5_000);
  expect(second.received.slice(0, 3)).toEqual(["waiting", "waiting, the holder is silent", "waiting"]);
});

test("a tab that was left while it waited never gets the lock", async () => {
  const { first, second } = await twoTabs();
  void second.lock.release();
  void first.lock.release();
  await settled();
  expect(second.received).toEqual(["waiting"]);
});

test("a browser without locks is an error, not a tab that waits for ever", async () => {
  const lock = new TabLock({
    name: "x",
    locks: { request: () => Promise.reject(new DOMException("not here", "SecurityError")) },
    broadcast: () => ({ say: () => {}, close: () => {} }),
    nowMs: () => 0,
    every: () => () => {},
    onWaiting: () => {},
    onHeld: () => {},
    onLost: () => {},
  });
  await expect(lock.acquire()).rejects.toThrow("not here");
});
