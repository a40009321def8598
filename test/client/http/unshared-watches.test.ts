/** Watches that do not share a socket: the first finds out whether sockets can be had. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { WebSocketConstructor, WebSocketLike } from "../../../src/client/common/web-socket-like.ts";
import { HttpCaller } from "../../../src/client/http/http-call.ts";
import { HttpWatch } from "../../../src/client/http/http-watch.ts";
import { unsharedWatches } from "../../../src/client/http/unshared-watches.ts";
import { WebSocketWatchStream } from "../../../src/client/http/websocket-watch.ts";
import type { WatchStream } from "../../../src/member/api/services.ts";
import { CALL } from "../../member/support/cluster.ts";
import { serveMember, type ServedMember } from "../support/served-member.ts";

const COUNT = 50;
let sockets: HeldSocket[];
let served: ServedMember;

/** Tells the test of each event that the real one would have by itself. */
class HeldSocket implements WebSocketLike {
  readonly #listeners: Map<string, (event: { readonly data?: unknown }) => void> = new Map();

  constructor() {
    sockets.push(this);
  }

  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void {
    this.#listeners.set(type, listener);
  }

  send(): void {}
  close(): void {}

  emit(type: "open" | "close"): void {
    this.#listeners.get(type)?.({});
  }
}

beforeEach(async () => {
  sockets = [];
  served = await serveMember();
});
afterEach(() => served.close());

/** Begins this many watches at once. */
function begin(WebSocket: WebSocketConstructor = HeldSocket): Promise<WatchStream>[] {
  const service = unsharedWatches(new HttpCaller({ endpoint: served.endpoint }), WebSocket);
  return Array.from({ length: COUNT }, async () => (await service()).watch(CALL));
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

test("of those that begin at once one tries, and when it is refused the others share a response", async () => {
  const streams = begin();
  await settled();
  expect(sockets).toHaveLength(1);
  sockets[0]?.emit("close");
  const [first, ...others] = await Promise.all(streams);
  expect(sockets).toHaveLength(1);
  expect(first).toBeInstanceOf(WebSocketWatchStream);
  await expect(first?.next()).rejects.toThrow("no connection");
  expect(others.every((stream) => stream instanceof HttpWatch)).toBe(true);
});

test("when it is open, each of the others has its own", async () => {
  const streams = begin();
  await settled();
  sockets[0]?.emit("open");
  await Promise.all(streams);
  expect(sockets).toHaveLength(COUNT);
});

test("when its caller closes it before, the next one tries", async () => {
  const streams = begin();
  (await streams[0])?.close();
  await settled();
  expect(sockets).toHaveLength(2);
  sockets[1]?.emit("open");
  await Promise.all(streams);
  expect(sockets).toHaveLength(COUNT);
});

test("a WebSocket that throws holds nobody up", async () => {
  class Throws extends HeldSocket {
    constructor() {
      super();
      throw new SyntaxError("not a protocol");
    }
  }
  const streams = begin(Throws);
  const outcomes = await Promise.allSettled(streams);
  expect(outcomes.map(({ status }) => status)).toEqual(outcomes.map(() => "rejected"));
  expect(sockets).toHaveLength(COUNT);
});
