import { expect, test } from "vitest";
import { MemoryNetwork } from "../../src/transport/memory.ts";
import { SplitTransport } from "../../src/transport/split-transport.ts";
import type { Transport } from "../../src/transport/transport.ts";

function recorded(name: string, log: string[]): Transport {
  const { maxFrameBytes } = new MemoryNetwork().transportFor(1n);
  return {
    maxFrameBytes,
    start: () => void log.push(`${name} starts`),
    send: (to, frame) => void log.push(`${name} ${to}: ${[...frame].join()}`),
    setPeers: (peers) => void log.push(`${name} peers ${[...peers].join()}`),
    isAuthenticated: () => true,
    proofOf: () => ({ key: undefined, knowsSecret: false, invitation: undefined, isHost: false }),
    close: () => void log.push(`${name} closes`),
  };
}

test("each peer belongs to one of two transports, and a far one may lead and campaign only where tabs vote", () => {
  const log: string[] = [];
  let tabsVote = false;
  const [near, far] = [recorded("near", log), recorded("far", log)];
  const both = new SplitTransport({ near, far, isFar: (id) => id > 9n, trustsFar: () => tabsVote });
  both.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
  both.setPeers([1n, 10n, 2n]);
  both.send(2n, new Uint8Array([1]));
  both.send(10n, new Uint8Array([2]));
  both.close();
  const calls = ["near peers 1,2", "far peers 10", "near 2: 1", "far 10: 2"];
  expect(log).toEqual(["near starts", "far starts", ...calls, "near closes", "far closes"]);
  expect([both.isAuthenticated(1n), both.isAuthenticated(10n)]).toEqual([true, false]);
  // An object proves by its place what a tab proves by its keys.
  expect([both.proofOf(1n)?.knowsSecret, both.proofOf(10n)?.knowsSecret]).toEqual([true, false]);
  tabsVote = true;
  expect([both.isAuthenticated(1n), both.isAuthenticated(10n)]).toEqual([true, true]);
});
