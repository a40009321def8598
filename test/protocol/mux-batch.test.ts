import { describe, expect, test } from "vitest";
import { FrameBatch } from "../../src/protocol/mux-batch.ts";
import { BATCH_FRAMES_MAX, decodeFrames, type MuxFrame } from "../../src/protocol/mux-frame.ts";

function lab(): { readonly batch: FrameBatch; readonly sent: number[]; readonly pending: () => number } {
  const sent: number[] = [];
  let pending = 0;
  const batch = new FrameBatch({
    send: (bytes) => sent.push(decodeFrames(bytes)?.frames.length ?? 0),
    defer: (look) => {
      pending += 1;
      void Promise.resolve().then(() => {
        pending -= 1;
        look();
      });
    },
  });
  return { batch, sent, pending: () => pending };
}

const frameOf = (stream: number): MuxFrame => ({ type: "credit", stream, bytes: 1 });

/** The end of the turn: all microtasks have run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

describe("the frames of a turn", () => {
  test("leave in one message, those that follow some microtasks later included", async () => {
    const { batch, sent } = lab();
    const stream = async (id: number): Promise<void> => {
      for (let at = 0; at < 100; at++) {
        batch.add(frameOf(id));
        // As many steps as a stream takes to pull its next response.
        for (let step = 0; step < 6; step++) await Promise.resolve();
      }
    };
    void stream(1);
    void stream(2);
    await turn();
    expect(sent).toEqual([200]);
  });

  test("leave at the latest when the batch is full, and the rest in the same turn", async () => {
    const { batch, sent } = lab();
    for (let at = 0; at <= BATCH_FRAMES_MAX; at++) batch.add(frameOf(at));
    expect(sent).toEqual([BATCH_FRAMES_MAX]);
    await turn();
    expect(sent).toEqual([BATCH_FRAMES_MAX, 1]);
  });

  test("leave at the first look where no other event waits any more", () => {
    const sent: number[] = [];
    const looks: (() => void)[] = [];
    const batch = new FrameBatch({
      send: (bytes) => sent.push(decodeFrames(bytes)?.frames.length ?? 0),
      defer: (look) => looks.push(look),
      quietLooks: 0,
    });
    for (let at = 0; at < 3; at++) batch.add(frameOf(at));
    expect([looks.length, sent]).toEqual([1, []]);
    looks[0]?.();
    expect([looks.length, sent]).toEqual([1, [3]]);
  });

  test("leave in the turn in which they were added, and nothing looks for more after that", async () => {
    const { batch, sent, pending } = lab();
    batch.add(frameOf(1));
    await turn();
    expect(sent).toEqual([1]);
    expect(pending()).toBe(0);
    batch.add(frameOf(2));
    batch.flush();
    expect(sent).toEqual([1, 1]);
    await turn();
    expect(sent).toEqual([1, 1]);
    expect(pending()).toBe(0);
    batch.add(frameOf(3));
    await turn();
    expect(sent).toEqual([1, 1, 1]);
  });
});
