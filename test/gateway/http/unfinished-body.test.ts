/** Bodies that do not arrive: what has come of them counts, and they end. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BodyMessages } from "../../../src/gateway/http/body-messages.ts";
import { readBody } from "../../../src/gateway/http/body.ts";
import { errorResponse } from "../../../src/gateway/http/errors.ts";
import { CallerBudget, type Share } from "../../../src/member/limits/caller-budget.ts";

const MAX = 1 << 20;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

class Upload {
  isCancelled = false;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly request: Request;

  constructor(declared?: number) {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => {
        this.isCancelled = true;
      },
    });
    const headers: HeadersInit = declared === undefined ? {} : { "content-length": String(declared) };
    this.request = new Request("http://edge/v3/kv/put", {
      method: "POST",
      body,
      headers,
      duplex: "half",
    } as RequestInit);
  }

  send(text: string): void {
    this.#controller?.enqueue(new TextEncoder().encode(text));
  }

  end(): void {
    this.#controller?.close();
  }
}

/** What came of it by now. */
function watched(promise: Promise<unknown>): () => unknown {
  let state: unknown = "pending";
  promise.then(
    (value: unknown) => {
      state = value;
    },
    (error: unknown) => {
      state = error;
    },
  );
  return () => state;
}

async function status(thrown: unknown): Promise<number> {
  return errorResponse(thrown).status;
}

describe("a body", () => {
  test.each([undefined, 1_000, 100_000])(
    "of %s bytes that stops halfway is given up after ten seconds: 408",
    async (declared) => {
      const upload = new Upload(declared);
      const state = watched(readBody(upload.request, MAX));
      upload.send("{");
      await vi.advanceTimersByTimeAsync(9_000);
      expect(state()).toBe("pending");
      await vi.advanceTimersByTimeAsync(2_000);
      expect(await status(state())).toBe(408);
    },
  );

  test("that goes on, slowly, is read to its end", async () => {
    const upload = new Upload();
    const state = watched(readBody(upload.request, MAX));
    for (let at = 0; at < 20; at++) {
      upload.send("x".repeat(50_000));
      await vi.advanceTimersByTimeAsync(9_000);
    }
    upload.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(state()).toHaveLength(1_000_000);
  });

  test("of which a byte comes now and then is given up", async () => {
    const upload = new Upload();
    const state = watched(readBody(upload.request, MAX));
    for (let at = 0; at < 5; at++) {
      upload.send("x");
      await vi.advanceTimersByTimeAsync(9_000);
    }
    expect([await status(state()), upload.isCancelled]).toEqual([408, true]);
  });

  test("counts by what has come of it, not by what it declares, until it is whole", async () => {
    const budget = new CallerBudget({ total: 100_000, perCaller: 60_000 });
    const open = (caller: string) => (): Share => budget.take(caller, 0) as Share;
    const uploads = ["a", "a", "b"].map(() => new Upload(1_000_000));
    const states = ["a", "a", "b"].map((caller, at) =>
      watched(readBody((uploads[at] as Upload).request, MAX, open(caller))),
    );
    for (const upload of uploads) {
      upload.send("x".repeat(40_000));
      await vi.advanceTimersByTimeAsync(0);
    }
    expect([states[0]?.(), await status(states[1]?.()), states[2]?.()]).toEqual(["pending", 429, "pending"]);
    expect(budget.used).toBe(80_000);
    for (const upload of [uploads[0], uploads[2]]) upload?.end();
    await vi.advanceTimersByTimeAsync(0);
    expect([budget.used, budget.callers]).toEqual([0, 0]);
  });
});

describe("messages in a body", () => {
  test("may be far apart, but one that has begun must go on", async () => {
    const upload = new Upload();
    const messages = new BodyMessages(upload.request, MAX);
    upload.send('{"a":1} ');
    await messages.next();
    const state = watched(messages.next());
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(state()).toBe("pending");
    upload.send('{"b":');
    await vi.advanceTimersByTimeAsync(11_000);
    expect(await status(state())).toBe(408);
  });

  test("count until they are whole", async () => {
    const budget = new CallerBudget({ total: 1_000, perCaller: 500 });
    const upload = new Upload();
    const messages = new BodyMessages(upload.request, MAX, () => budget.take("a", 0) as Share);
    const first = watched(messages.next());
    upload.send(`{"a":"${"x".repeat(300)}`);
    await vi.advanceTimersByTimeAsync(0);
    expect(budget.used).toBe(306);
    upload.send('"}{');
    await vi.advanceTimersByTimeAsync(0);
    expect(first()).toHaveLength(308);
    const second = watched(messages.next());
    await vi.advanceTimersByTimeAsync(0);
    expect(budget.used).toBe(1);
    upload.send("x".repeat(600));
    await vi.advanceTimersByTimeAsync(0);
    expect(await status(second())).toBe(429);
    messages.cancel();
    expect(budget.used).toBe(0);
  });
});
