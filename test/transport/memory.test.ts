import { expect, test } from "vitest";
import { type Delivery, MemoryNetwork } from "../../src/transport/memory.ts";
import { localStation, Recorder, transportContract } from "../contract/transport.ts";

transportContract("memory", async () => {
  const network = new Map<string, MemoryNetwork>();
  const networkFor = (limits: object): MemoryNetwork => {
    const known = network.get("one");
    if (known !== undefined) return known;
    const made = new MemoryNetwork(limits);
    network.set("one", made);
    return made;
  };
  return {
    ordered: true,
    garbage: undefined,
    station: async (id, limits) => localStation(id, networkFor(limits).transportFor(id)),
    close: async () => {},
  };
});

test("a scheduler decides whether, when, in which order and how often a frame arrives", () => {
  const { network, waiting } = networkHoldingFrames();
  const [left, right] = [network.transportFor(1n), network.transportFor(2n)];
  const recorder = new Recorder();
  left.start(new Recorder());
  right.start(recorder);
  left.setPeers([2n]);
  for (const byte of [1, 2, 3]) left.send(2n, new Uint8Array([byte]));
  expect(recorder.frames).toEqual([]);
  expect(waiting.map(({ from, to }) => [from, to])).toEqual([1, 2, 3].map(() => [1n, 2n]));
  waiting[2]?.deliver();
  waiting[0]?.deliver();
  waiting[0]?.deliver();
  expect(recorder.frames.map(({ frame }) => frame[0])).toEqual([3, 1, 1]);
});

test("a cut connection takes both members down, loses frames in flight, and can be restored", () => {
  const { network, waiting } = networkHoldingFrames();
  const [left, right] = [network.transportFor(1n), network.transportFor(2n)];
  const [atLeft, atRight] = [new Recorder(), new Recorder()];
  left.start(atLeft);
  right.start(atRight);
  left.setPeers([2n]);
  left.send(2n, new Uint8Array([1]));
  network.setLink(2n, 1n, false);
  waiting[0]?.deliver();
  left.send(2n, new Uint8Array([2]));
  expect(waiting).toHaveLength(1);
  network.setLink(1n, 2n, true);
  expect(atRight.frames).toEqual([]);
  expect(atLeft.events).toEqual(["up 2", "down 2", "up 2"]);
  expect(atRight.events).toEqual(["up 1", "down 1", "up 1"]);
});

test("frames in flight to a member that crashed arrive at the one that restarted under its id", () => {
  const { network, waiting } = networkHoldingFrames();
  const left = network.transportFor(1n);
  const [before, after] = [new Recorder(), new Recorder()];
  left.start(new Recorder());
  left.setPeers([2n]);
  network.transportFor(2n).start(before);
  left.send(2n, new Uint8Array([1]));
  network.transportFor(2n).start(after);
  waiting[0]?.deliver();
  expect(before.frames).toEqual([]);
  expect(after.frames).toHaveLength(1);
});

test("a connected peer has proved that it belongs, unless the network says otherwise", () => {
  const network = new MemoryNetwork({ isAuthenticated: (peer) => peer !== 3n });
  const [left, right, stranger] = [network.transportFor(1n), network.transportFor(2n), network.transportFor(3n)];
  for (const transport of [left, right, stranger]) transport.start(new Recorder());
  left.setPeers([2n, 3n]);
  expect([2n, 3n, 4n].map((peer) => left.isAuthenticated(peer))).toEqual([true, false, false]);
  network.setLink(1n, 2n, false);
  expect(left.isAuthenticated(2n)).toBe(false);
});

/** A network whose frames wait until the test delivers them. */
function networkHoldingFrames(): { readonly network: MemoryNetwork; readonly waiting: Delivery[] } {
  const waiting: Delivery[] = [];
  const network = new MemoryNetwork({
    schedule: (delivery) => {
      if (delivery.type === "frame") waiting.push(delivery);
      else delivery.deliver();
    },
  });
  return { network, waiting };
}
