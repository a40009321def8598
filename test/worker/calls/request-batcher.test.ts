import { describe, expect, test } from "vitest";
import { RequestBatcher } from "../../../worker/calls/request-batcher.ts";

interface Call {
  readonly body: string;
  readonly caller?: string;
}

/** Requests that are answered when the test says so. */
class Requests {
  readonly sent: string[][] = [];
  readonly #answers: PromiseWithResolvers<readonly string[]>[] = [];

  readonly send = (calls: readonly Call[]): Promise<readonly string[]> => {
    this.sent.push(calls.map(({ body }) => body));
    const answer = Promise.withResolvers<readonly string[]>();
    this.#answers.push(answer);
    return answer.promise;
  };

  answer(at: number): void {
    this.#answers[at]?.resolve((this.sent[at] ?? []).map((body) => `answer to ${body}`));
  }

  fail(at: number): void {
    this.#answers[at]?.reject(new Error("the line is dead"));
  }
}

async function untilSent(requests: Requests, count: number): Promise<void> {
  while (requests.sent.length < count) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe("a request batcher", () => {
  test("lets a call that is alone go at once, and the next one too", async () => {
    const queue = new RequestBatcher<Call, string>();
    for (const body of ["a", "b"]) {
      expect(await queue.send({ body }, async (calls) => calls.map((call) => `just ${call.body}`))).toBe(
        `just ${body}`,
      );
    }
  });

  test("batches all calls that arrived while a batch was in flight, and returns each its own result", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const asked = ["a", "b", "c", "d"].map((body) => queue.send({ body }, requests.send));

    expect(requests.sent).toEqual([["a"]]);
    requests.answer(0);
    await untilSent(requests, 2);
    expect(requests.sent).toEqual([["a"], ["b", "c", "d"]]);
    requests.answer(1);

    expect(await Promise.all(asked)).toEqual(["a", "b", "c", "d"].map((body) => `answer to ${body}`));
  });

  test("waits a moment for the other clients of a batch with several calls, which come again", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const ask = (...bodies: string[]) => bodies.map((body) => queue.send({ body }, requests.send));
    const asked = ask("a", "b", "c");
    requests.answer(0);
    await untilSent(requests, 2);
    requests.answer(1);
    await Promise.all(asked);

    const again = ask("d", "e", "f");
    await untilSent(requests, 3);
    expect(requests.sent).toEqual([["a"], ["b", "c"], ["d", "e", "f"]]);
    requests.answer(2);
    await Promise.all(again);
  });

  test("executes each call once, whatever the number and the size", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const bodies = Array.from({ length: 1_000 }, (_, at) => `${at}`.padEnd(at % 3 === 0 ? 20_000 : 10));
    const asked = bodies.map((body) => queue.send({ body }, requests.send));
    for (let at = 0; at < requests.sent.length || requests.sent.flat().length < bodies.length; at++) {
      await untilSent(requests, at + 1);
      requests.answer(at);
    }
    await Promise.all(asked);

    expect(requests.sent.flat().sort()).toEqual([...bodies].sort());
    expect(Math.max(...requests.sent.map((calls) => calls.length))).toBeLessThanOrEqual(256);
    expect(Math.max(...requests.sent.map((calls) => calls.join("").length))).toBeLessThanOrEqual(1024 * 1024);
  });

  test("a failed batch fails its own calls only", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const asked = ["a", "b", "c"].map((body) => queue.send({ body }, requests.send));
    requests.answer(0);
    await untilSent(requests, 2);
    const ends = Promise.allSettled([...asked, queue.send({ body: "d" }, requests.send)]);
    requests.fail(1);
    await untilSent(requests, 3);
    requests.answer(2);

    expect((await ends).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  });

  test("no call waits long behind a batch that does not return, and none is executed twice when it does", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const slow = queue.send({ body: "slow" }, requests.send);
    const quick = ["a", "b"].map((body) => queue.send({ body }, requests.send));
    await untilSent(requests, 2);
    // Either may look first: both began to wait in the same millisecond.
    expect(requests.sent[1]?.toSorted()).toEqual(["a", "b"]);

    const behind = queue.send({ body: "c" }, requests.send);
    requests.answer(0);
    expect(await slow).toBe("answer to slow");
    requests.answer(1);
    await untilSent(requests, 3);
    requests.answer(2);

    expect(await Promise.all([...quick, behind])).toEqual(["answer to a", "answer to b", "answer to c"]);
    expect(requests.sent.map((calls) => calls.toSorted())).toEqual([["slow"], ["a", "b"], ["c"]]);
  });

  test("an event that is lost when it was woken delays no other call for long", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const first = queue.send({ body: "a" }, requests.send);
    // Its client is gone, and its event with it: whoever sends in it never returns.
    void queue.send({ body: "gone" }, () => new Promise<never>(() => {}));
    requests.answer(0);
    await first;
    const later = queue.send({ body: "b" }, requests.send);
    await untilSent(requests, 2);
    requests.answer(1);

    expect(await later).toBe("answer to b");
  });

  test("a neighbour does not wait for the flooder's batch, and shares none of its calls", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const flood = Array.from({ length: 300 }, (_, at) =>
      queue.send({ body: `f${at}`, caller: "flooder" }, requests.send),
    );
    expect(requests.sent).toEqual([["f0"]]);

    const neighbour = queue.send({ body: "n", caller: "neighbour" }, requests.send);
    expect(requests.sent).toEqual([["f0"], ["n"]]);
    requests.answer(1);
    expect(await neighbour).toBe("answer to n");
    for (let at = 0; requests.sent.flat().length < 301; at++) {
      if (at !== 1) requests.answer(at);
      await untilSent(requests, at + 2);
    }
    requests.answer(requests.sent.length - 1);
    await Promise.all(flood);
  });

  test("while a neighbour calls, the flooder has a few calls on their way at a time; alone it has all", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const asked = [queue.send({ body: "n", caller: "neighbour" }, requests.send)];
    for (let at = 0; at < 100; at++) asked.push(queue.send({ body: `f${at}`, caller: "flooder" }, requests.send));
    requests.answer(0);
    requests.answer(1);
    await untilSent(requests, 3);
    expect(requests.sent.map((calls) => calls.length)).toEqual([1, 1, 4]);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    for (let at = 2; requests.sent.flat().length < 101; at++) {
      requests.answer(at);
      await untilSent(requests, at + 2);
    }
    expect(Math.max(...requests.sent.map((calls) => calls.length))).toBeGreaterThan(6);
    requests.sent.forEach((_, at) => requests.answer(at));
    await Promise.all(asked);
  });

  test("many callers of one call each are batched all the same", async () => {
    const queue = new RequestBatcher<Call, string>();
    const requests = new Requests();
    const asked = Array.from({ length: 100 }, (_, at) => queue.send({ body: `${at}`, caller: `${at}` }, requests.send));
    expect(requests.sent.map((calls) => calls.length)).toEqual([1, 1, 1, 1]);
    requests.answer(0);
    await untilSent(requests, 5);
    expect(requests.sent[4]).toHaveLength(96);
    requests.sent.forEach((_, at) => requests.answer(at));
    await Promise.all(asked);
  });
});
