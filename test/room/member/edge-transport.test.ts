import { describe, expect, test } from "vitest";
import { EdgeTransport } from "../../../src/room/member/edge-transport.ts";
import type { TabTransport } from "../../../src/room/member/tab-transport.ts";
import { peerAddress } from "../../../src/room/common/room-edge.ts";
import { JOIN_REFUSALS } from "../../../src/protocol/peer/join-refusal.ts";
import type { ShapeName } from "../../../src/protocol/peer/cluster-shape-schema.ts";
import type { TransportHandlers } from "../../../src/transport/transport.ts";

const OBJECT = 1n;
const TAB = 7n;
const PROOF = { key: undefined, knowsSecret: true, invitation: undefined, isHost: false };
const FRAME = new Uint8Array([1]);

class Recorded implements TabTransport {
  readonly maxFrameBytes: number = 100;
  readonly log: string[] = [];
  handlers: TransportHandlers | undefined;

  start(handlers: TransportHandlers): void {
    this.handlers = handlers;
  }

  send(to: bigint): void {
    this.log.push(`to ${to}`);
  }

  setPeers(peers: readonly bigint[]): void {
    this.log.push(`peers ${peers.join()}`);
  }

  isAuthenticated(): boolean {
    return true;
  }

  retryNow(): void {}

  close(): void {
    this.log.push("closed");
  }
}

function opened(openToTabs?: () => Promise<TabTransport>): {
  readonly transport: EdgeTransport;
  readonly objects: Recorded;
  readonly tabs: Recorded;
  readonly frames: bigint[];
  readonly handlers: TransportHandlers;
} {
  const [objects, tabs, frames] = [new Recorded(), new Recorded(), [] as bigint[]];
  const open = openToTabs ?? ((): Promise<TabTransport> => Promise.resolve(tabs));
  const transport = new EdgeTransport({ objects: [OBJECT], toObjects: objects, openToTabs: open });
  const handlers = {
    onFrame: (from: bigint) => void frames.push(from),
    onPeerUp: () => {},
    onPeerDown: () => {},
    admit: () => undefined,
  };
  transport.start(handlers);
  transport.setPeers([OBJECT, TAB]);
  return { transport, objects, tabs, frames, handlers };
}

const says = (shape: ShapeName, objects = [OBJECT]): Parameters<EdgeTransport["follow"]>[0] => ({
  shape: { shape, objects },
  members: [{ id: 9n, name: "edge-4", isLearner: true }],
});

describe("a tab of a room with objects", () => {
  test("reaches objects only, until the log says that tabs vote; then each peer by its own way", async () => {
    const { transport, objects, tabs } = opened();
    transport.follow(says("edge"));
    await Promise.resolve();
    transport.send(TAB, FRAME);
    transport.send(OBJECT, FRAME);
    expect([objects.log, tabs.log, tabs.handlers]).toEqual([["peers 1", "to 1"], [], undefined]);
    expect(transport.isAuthenticated(TAB)).toBe(false);
    transport.follow(says("mixed"));
    await new Promise((resolve) => setTimeout(resolve));
    transport.send(TAB, FRAME);
    expect(tabs.log).toEqual(["peers 7", "to 7"]);
    transport.close();
    expect([objects.log.at(-1), tabs.log.at(-1)]).toEqual(["closed", "closed"]);
  });

  test("no tab speaks as an object, and no object as a tab", async () => {
    const { transport, objects, tabs, frames } = opened();
    transport.follow(says("mixed"));
    await new Promise((resolve) => setTimeout(resolve));
    for (const way of [objects, tabs]) {
      for (const from of [OBJECT, TAB]) way.handlers?.onFrame(from, FRAME, () => {});
    }
    expect(frames).toEqual([OBJECT, TAB]);
    expect(tabs.handlers?.admit?.(OBJECT, PROOF)).toBe(JOIN_REFUSALS.otherKey);
    expect(tabs.handlers?.admit?.(TAB, PROOF)).toBeUndefined();
  });

  test("an object that is added later is dialed at once, at the number in its name", () => {
    const { transport, objects } = opened();
    transport.setPeers([OBJECT, 9n]);
    expect(objects.log.at(-1)).toBe("peers 1");
    transport.follow(says("edge", [OBJECT, 9n]));
    expect(objects.log.at(-1)).toBe("peers 1,9");
    const edge = { path: "/c/plan/", objects: [OBJECT] };
    const address = (name: string, id: bigint): string | undefined => peerAddress("https://host/x", edge, name, id);
    expect(address(transport.nameOf(9n), 9n)).toBe("wss://host/c/plan/m/4/quorate/peer");
    expect([address("", OBJECT), address("edge-0", 9n), address("tab-4", 9n)]).toEqual([
      "wss://host/c/plan/m/1/quorate/peer",
      undefined,
      undefined,
    ]);
  });

  test("without WebRTC it goes on with the objects, and tries again", async () => {
    let attempts = 0;
    const { transport, objects } = opened(() => {
      attempts += 1;
      return Promise.reject(new Error("no WebRTC"));
    });
    for (let at = 0; at < 2; at++) {
      transport.follow(says("mixed"));
      await new Promise((resolve) => setTimeout(resolve));
    }
    transport.send(OBJECT, FRAME);
    expect([attempts, objects.log.at(-1)]).toEqual([2, "to 1"]);
  });
});
