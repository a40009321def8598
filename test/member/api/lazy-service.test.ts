import { expect, test } from "vitest";
import { lazyService } from "../../../src/member/api/lazy-service.ts";
import { loadedOnce } from "../../../src/member/api/loaded-once.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import type { RpcKind } from "../../../src/protocol/api/rpc/rpc.ts";

interface Stream {
  request(message: string): void;
  next(): Promise<string | undefined>;
  close(): void;
}

interface Sample {
  ask(message: string): Promise<string>;
  count(to: number): AsyncIterable<number>;
  talk(): Stream;
}

const KINDS: Readonly<Record<keyof Sample, RpcKind>> = { ask: "unary", count: "serverStream", talk: "bidi" };

class SampleStream implements Stream {
  readonly received: string[] = [];
  isClosed = false;

  request(message: string): void {
    this.received.push(message);
  }

  async next(): Promise<string | undefined> {
    return this.received.join(" ");
  }

  close(): void {
    this.isClosed = true;
  }
}

function sample(): {
  readonly service: Sample;
  readonly streams: readonly SampleStream[];
  readonly loads: () => number;
} {
  const streams: SampleStream[] = [];
  let loads = 0;
  const load = loadedOnce(async (): Promise<Sample> => {
    loads += 1;
    return {
      ask: async (message) => {
        if (message === "") throw new EtcdError(GrpcCode.InvalidArgument, "nothing was asked");
        return `you asked ${message}`;
      },
      async *count(to) {
        for (let at = 1; at <= to; at++) yield at;
      },
      talk: () => {
        const stream = new SampleStream();
        streams.push(stream);
        return stream;
      },
    };
  });
  return { service: lazyService<Sample>(KINDS, load), streams, loads: () => loads };
}

test("a lazy service is loaded by the first call, once, and responds like the loaded one", async () => {
  const { service, loads } = sample();
  expect(loads()).toBe(0);
  expect(await Promise.all([service.ask("1"), service.ask("2")])).toEqual(["you asked 1", "you asked 2"]);
  await expect(service.ask("")).rejects.toMatchObject({ code: GrpcCode.InvalidArgument });
  expect(loads()).toBe(1);
});

test("M46 a lazy service has all its methods before it is loaded, so that wrappers can be applied", () => {
  expect(Object.keys(sample().service)).toEqual(["ask", "count", "talk"]);
});

test("a lazy service's stream is iterated, and its parts are requested on demand", async () => {
  const { service, loads } = sample();
  const counted = service.count(3);
  expect(loads()).toBe(0);
  const all: number[] = [];
  for await (const each of counted) all.push(each);
  expect(all).toEqual([1, 2, 3]);
});

test("requests to a lazy stream that is not loaded yet are delivered once it is", async () => {
  const { service, streams } = sample();
  const stream = service.talk();
  stream.request("a");
  stream.request("b");
  expect(await stream.next()).toBe("a b");
  stream.request("c");
  expect(await stream.next()).toBe("a b c");
  expect(streams).toHaveLength(1);
});

test("a lazy stream closed before it is loaded is closed once it is", async () => {
  const { service, streams } = sample();
  const stream = service.talk();
  stream.request("a");
  stream.close();
  expect(await stream.next()).toBeUndefined();
  expect(streams[0]).toMatchObject({ isClosed: true, received: [] });
});

test("a load that fails rejects the call as unavailable, and the next call tries again", async () => {
  let attempts = 0;
  const load = loadedOnce(async (): Promise<Sample> => {
    attempts += 1;
    if (attempts === 1) throw new TypeError("Failed to fetch dynamically imported module");
    return { ...sample().service };
  });
  const service = lazyService<Sample>(KINDS, load);
  await expect(service.ask("1")).rejects.toMatchObject({
    code: GrpcCode.Unavailable,
    message: "a part of the program could not be loaded: TypeError: Failed to fetch dynamically imported module",
  });
  expect(await service.ask("1")).toBe("you asked 1");
});
