import { describe, expect, test } from "vitest";
import { CompactedError } from "../../../src/client/facade/compacted-error.ts";
import { ResumingWatcher } from "../../../src/client/facade/watcher.ts";
import type { WatcherOptions } from "../../../src/client/facade/watcher.ts";
import type { WatchStream } from "../../../src/member/api/services.ts";
import { EtcdError, errNoLeader, GrpcCode } from "../../../src/protocol/errors.ts";
import { responseHeader } from "../../../src/protocol/api/header.ts";
import { event, keyValue } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest, watchResponse } from "../../../src/protocol/api/watch.ts";
import type { WatchResponse } from "../../../src/protocol/api/watch.ts";

type Step = WatchResponse | Error | "end" | "hang";

/** Streams that follow a script, one list of steps for each stream that is opened. */
class Script {
  readonly startRevisions: number[] = [];
  readonly pauses: number[] = [];
  readonly disconnects: string[] = [];
  pulled = 0;
  readonly #streams: Step[][];

  constructor(...streams: Step[][]) {
    this.#streams = streams;
  }

  watch(options: Partial<WatcherOptions> = {}): ResumingWatcher {
    return new ResumingWatcher({
      open: () => this.#open(),
      request: watchCreateRequest(),
      backoff: { random: () => 1, sleep: async (milliseconds) => void this.pauses.push(milliseconds) },
      createdNotify: false,
      signal: undefined,
      onDisconnect: (error) => this.disconnects.push(error.message),
      ...options,
    });
  }

  #open(): WatchStream {
    const steps = this.#streams.shift() ?? ["hang"];
    let close = (): void => {};
    const closed = new Promise<undefined>((resolve) => {
      close = () => resolve(undefined);
    });
    return {
      request: (request) => {
        if (request.type === "create") this.startRevisions.push(request.create.startRevision);
      },
      next: async () => {
        this.pulled++;
        const step = steps.shift() ?? "end";
        if (step === "hang") return closed;
        if (step instanceof Error) throw step;
        return step === "end" ? undefined : step;
      },
      close,
    };
  }
}

const LOST = new EtcdError(GrpcCode.Unavailable, "lost");

function created(revision: number): WatchResponse {
  return watchResponse({ header: responseHeader({ revision }), created: true });
}

function puts(...revisions: readonly number[]): WatchResponse {
  const revision = revisions.at(-1) ?? 0;
  const events = revisions.map((modRevision) => event({ kv: keyValue({ modRevision }) }));
  return watchResponse({ header: responseHeader({ revision }), events });
}

function progress(revision: number): WatchResponse {
  return watchResponse({ header: responseHeader({ revision }) });
}

async function revisionsOf(watcher: ResumingWatcher, events: number): Promise<number[]> {
  const received: number[] = [];
  for await (const response of watcher) {
    received.push(...response.events.map(({ kv }) => kv.modRevision));
    if (received.length >= events) break;
  }
  return received;
}

describe("a broken stream", () => {
  test("is replaced by one that begins after the last event returned", async () => {
    const script = new Script([created(4), puts(5, 6), LOST], [created(9), puts(7, 8), "end"], [created(9), puts(9)]);
    expect(await revisionsOf(script.watch(), 5)).toEqual([5, 6, 7, 8, 9]);
    expect(script.startRevisions).toEqual([0, 7, 9]);
    expect(script.disconnects).toEqual(["lost", "the watch stream ended"]);
  });

  test("before any event is replaced by one that begins where the first was created", async () => {
    const script = new Script([created(4), LOST], [created(8), puts(5)]);
    expect(await revisionsOf(script.watch(), 1)).toEqual([5]);
    expect(script.startRevisions).toEqual([0, 5]);
  });

  test("after a progress response is replaced by one that begins behind it", async () => {
    const script = new Script([created(4), puts(5), progress(20), LOST], [created(21), puts(21)]);
    expect(await revisionsOf(script.watch(), 2)).toEqual([5, 21]);
    expect(script.startRevisions).toEqual([0, 21]);
  });

  test("does not move a watch of the future back", async () => {
    const request = watchCreateRequest({ startRevision: 100 });
    const script = new Script([created(4), progress(5), LOST], [created(6), puts(100)]);
    expect(await revisionsOf(script.watch({ request }), 1)).toEqual([100]);
    expect(script.startRevisions).toEqual([100, 100]);
  });

  test("in the middle of a fragmented response loses none of its events and returns none twice", async () => {
    const piece = { ...puts(5), fragment: true };
    const script = new Script([created(4), piece, LOST], [created(6), { ...puts(5), fragment: true }, puts(5, 6)]);
    const watcher = script.watch();
    const { value } = await watcher.next();
    expect(value?.events.map(({ kv }) => kv.modRevision)).toEqual([5, 5, 6]);
    expect(script.startRevisions).toEqual([0, 5]);
  });

  test("is retried with a backoff that is reset by a response", async () => {
    const script = new Script([LOST], [LOST], [LOST], [created(1), LOST], [created(2), puts(2)]);
    await revisionsOf(script.watch(), 1);
    expect(script.pauses).toEqual([25, 50, 100, 25]);
  });
});

describe("a watch ends with an error", () => {
  test.each([
    ["a refusal", new EtcdError(GrpcCode.PermissionDenied, "no")],
    ["the lack of a leader, for a caller that wants one", errNoLeader],
    ["a fault of the code below", new TypeError("bug")],
  ])("on %s", async (_, error) => {
    const script = new Script([created(1), error]);
    const watcher = script.watch();
    await expect(watcher.next()).rejects.toBe(error);
    expect(await watcher.next()).toEqual({ done: true, value: undefined });
    expect(script.startRevisions).toHaveLength(1);
  });

  test("that is a CompactedError when the server has compacted the next events", async () => {
    const script = new Script([created(1), watchResponse({ canceled: true, compactRevision: 50 })]);
    const failed = script.watch().next();
    await expect(failed).rejects.toBeInstanceOf(CompactedError);
    await expect(failed).rejects.toMatchObject({ compactRevision: 50, code: GrpcCode.OutOfRange });
  });

  test("that has the code in the server's reason", async () => {
    const cancelReason = "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    const script = new Script([watchResponse({ created: true, canceled: true, cancelReason })]);
    const watcher = script.watch();
    const expected = { code: GrpcCode.PermissionDenied, message: "etcdserver: permission denied" };
    await expect(watcher.next()).rejects.toMatchObject(expected);
    await expect(watcher.created).rejects.toMatchObject(expected);
  });
});

test("a watch pulls one response ahead of its reader and no more", async () => {
  const script = new Script([created(1), puts(2), puts(3), puts(4)]);
  const watcher = script.watch();
  await watcher.created;
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  expect(script.pulled).toBe(2);
  await watcher.next();
  await new Promise((resolve) => setImmediate(resolve));
  expect(script.pulled).toBe(2);
});

test("overlapping calls of next resolve in order", async () => {
  const script = new Script([created(1), puts(2), puts(3)]);
  const watcher = script.watch();
  const answers = await Promise.all([watcher.next(), watcher.next()]);
  expect(answers.map(({ value }) => value?.header.revision)).toEqual([2, 3]);
});

test("a watch without a reader causes no unhandled rejection when it fails", async () => {
  const script = new Script([new EtcdError(GrpcCode.PermissionDenied, "no")]);
  script.watch();
  await new Promise((resolve) => setImmediate(resolve));
});

test("created is yielded only with createdNotify, and only the first time", async () => {
  const script = new Script([created(1), LOST], [created(1), puts(2)]);
  const watcher = script.watch({ createdNotify: true });
  expect((await watcher.next()).value).toMatchObject({ created: true, events: [] });
  expect((await watcher.next()).value).toMatchObject({ created: false, header: { revision: 2 } });
});

test("an aborted signal ends a watch also while it waits to try again", async () => {
  const stop = new AbortController();
  const script = new Script([LOST]);
  let isWaiting = (): void => {};
  const waiting = new Promise<void>((resolve) => {
    isWaiting = resolve;
  });
  const sleep = (_: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      signal?.addEventListener("abort", () => resolve());
      isWaiting();
    });
  const watcher = script.watch({ signal: stop.signal, backoff: { random: () => 1, sleep } });
  const next = watcher.next();
  await waiting;
  stop.abort();
  expect(await next).toEqual({ done: true, value: undefined });
});
