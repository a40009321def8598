/**
 * The contract of transports. The suite drives stations (a transport, and what it reported to its member) through
 * promises, so that the transport itself may run elsewhere, for instance in a Durable Object.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import type { Transport, TransportHandlers } from "../../src/transport/transport.ts";

export interface Received {
  readonly from: MemberId;
  readonly frame: Uint8Array;
}

export interface Station {
  readonly id: MemberId;
  readonly maxFrameBytes: number;
  start(): Promise<void>;
  /** Sends all of them in one turn. */
  send(to: MemberId, frames: readonly Uint8Array[]): Promise<void>;
  setPeers(peers: readonly MemberId[]): Promise<void>;
  /** Resolves with all frames received so far except greetings, once there are at least `count`. */
  received(count: number): Promise<readonly Received[]>;
  /** Returns whether this greeting has arrived. */
  greeted(from: MemberId, greeting: number): Promise<boolean>;
  /** Resolves with all events so far ("up 2", "down 2"), once the text occurs `times` times among them. */
  observed(text: string, times?: number): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface TransportWorld {
  /** Returns a station that is not started yet. The queue limit is for one peer. */
  station(id: MemberId, limits: { readonly maxFrameBytes?: number; readonly maxQueueBytes?: number }): Promise<Station>;
  /** Whether frames of one pair arrive in the order of `send`. */
  readonly ordered: boolean;
  /**
   * Sends bytes that no transport would send from one station to another; undefined if the transport cannot do that.
   */
  readonly garbage: ((from: MemberId, to: MemberId) => Promise<void>) | undefined;
  close(): Promise<void>;
}

/**
 * A transport drops frames that are sent while it is not connected, so a test that wants a connection sends greetings
 * until one has arrived. Further greetings may follow it; their first bytes distinguish them from other frames.
 */
const GREETING: readonly number[] = [0x68, 0x65, 0x6c, 0x6c, 0x6f];

function greeting(number: number): Uint8Array {
  const frame = new Uint8Array(GREETING.length + 4);
  frame.set(GREETING);
  new DataView(frame.buffer).setUint32(GREETING.length, number);
  return frame;
}

function greetingOf(frame: Uint8Array): number | undefined {
  if (frame.length !== GREETING.length + 4 || !GREETING.every((byte, at) => byte === frame[at])) return undefined;
  return numberOf(frame.subarray(GREETING.length));
}

/** The member's side of a station: records all events, and lets a test wait for them. */
export class Recorder implements TransportHandlers {
  readonly frames: Received[] = [];
  readonly events: string[] = [];
  readonly #greetings: Set<string> = new Set();
  #waiting: (() => void)[] = [];

  onFrame(from: MemberId, frame: Uint8Array, done: () => void): void {
    const greetingNumber = greetingOf(frame);
    if (greetingNumber === undefined) this.frames.push({ from, frame });
    else this.#greetings.add(`${from} ${greetingNumber}`);
    done();
    this.#wake();
  }

  onPeerUp(peer: MemberId): void {
    this.events.push(`up ${peer}`);
    this.#wake();
  }

  onPeerDown(peer: MemberId): void {
    this.events.push(`down ${peer}`);
    this.#wake();
  }

  async received(count: number): Promise<readonly Received[]> {
    await this.#until(() => this.frames.length >= count);
    return [...this.frames];
  }

  greeted(from: MemberId, number: number): boolean {
    return this.#greetings.has(`${from} ${number}`);
  }

  async observed(text: string, times: number = 1): Promise<readonly string[]> {
    await this.#until(() => this.events.filter((event) => event === text).length >= times);
    return [...this.events];
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** A station whose transport runs where the test does. */
export function localStation(id: MemberId, transport: Transport): Station {
  const recorder = new Recorder();
  return {
    id,
    maxFrameBytes: transport.maxFrameBytes,
    start: async () => transport.start(recorder),
    send: async (to, frames) => {
      for (const frame of frames) transport.send(to, frame);
    },
    setPeers: async (peers) => transport.setPeers(peers),
    received: (count) => recorder.received(count),
    greeted: async (from, number) => recorder.greeted(from, number),
    observed: (text, times) => recorder.observed(text, times),
    close: async () => transport.close(),
  };
}

const SMALL_FRAME_BYTES = 300_000;

export function transportContract(name: string, openWorld: () => Promise<TransportWorld>): void {
  describe(`the contract of transports: ${name}`, () => {
    let world: TransportWorld;
    beforeEach(async () => {
      world = await openWorld();
    });
    afterEach(() => world.close());

    /** Returns stations that all want each other, and have reported each other as up. */
    async function connected(count: number, limits: Parameters<TransportWorld["station"]>[1] = {}): Promise<Station[]> {
      const ids = Array.from({ length: count }, (_, index) => BigInt(index + 1));
      const stations = await Promise.all(ids.map((id) => world.station(id, limits)));
      for (const station of stations) await station.start();
      for (const station of stations) await station.setPeers(ids.filter((id) => id !== station.id));
      // A transport without connections learns that a peer is up from the first frame that arrives.
      await Promise.all(
        stations.flatMap((station) =>
          ids.filter((id) => id !== station.id).map((id) => reach(station, stations[Number(id) - 1] as Station)),
        ),
      );
      return stations;
    }

    test("a frame of any size up to the limit arrives whole, once, under its sender's id", async () => {
      const [left, right] = pair(await connected(2));
      const sizes = [1, 2, 16_383, 16_384, 16_385, 65_536, 1_048_576, left.maxFrameBytes];
      const sent = sizes.map((size, index) => patterned(size, index));
      for (const [index, frame] of sent.entries()) {
        await left.send(right.id, [frame]);
        await right.received(index + 1);
      }
      const received = await right.received(sizes.length);
      expect(received.map(({ from }) => from)).toEqual(sizes.map(() => left.id));
      expect(received.map(({ frame }) => frame.length)).toEqual(sizes);
      expect(received.every(({ frame }, index) => sameBytes(frame, sent[index] as Uint8Array))).toBe(true);
    });

    test("a frame above the limit and an empty one are dropped, and later frames arrive", async () => {
      const [left, right] = pair(await connected(2, { maxFrameBytes: SMALL_FRAME_BYTES }));
      await left.send(right.id, [new Uint8Array(SMALL_FRAME_BYTES + 1), new Uint8Array(0), patterned(7, 1)]);
      const received = await right.received(1);
      expect(received.map(({ frame }) => frame)).toEqual([patterned(7, 1)]);
    });

    test("many frames sent in one turn arrive, in their order if the transport guarantees it", async () => {
      const [left, right] = pair(await connected(2));
      // Every tenth frame is long enough to be split by a transport that does so.
      const sent = Array.from({ length: 400 }, (_, index) => numbered(index, index % 10 === 0 ? 20_000 : 40));
      await left.send(right.id, sent);
      const numbers = (await right.received(sent.length)).map(({ frame }) => numberOf(frame));
      if (!world.ordered) numbers.sort((one, other) => one - other);
      expect(numbers).toEqual(sent.map((_, index) => index));
    });

    test("frames go both ways at once between all pairs of three members", async () => {
      const stations = await connected(3);
      for (const from of stations) {
        for (const to of stations) if (from !== to) await from.send(to.id, [numbered(Number(from.id), 50)]);
      }
      for (const station of stations) {
        const received = await station.received(2);
        const others = stations.filter((other) => other !== station);
        expect(new Set(received.map(({ from }) => from))).toEqual(new Set(others.map(({ id }) => id)));
        expect(received.every(({ from, frame }) => numberOf(frame) === Number(from))).toBe(true);
      }
    });

    test("a frame for an unknown member is dropped silently", async () => {
      const [left, right] = pair(await connected(2));
      await left.send(99n, [patterned(10, 1)]);
      await left.send(right.id, [patterned(11, 2)]);
      expect((await right.received(1)).map(({ frame }) => frame)).toEqual([patterned(11, 2)]);
      expect(await left.observed(`up ${right.id}`)).toEqual([`up ${right.id}`]);
    });

    test("a member can reach another one that does not want it yet", async () => {
      const host = await world.station(1n, {});
      const joining = await world.station(2n, {});
      await host.start();
      await joining.start();
      await joining.setPeers([1n]);
      await reach(joining, host);
      await joining.send(1n, [patterned(3, 1)]);
      expect((await host.received(1)).map(({ from }) => from)).toEqual([2n]);
    });

    test("invalid bytes end only the connection that they came by", async ({ skip }) => {
      const { garbage } = world;
      skip(garbage === undefined, "bytes cannot go wrong within one process");
      const [left, middle, right] = await connected(3);
      if (left === undefined || middle === undefined || right === undefined) throw new Error("three stations");
      await garbage?.(left.id, middle.id);
      await right.send(middle.id, [numbered(3, 30)]);
      const received = await middle.received(1);
      expect(received.every(({ from, frame }) => from === right.id && numberOf(frame) === 3)).toBe(true);
      // The member whose connection was closed connects again.
      await reach(left, middle);
      expect(await middle.observed(`up ${right.id}`)).not.toContain(`down ${right.id}`);
    });

    test("frames that a slow peer has not taken are bounded: the rest is dropped and later frames arrive", async () => {
      const limits = { maxFrameBytes: SMALL_FRAME_BYTES, maxQueueBytes: 1_000_000 };
      const [left, right] = pair(await connected(2, limits));
      const burst = Array.from({ length: 50 }, (_, index) => numbered(index, 200_000));
      await left.send(right.id, burst);
      await right.received(1);
      await reach(left, right);
      const { length } = await right.received(0);
      expect(length).toBeGreaterThan(0);
      expect(length).toBeLessThan(20);
    });

    test("a peer that has closed is reported as down once, and up again when it comes back", async () => {
      const [left, right] = pair(await connected(2));
      await right.close();
      await left.send(right.id, [patterned(5, 1)]);
      await left.observed(`down ${right.id}`);
      const again = await world.station(right.id, {});
      await again.start();
      await again.setPeers([left.id]);
      await reach(left, again);
      const observed = await left.observed(`up ${right.id}`, 2);
      expect(observed).toEqual([`up ${right.id}`, `down ${right.id}`, `up ${right.id}`]);
    });

    test("nothing is sent before the start, and nothing is reported after the close", async () => {
      const [left, right] = pair(await connected(2));
      const third = await world.station(3n, {});
      await third.send(left.id, [patterned(9, 1)]);
      await right.close();
      const frames = (await right.received(0)).length;
      const events = (await right.observed(`up ${left.id}`)).length;
      await left.send(right.id, [patterned(8, 1)]);
      await right.send(left.id, [patterned(8, 2)]);
      await right.setPeers([left.id]);
      await left.observed(`down ${right.id}`);
      expect((await right.received(0)).length).toBe(frames);
      expect((await right.observed(`up ${left.id}`)).length).toBe(events);
      expect((await left.received(0)).filter(({ frame }) => [8, 9].includes(frame.length))).toEqual([]);
    });
  });
}

let greetings = 0;

/** Sends greetings until one has arrived, and the sender knows it. */
async function reach(from: Station, to: Station): Promise<void> {
  greetings += 1;
  while (!(await to.greeted(from.id, greetings))) {
    await from.send(to.id, [greeting(greetings)]);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await from.observed(`up ${to.id}`);
}

function pair(stations: readonly Station[]): [Station, Station] {
  const [left, right] = stations;
  if (left === undefined || right === undefined) throw new Error("two stations");
  return [left, right];
}

function patterned(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + (at >>> 8) * 7 + seed) & 0xff;
  return bytes;
}

function numbered(number: number, size: number): Uint8Array {
  const bytes = patterned(size, number);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function numberOf(frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset, frame.length).getUint32(0);
}

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}
