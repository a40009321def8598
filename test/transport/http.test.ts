import { describe, expect, test } from "vitest";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { BadBatchError, decodeBatch, encodeBatch } from "../../src/transport/http-batch.ts";
import { HttpTransport, type HttpTransportOptions } from "../../src/transport/http.ts";
import { localStation, Recorder, transportContract } from "../contract/transport.ts";
import { ManualClock } from "./manual-clock.ts";

transportContract("http", async () => {
  const transports = new Map<MemberId, HttpTransport>();
  const post = async (to: MemberId, body: Uint8Array): Promise<Uint8Array> => {
    const target = transports.get(to);
    if (target === undefined) throw new Error("no such member");
    return target.handlePost(body);
  };
  return {
    ordered: true,
    garbage: async (_from, to) => {
      await post(to, new Uint8Array([1, 2, 3])).catch((error: unknown) => {
        if (!(error instanceof BadBatchError)) throw error;
      });
    },
    station: async (id, limits) => {
      const transport = new HttpTransport({ id, post, ...limits });
      transports.set(id, transport);
      return localStation(id, transport);
    },
    close: async () => {
      for (const transport of transports.values()) transport.close();
    },
  };
});

const LIMITS = { maxFrameBytes: 1000, maxBatchBytes: 2000 };

/** One transport whose other side is the test: it sees the POSTs and responds when it likes. */
function lab(options: Partial<HttpTransportOptions> = {}) {
  const clock = new ManualClock();
  const recorder = new Recorder();
  const posts: { to: MemberId; frames: number[]; answer(frames: number[]): void; fail(): void }[] = [];
  let sequence = 0;
  const transport = new HttpTransport({
    id: 1n,
    clock,
    epoch: 7,
    ...LIMITS,
    post: (to, body) =>
      new Promise((resolve, reject) => {
        const { frames } = decodeBatch(body, LIMITS);
        posts.push({
          to,
          frames: frames.map((frame) => frame[0] ?? -1),
          answer: (bytes) => resolve(batchFrom(to, sequence++, bytes)),
          fail: () => reject(new Error("lost")),
        });
      }),
    ...options,
  });
  transport.start(recorder);
  transport.setPeers([2n]);
  return { clock, posts, recorder, transport };
}

function batchFrom(sender: MemberId, sequence: number, bytes: readonly number[], epoch: number = 3): Uint8Array {
  return encodeBatch({ sender, epoch, sequence, frames: bytes.map((byte) => new Uint8Array([byte])) });
}

function framesOf(body: Uint8Array): number[] {
  return decodeBatch(body, LIMITS).frames.map((frame) => frame[0] ?? -1);
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe("batching", () => {
  test("frames sent within one turn leave in one POST", async () => {
    const { posts, transport } = lab();
    for (const byte of [1, 2, 3]) transport.send(2n, new Uint8Array([byte]));
    expect(posts).toEqual([]);
    await turn();
    expect(posts.map(({ to, frames }) => [to, frames])).toEqual([[2n, [1, 2, 3]]]);
  });

  test("frames sent while all POSTs are in flight leave with the next one", async () => {
    const { posts, transport } = lab({ maxInflightPosts: 2 });
    for (const byte of [1, 2, 3, 4]) {
      transport.send(2n, new Uint8Array([byte]));
      await turn();
    }
    expect(posts.map(({ frames }) => frames)).toEqual([[1], [2]]);
    posts[0]?.answer([]);
    await turn();
    expect(posts.map(({ frames }) => frames)).toEqual([[1], [2], [3, 4]]);
  });

  test("a batch is cut when it is full, and a single frame is always sent", async () => {
    const { posts, transport } = lab({ maxInflightPosts: 1, maxBatchBytes: 500 });
    for (const byte of [1, 2, 3, 4]) transport.send(2n, new Uint8Array(byte === 3 ? 900 : 200).fill(byte));
    for (let index = 0; index < 3; index++) {
      await turn();
      posts[index]?.answer([]);
    }
    expect(posts.map(({ frames }) => frames)).toEqual([[1, 2], [3], [4]]);
  });

  test("frames are part of the response to their receiver's POST, which waits for every done", async () => {
    const { transport } = lab();
    const dones: (() => void)[] = [];
    const other = new HttpTransport({ id: 5n, post: () => new Promise(() => {}), ...LIMITS });
    other.start({ onFrame: (_from, _frame, done) => void dones.push(done), onPeerUp() {}, onPeerDown() {} });
    let answer: Uint8Array | undefined;
    void other.handlePost(batchFrom(2n, 0, [1, 2])).then((body) => (answer = body));
    other.send(2n, new Uint8Array([10]));
    dones[0]?.();
    dones[0]?.();
    await turn();
    expect(answer).toBeUndefined();
    other.send(2n, new Uint8Array([11]));
    dones[1]?.();
    other.send(2n, new Uint8Array([12]));
    await turn();
    expect(framesOf(answer as Uint8Array)).toEqual([10, 11, 12]);
    transport.close();
    other.close();
  });

  test("a response waits for a bounded time, and later frames leave in a POST", async () => {
    const clock = new ManualClock();
    const posts: number[][] = [];
    const dones: (() => void)[] = [];
    const transport = new HttpTransport({
      id: 5n,
      clock,
      responseWaitMs: 50,
      post: async (_to, body) => {
        posts.push(framesOf(body));
        return batchFrom(2n, 1, []);
      },
      ...LIMITS,
    });
    transport.start({ onFrame: (_from, _frame, done) => void dones.push(done), onPeerUp() {}, onPeerDown() {} });
    transport.setPeers([2n]);
    const answer = transport.handlePost(batchFrom(2n, 0, [1]));
    transport.send(2n, new Uint8Array([10]));
    await turn();
    expect(posts).toEqual([]);
    clock.advance(50);
    expect(framesOf(await answer)).toEqual([10]);
    transport.send(2n, new Uint8Array([11]));
    dones[0]?.();
    await turn();
    expect(posts).toEqual([[11]]);
  });
});

describe("order", () => {
  test("a POST that overtook another waits for it", async () => {
    const { recorder, transport } = lab();
    void transport.handlePost(batchFrom(2n, 0, [1]));
    void transport.handlePost(batchFrom(2n, 2, [3]));
    expect(recorder.frames.map(({ frame }) => frame[0])).toEqual([1]);
    void transport.handlePost(batchFrom(2n, 1, [2]));
    expect(recorder.frames.map(({ frame }) => frame[0])).toEqual([1, 2, 3]);
  });

  test("a lost batch is waited for only for a moment, and still accepted when it comes later", async () => {
    const { clock, recorder, transport } = lab({ reorderWaitMs: 20 });
    for (const sequence of [0, 3, 2]) void transport.handlePost(batchFrom(2n, sequence, [sequence]));
    clock.advance(19);
    expect(recorder.frames.map(({ frame }) => frame[0])).toEqual([0]);
    clock.advance(1);
    expect(recorder.frames.map(({ frame }) => frame[0])).toEqual([0, 2, 3]);
    for (const sequence of [4, 1]) void transport.handlePost(batchFrom(2n, sequence, [sequence]));
    expect(recorder.frames.map(({ frame }) => frame[0])).toEqual([0, 2, 3, 4, 1]);
  });

  test("a restarted peer counts from a new start", async () => {
    const { recorder, transport } = lab();
    void transport.handlePost(batchFrom(2n, 500, [1], 3));
    for (const sequence of [0, 2, 1]) void transport.handlePost(batchFrom(2n, sequence, [10 + sequence], 4));
    expect(recorder.frames.map(({ frame }) => frame[0])).toEqual([1, 10, 11, 12]);
  });
});

describe("failures", () => {
  test("a POST that fails or is too late takes the peer down once, a success brings it up once", async () => {
    const { clock, posts, recorder, transport } = lab({ maxInflightPosts: 1, timeoutMs: 5000 });
    const step = async (byte: number): Promise<void> => {
      transport.send(2n, new Uint8Array([byte]));
      await turn();
    };
    await step(1);
    posts[0]?.fail();
    await turn();
    await step(2);
    clock.advance(5000);
    await turn();
    expect(recorder.events).toEqual(["down 2"]);
    await step(3);
    posts[2]?.answer([]);
    await turn();
    await step(4);
    posts[3]?.answer([]);
    await turn();
    expect(recorder.events).toEqual(["down 2", "up 2"]);
    // The response to the POST that was too late is still used.
    posts[1]?.answer([9]);
    await turn();
    expect(recorder.frames.map(({ frame }) => frame[0])).toEqual([9]);
  });

  test("a peer that is down gets one POST at a time", async () => {
    const { posts, transport } = lab({ maxInflightPosts: 2 });
    transport.send(2n, new Uint8Array([1]));
    await turn();
    posts[0]?.fail();
    await turn();
    for (const byte of [2, 3]) {
      transport.send(2n, new Uint8Array([byte]));
      await turn();
    }
    expect(posts.map(({ frames }) => frames)).toEqual([[1], [2]]);
  });

  test("a response that is no batch, or from another member, counts as no response", async () => {
    for (const answer of [new Uint8Array([9, 9]), batchFrom(3n, 0, [1])]) {
      const { recorder, transport } = lab({ post: async () => answer });
      transport.send(2n, new Uint8Array([1]));
      await turn();
      expect(recorder.events).toEqual(["down 2"]);
      expect(recorder.frames).toEqual([]);
    }
  });

  test("a body that is not a batch is rejected", () => {
    const good = batchFrom(2n, 0, [1, 2]);
    const tooLong = encodeBatch({ sender: 2n, epoch: 0, sequence: 0, frames: [new Uint8Array(1001)] });
    const empty = encodeBatch({ sender: 2n, epoch: 0, sequence: 0, frames: [new Uint8Array(0)] });
    const many = Array.from({ length: 4 }, () => new Uint8Array(1000));
    const tooMuch = encodeBatch({ sender: 2n, epoch: 0, sequence: 0, frames: many });
    const otherVersion = good.slice();
    otherVersion[0] = 2;
    for (const bad of [tooLong, empty, tooMuch, otherVersion, new Uint8Array(0)]) {
      expect(() => decodeBatch(bad, LIMITS)).toThrow(BadBatchError);
    }
    // Cut anywhere except between two frames.
    for (let length = 0; length < good.length; length++) {
      if ([17, 22].includes(length)) continue;
      expect(() => decodeBatch(good.subarray(0, length), LIMITS)).toThrow(BadBatchError);
    }
  });

  test("strangers get responses, but only a bounded number at once, and are never reported as up or down", async () => {
    const recorder = new Recorder();
    const transport = new HttpTransport({ id: 1n, post: async () => new Uint8Array(0), ...LIMITS });
    transport.start({
      onFrame: (from) => void recorder.frames.push({ from, frame: new Uint8Array(0) }),
      onPeerUp: (peer) => recorder.onPeerUp(peer),
      onPeerDown: (peer) => recorder.onPeerDown(peer),
    });
    const posts = Array.from({ length: 40 }, (_, index) => transport.handlePost(batchFrom(BigInt(index + 10), 0, [1])));
    transport.close();
    const outcomes = await Promise.allSettled(posts);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(32);
    expect(recorder.frames).toHaveLength(32);
    expect(recorder.events).toEqual([]);
  });
});
