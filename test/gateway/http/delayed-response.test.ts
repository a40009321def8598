import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { delayedResponse, type Waiter } from "../../../src/gateway/http/delayed-response.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";

const TIMES = { plainWithinMs: 1_000, probeAfterMs: 4_000, confirmMs: 100 };
const ALIVE = new AbortController().signal;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A call whose end the test decides. */
class Waiting {
  waiter: Waiter | undefined;
  #resolve: (text: string) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  readonly call = (waiter: Waiter): Promise<string> => {
    this.waiter = waiter;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  };

  get isGone(): boolean {
    return this.waiter?.signal.aborted === true;
  }

  ends(text: string): void {
    this.#resolve(text);
  }

  fails(error: unknown): void {
    this.#reject(error);
  }
}

async function begun(waiting: Waiting, signal: AbortSignal = ALIVE): Promise<Response> {
  const answer = delayedResponse(signal, waiting.call, TIMES);
  await vi.advanceTimersByTimeAsync(TIMES.plainWithinMs);
  return answer;
}

/** What was read so far. */
function reading(response: Response): { text: string; isOver: boolean; cancel: () => Promise<void> } {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const state = { text: "", isOver: false, cancel: () => reader.cancel() };
  const read = async (): Promise<void> => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      state.text += new TextDecoder().decode(part.value);
    }
    state.isOver = true;
  };
  void read();
  return state;
}

const ERROR = new EtcdError(GrpcCode.Unknown, "mutex: session is expired");

describe("what comes soon", () => {
  test("is a plain response without white space", async () => {
    const response = await delayedResponse(ALIVE, async () => '{"key":"Zm9v"}', TIMES);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await response.text()).toBe('{"key":"Zm9v"}');
  });

  test("is an error with a status of its own", async () => {
    const response = await delayedResponse(ALIVE, () => Promise.reject(ERROR), TIMES);
    expect(response.status).toBe(500);
    expect(await response.json()).toEqual({ code: 2, message: "mutex: session is expired" });
  });

  test("is not confirmed while nothing was written that could reveal a disconnected caller", async () => {
    const answer = delayedResponse(
      ALIVE,
      async ({ confirmWaiting }) => {
        await confirmWaiting();
        return "{}";
      },
      TIMES,
    );
    expect(await (await answer).text()).toBe("{}");
  });
});

describe("what comes late", () => {
  test("begins with status 200 and white space, more of it with each silence, and is JSON as a whole", async () => {
    const waiting = new Waiting();
    const response = await begun(waiting);
    const read = reading(response);
    await vi.advanceTimersByTimeAsync(0);
    expect([response.status, response.headers.get("content-type"), read.text]).toEqual([200, "application/json", "\n"]);
    await vi.advanceTimersByTimeAsync(8_000);
    expect(read.text).toBe("\n\n\n");
    waiting.ends('{"key":"Zm9v"}');
    await vi.advanceTimersByTimeAsync(0);
    expect([JSON.parse(read.text), read.isOver]).toEqual([{ key: "Zm9v" }, true]);
  });

  test("may be an error, which has etcd's form in the body", async () => {
    const waiting = new Waiting();
    const read = reading(await begun(waiting));
    waiting.fails(ERROR);
    await vi.advanceTimersByTimeAsync(0);
    expect(JSON.parse(read.text)).toEqual({ code: 2, message: "mutex: session is expired" });
    expect(read.isOver).toBe(true);
  });

  test("may be that of a bug, which exposes no more than others", async () => {
    const seen = vi.spyOn(console, "error").mockImplementation(() => {});
    const waiting = new Waiting();
    const read = reading(await begun(waiting));
    waiting.fails(new Error("secret"));
    await vi.advanceTimersByTimeAsync(0);
    expect(JSON.parse(read.text)).toEqual({ code: 13, message: "internal error" });
    seen.mockRestore();
  });
});

describe("a caller that leaves", () => {
  test("before the call aborts its signal", async () => {
    const waiting = new Waiting();
    void delayedResponse(AbortSignal.abort(), waiting.call, TIMES);
    expect(waiting.isGone).toBe(true);
  });

  test("before the response begins aborts the call's signal, where the platform reports it", async () => {
    const caller = new AbortController();
    const waiting = new Waiting();
    void delayedResponse(caller.signal, waiting.call, TIMES);
    await vi.advanceTimersByTimeAsync(500);
    expect(waiting.isGone).toBe(false);
    caller.abort();
    expect(waiting.isGone).toBe(true);
  });

  test("once it has begun, before it is read, aborts the call's signal", async () => {
    const waiting = new Waiting();
    await (await begun(waiting)).body?.cancel();
    expect(waiting.isGone).toBe(true);
  });

  test("in the middle of a silence aborts the call's signal, and nothing more is written", async () => {
    const waiting = new Waiting();
    const read = reading(await begun(waiting));
    await vi.advanceTimersByTimeAsync(5_000);
    await read.cancel();
    expect(waiting.isGone).toBe(true);
    const { text } = read;
    waiting.fails(ERROR);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(read.text).toBe(text);
  });
});

describe("before it is given what others wait for", () => {
  test("a caller is written to, and is given it after a moment in which a reset would have come", async () => {
    const waiting = new Waiting();
    const read = reading(await begun(waiting));
    await vi.advanceTimersByTimeAsync(0);
    let isConfirmed = false;
    void waiting.waiter?.confirmWaiting().then(() => (isConfirmed = true));
    await vi.advanceTimersByTimeAsync(99);
    expect([read.text, isConfirmed]).toEqual(["\n\n", false]);
    await vi.advanceTimersByTimeAsync(1);
    expect([isConfirmed, waiting.isGone]).toEqual([true, false]);
  });

  test("one that is gone is found out at once", async () => {
    const waiting = new Waiting();
    const read = reading(await begun(waiting));
    await vi.advanceTimersByTimeAsync(0);
    let isConfirmed = false;
    void waiting.waiter?.confirmWaiting().then(() => (isConfirmed = true));
    await vi.advanceTimersByTimeAsync(10);
    await read.cancel();
    await vi.advanceTimersByTimeAsync(0);
    expect([isConfirmed, waiting.isGone]).toEqual([true, true]);
  });
});
