import { describe, expect, test } from "vitest";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { memberOfPeerId, peerIdOf } from "../../src/transport/peer-id.ts";
import { credentialsOf, newRoomSecret, roomKeys } from "../../src/transport/room-secret.ts";
import { WebRtcTransport, type WebRtcTransportOptions } from "../../src/transport/webrtc.ts";
import { Recorder } from "../contract/transport.ts";
import { FakeRoom } from "./fake-port.ts";
import { ManualClock } from "./manual-clock.ts";

const CREDENTIALS = credentialsOf(roomKeys("planning", newRoomSecret()));
const HELLO = 0x01;
const PING = 0x02;
const WELCOME = 0x04;

function lab() {
  const clock = new ManualClock();
  const room = new FakeRoom(clock);
  let session = 0n;
  const member = (id: MemberId, options: Partial<WebRtcTransportOptions> = {}) => {
    const port = room.port(peerIdOf(id));
    const recorder = new Recorder();
    session += 1n;
    // At 0.5 there is no jitter.
    const transport = new WebRtcTransport({
      id,
      port,
      credentials: () => CREDENTIALS,
      clock,
      session,
      random: () => 0.5,
      ...options,
    });
    transport.start(recorder);
    return { port, recorder, transport };
  };
  const live = () => room.channels.filter(({ closed }) => !closed);
  return { clock, live, member, room };
}

describe("which side dials", () => {
  test("of two that want each other the lower id dials, and there is one channel", () => {
    const { clock, live, member, room } = lab();
    const [left, right] = [member(1n), member(2n)];
    right.transport.setPeers([1n]);
    left.transport.setPeers([2n]);
    clock.advance(5000);
    expect(room.dials).toEqual(["m1>m2"]);
    expect(live()).toHaveLength(2);
    expect(left.recorder.events).toEqual(["up 2"]);
    expect(right.recorder.events).toEqual(["up 1"]);
  });

  test("the higher id dials if only it wants the other, as a joining member does", () => {
    const { clock, member, room } = lab();
    member(1n);
    const joining = member(2n);
    joining.transport.setPeers([1n]);
    clock.advance(5000);
    expect(room.dials).toEqual(["m2>m1"]);
    expect(joining.recorder.events).toEqual(["up 1"]);
  });

  test("if two dials meet, both sides keep the lower id's channel and neither reports a loss", () => {
    const { clock, live, member, room } = lab();
    const [left, right] = [member(1n), member(2n)];
    right.transport.setPeers([1n]);
    clock.advance(290);
    left.transport.setPeers([2n]);
    clock.advance(5000);
    expect(room.dials.toSorted()).toEqual(["m1>m2", "m2>m1"]);
    expect(live().map(({ peerId, dialed }) => [peerId, dialed])).toEqual([
      ["m2", true],
      ["m1", false],
    ]);
    left.transport.send(2n, new Uint8Array([1]));
    right.transport.send(1n, new Uint8Array([2]));
    clock.advance(10);
    expect(left.recorder.frames.map(({ frame }) => frame[0])).toEqual([2]);
    expect(right.recorder.frames.map(({ frame }) => frame[0])).toEqual([1]);
    expect(left.recorder.events).toEqual(["up 2"]);
    expect(right.recorder.events).toEqual(["up 1"]);
  });

  test("a restarted member is accepted at once, though its earlier channel looks alive", () => {
    const { clock, live, member, room } = lab();
    const left = member(1n);
    const former = member(2n);
    left.transport.setPeers([2n]);
    clock.advance(1000);
    for (const channel of room.channels) if (channel.peerId === "m1") channel.dead = true;
    const next = member(2n);
    next.transport.setPeers([1n]);
    clock.advance(400);
    left.transport.send(2n, new Uint8Array([7]));
    clock.advance(10);
    expect(former.recorder.frames).toEqual([]);
    expect(next.recorder.frames.map(({ frame }) => frame[0])).toEqual([7]);
    expect(left.recorder.events).toEqual(["up 2"]);
    expect(live().filter(({ dead }) => !dead)).toHaveLength(2);
  });

  test("a peer that leaves the list is disconnected, and so are all at the close, permanently", () => {
    const { clock, live, member, room } = lab();
    const members = [member(1n), member(2n), member(3n)];
    for (const { transport } of members) transport.setPeers([1n, 2n, 3n]);
    clock.advance(1000);
    members[0]?.transport.setPeers([2n]);
    members[2]?.transport.setPeers([2n]);
    clock.advance(100);
    expect(members[0]?.recorder.events.toSorted()).toEqual(["down 3", "up 2", "up 3"]);
    members[1]?.transport.close();
    members[0]?.transport.close();
    members[2]?.transport.close();
    clock.advance(100_000);
    expect(live()).toEqual([]);
    expect(room.dials).toHaveLength(3);
    expect(clock.pending).toBe(0);
  });
});

describe("a channel that is reported open too early", () => {
  /** A dial by the first member, just before both sides are notified that it is open. */
  function opening() {
    const { clock, live, member, room } = lab();
    const [left, right] = [member(1n), member(2n)];
    left.transport.setPeers([2n]);
    clock.advance(30);
    const [near, far] = room.channels;
    if (near === undefined || far === undefined) throw new Error("a channel");
    return { clock, far, left, live, near, right, room };
  }

  test.each([
    ["the greeting", 1],
    ["the greeting and the welcome", 2],
    ["the greeting, the welcome and a second greeting", 3],
  ])("may lose %s: they are sent again, and the channel stays", (_, lost) => {
    for (const side of ["near", "far"] as const) {
      const world = opening();
      world[side].loses = lost;
      world.clock.advance(2000);
      expect(world.left.recorder.events).toEqual(["up 2"]);
      expect(world.right.recorder.events).toEqual(["up 1"]);
      expect(world.room.dials).toEqual(["m1>m2"]);
      expect(world.live()).toHaveLength(2);
    }
  });

  test("and lost only its welcome: the first frame makes up for it, and is not lost", () => {
    const { clock, far, left, near, right } = opening();
    // The other side's greeting leaves in the same turn as it opens, then its welcome.
    clock.advance(10);
    far.loses = 1;
    clock.advance(1);
    expect([near.sent.length, left.recorder.events, right.recorder.events]).toEqual([2, [], []]);
    clock.advance(1);
    expect(right.recorder.events).toEqual(["up 1"]);
    right.transport.send(1n, new Uint8Array([9]));
    // The frame, the greeting that it causes, and the welcome that this one causes.
    clock.advance(2);
    expect(left.recorder.events).toEqual([]);
    clock.advance(1);
    expect(left.recorder.events).toEqual(["up 2"]);
    expect(left.recorder.frames.map(({ frame }) => frame[0])).toEqual([9]);
  });

  test("and never carries one direction is no connection: both soon give it up and dial again", () => {
    for (const side of ["near", "far"] as const) {
      const { clock, left, live, right, room, ...ends } = opening();
      ends[side].loses = Infinity;
      clock.advance(4000);
      expect([left.recorder.events, right.recorder.events]).toEqual([[], []]);
      clock.advance(3000);
      expect(room.dials).toEqual(["m1>m2", "m1>m2"]);
      expect([left.recorder.events, right.recorder.events]).toEqual([["up 2"], ["up 1"]]);
      expect(live()).toHaveLength(2);
    }
  });

  test("and never carries one direction does not replace one that works", () => {
    const { clock, left, near, right, room } = opening();
    clock.advance(100);
    right.port.events?.onChannel(room.dial("m2", "m1"));
    clock.advance(30);
    const [, , , second] = room.channels;
    if (second === undefined) throw new Error("a second channel");
    second.loses = Infinity;
    clock.advance(10_000);
    left.transport.send(2n, new Uint8Array([5]));
    clock.advance(10);
    expect(right.recorder.frames.map(({ frame }) => frame[0])).toEqual([5]);
    expect(left.recorder.events).toEqual(["up 2"]);
    expect([near.closed, second.closed]).toEqual([false, true]);
  });

  test("is greeted a bounded number of times, and a ready side responds only while responses are read", () => {
    const { clock, far, near, right, room } = opening();
    clock.advance(100);
    const hello = far.messages.find(([type]) => type === HELLO)?.slice().buffer;
    const before = near.sent.length;
    near.arrived(hello);
    expect(near.sent.slice(before)).toEqual([WELCOME]);
    near.bufferedBytes = 10_000_000;
    for (let index = 0; index < 100; index++) near.arrived(hello);
    expect(near.sent.length).toBe(before + 1);
    expect(right.recorder.events).toEqual(["up 1"]);
    expect(room.dials).toEqual(["m1>m2"]);
  });
});

describe("a peer that cannot be reached", () => {
  test("is dialed again after waits that double, up to a minute, and at once when the page requests it", () => {
    const { clock, member, room } = lab();
    const left = member(1n);
    left.transport.setPeers([2n]);
    const at: number[] = [];
    const known = (): number => room.dials.length;
    for (let ms = 0, count = 0; ms < 400_000; ms += 10) {
      if (known() > count) at.push(ms);
      count = known();
      clock.advance(10);
    }
    const waits = at.slice(1).map((ms, index) => Math.round((ms - (at[index] as number)) / 1000));
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]);
    const before = known();
    left.transport.retryNow();
    clock.advance(1);
    expect(known()).toBe(before + 1);
    expect(left.recorder.events).toEqual([]);
  });

  test("is not dialed while signalling is lost, and at once when it is back; channels stay up meanwhile", () => {
    const { clock, member, room } = lab();
    const [left, right] = [member(1n), member(2n)];
    left.transport.setPeers([2n, 3n]);
    clock.advance(100);
    left.port.online = false;
    left.port.events?.onSignalling("lost", "");
    clock.advance(60_000);
    const before = room.dials.length;
    member(3n);
    clock.advance(60_000);
    expect(room.dials.length).toBe(before);
    left.transport.send(2n, new Uint8Array([1]));
    left.port.online = true;
    left.port.events?.onSignalling("open", "");
    clock.advance(100);
    expect(room.dials.at(-1)).toBe("m1>m3");
    expect(left.recorder.events).toEqual(["up 2", "up 3"]);
    expect(right.recorder.frames).toHaveLength(1);
  });

  test("a dial that gets stuck is given up and repeated", () => {
    const { clock, member, room } = lab();
    const left = member(1n, { openWithinMs: 5000 });
    left.transport.setPeers([2n]);
    // A peer that takes the channel and never sends anything.
    room.port("m2").start({ onSignalling: () => {}, onChannel: (channel) => channel.start(silent()) });
    clock.advance(7000);
    expect(room.dials).toEqual(["m1>m2", "m1>m2"]);
    expect(left.recorder.events).toEqual([]);
  });
});

describe("pings", () => {
  function connected() {
    const { clock, member, room } = lab();
    const [left, right] = [member(1n, { pingMs: 3000 }), member(2n, { pingMs: 3000 })];
    left.transport.setPeers([2n]);
    right.transport.setPeers([1n]);
    clock.advance(100);
    const [near, far] = room.channels;
    if (near === undefined || far === undefined) throw new Error("a channel");
    /** Its browser is gone: the channel sends nothing more, and no peer accepts a dial. */
    const crash = (): void => {
      far.dead = true;
      room.ports.delete("m2");
      right.port.online = false;
    };
    return { clock, crash, left, near, right };
  }

  test("a peer that crashed is down after three pings without a response", () => {
    const { clock, crash, left, near } = connected();
    clock.advance(30_000);
    expect(left.recorder.events).toEqual(["up 2"]);
    crash();
    near.sent.length = 0;
    clock.advance(9000);
    expect(left.recorder.events).toEqual(["up 2"]);
    clock.advance(6000);
    expect(left.recorder.events).toEqual(["up 2", "down 2"]);
    expect(near.sent.filter((type) => type === PING)).toHaveLength(3);
  });

  test("a doubt of the browser makes the pings faster, and a response ends it", () => {
    const { clock, crash, left, near } = connected();
    near.doubt();
    clock.advance(10_000);
    expect(left.recorder.events).toEqual(["up 2"]);
    crash();
    near.doubt();
    clock.advance(3000);
    expect(left.recorder.events).toEqual(["up 2", "down 2"]);
  });

  test("a pause of our own page is not taken for the peer's death", () => {
    const { clock, left, near } = connected();
    const before = near.sent.length;
    // A frozen page: none of its timers runs for an hour, then one does, late. The clock jumps; nothing else happens.
    clock.jump(3_600_000);
    clock.advance(10);
    expect(left.recorder.events).toEqual(["up 2"]);
    expect(near.sent.length - before).toBeLessThan(5);
  });

  test("a peer that sends messages is not pinged", () => {
    const { clock, left, near, right } = connected();
    near.sent.length = 0;
    for (let second = 0; second < 30; second++) {
      right.transport.send(1n, new Uint8Array([1]));
      clock.advance(1000);
    }
    expect(near.sent.filter((type) => type === PING)).toEqual([]);
    expect(left.recorder.frames).toHaveLength(30);
  });
});

describe("back-pressure", () => {
  test("a slow channel is given little, the queue holds up to its bound, and the rest is dropped", () => {
    const { clock, member, room } = lab();
    const [left, right] = [member(1n, { maxFrameBytes: 100_000, maxQueueBytes: 1_000_000 }), member(2n)];
    left.transport.setPeers([2n]);
    clock.advance(100);
    const near = room.channels.find(({ dialed }) => dialed);
    if (near === undefined) throw new Error("a channel");
    near.slow = true;
    for (let index = 0; index < 100; index++) left.transport.send(2n, new Uint8Array(100_000).fill(index));
    clock.advance(10);
    expect(near.bufferedBytes).toBeLessThan(300_000);
    for (let turn = 0; turn < 20; turn++) {
      near.drain();
      clock.advance(2);
    }
    const numbers = right.recorder.frames.map(({ frame }) => frame[0]);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index));
    expect(numbers.length).toBeGreaterThanOrEqual(10);
    expect(numbers.length).toBeLessThan(16);
  });

  test("a peer that sends requests and does not read gets a bounded number of responses", () => {
    const { clock, member, room } = lab();
    const left = member(1n);
    member(2n);
    left.transport.setPeers([2n]);
    clock.advance(100);
    const near = room.channels.find(({ dialed }) => dialed);
    if (near === undefined) throw new Error("a channel");
    near.bufferedBytes = 10_000_000;
    const before = near.sent.length;
    for (let index = 0; index < 100; index++) near.arrived(new Uint8Array([PING]).buffer);
    expect(near.sent.length).toBe(before);
  });
});

describe("input of peers", () => {
  test.each([
    ["a text", "hello"],
    ["nothing", new ArrayBuffer(0)],
    ["too much", new ArrayBuffer(65_537)],
    ["no part of a frame", new Uint8Array([0x50, 0, 1]).buffer],
    ["an unknown message", new Uint8Array([0x77]).buffer],
    ["a second greeting", new Uint8Array([0x01, 2, 0, 0, 0, 0, 0, 0, 0, 0]).buffer],
  ])("%s costs the channel, which is dialed again", (_, data) => {
    const { clock, live, member, room } = lab();
    const left = member(1n);
    const right = member(2n);
    left.transport.setPeers([2n]);
    clock.advance(100);
    room.channels.find(({ dialed }) => dialed)?.arrived(data);
    expect(left.recorder.events).toEqual(["up 2", "down 2"]);
    clock.advance(1000);
    expect(left.recorder.events).toEqual(["up 2", "down 2", "up 2"]);
    expect(right.recorder.events).toEqual(["up 1", "down 1", "up 1"]);
    expect(live()).toHaveLength(2);
  });

  test("a peer whose name is no member's is rejected, and so is one with our own id", () => {
    const { clock, live, member, room } = lab();
    const left = member(1n);
    for (const name of ["chat", "m0", "m1", "m01", "m18446744073709551616"]) {
      room.port(name).start({ onSignalling: () => {}, onChannel: () => {} });
      left.port.events?.onChannel(room.dial(name, "m1"));
    }
    room.ports.set("m1", left.port);
    for (const name of ["chat", "m0", "m1"]) room.dial(name, "m1");
    clock.advance(1000);
    expect(live()).toEqual([]);
    expect(left.recorder.events).toEqual([]);
  });

  test("strangers are accepted, but only a bounded number", () => {
    const { clock, member } = lab();
    const host = member(1n);
    for (let id = 2n; id < 202n; id++) member(id, { redialMs: 60_000 }).transport.setPeers([1n]);
    clock.advance(2000);
    expect(new Set(host.recorder.events.filter((event) => event.startsWith("up"))).size).toBe(128);
  });
});

test("a member's peer id is m and its decimal id, and nothing else is a member's", () => {
  for (const id of [1n, 42n, (1n << 64n) - 1n]) expect(memberOfPeerId(peerIdOf(id))).toBe(id);
  for (const text of ["m", "1", "m0", "m-1", "m1 ", "M1", "m18446744073709551616", "m1e3"]) {
    expect(memberOfPeerId(text)).toBeUndefined();
  }
});

function silent() {
  return { onOpen() {}, onMessage() {}, onDrained() {}, onDoubt() {}, onClosed() {} };
}
