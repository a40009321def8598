/** Only members that know the room's secret, at the two ends of one connection, pass the greeting. */
import { describe, expect, test } from "vitest";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import type { Channel } from "../../src/transport/channel.ts";
import { describedFingerprint } from "../../src/transport/dtls.ts";
import type { GreetingCredentials } from "../../src/transport/greeting/handshake.ts";
import { decodeGreeting, encodeGreeting } from "../../src/transport/greeting/greeting-message.ts";
import { peerIdOf } from "../../src/transport/peer-id.ts";
import { credentialsOf, newRoomSecret, roomKeys } from "../../src/transport/room-secret.ts";
import { WebRtcTransport, type WebRtcTransportOptions } from "../../src/transport/webrtc.ts";
import { Recorder } from "../contract/transport.ts";
import { type FakeChannel, FakeRoom } from "./fake-port.ts";
import { ManualClock } from "./manual-clock.ts";

const newCredentials = (): GreetingCredentials => credentialsOf(roomKeys("planning", newRoomSecret()));
const CREDENTIALS = newCredentials();
const HELLO = 0x01;
const WELCOME = 0x04;
const PART = new Uint8Array([0x50, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 42]);

function lab() {
  const clock = new ManualClock();
  const room = new FakeRoom(clock);
  const member = (id: MemberId, options: Partial<WebRtcTransportOptions> = {}) => {
    const port = room.port(peerIdOf(id));
    const recorder = new Recorder();
    const transport = new WebRtcTransport({
      id,
      port,
      clock,
      credentials: () => CREDENTIALS,
      session: id + 100n,
      random: () => 0.5,
      redialMs: 60_000,
      ...options,
    });
    transport.start(recorder);
    return { port, recorder, transport };
  };
  /** A stranger under a member's name, which sees all messages and sends what a test wants. */
  const stranger = (id: MemberId, hears: (message: Uint8Array<ArrayBuffer>, channel: Channel) => void = () => {}) => {
    const heard: Uint8Array<ArrayBuffer>[] = [];
    const closed: string[] = [];
    const start = (channel: Channel): Channel => {
      channel.start({
        onOpen() {},
        onMessage: (data) => {
          const message = new Uint8Array(data as ArrayBuffer);
          heard.push(message);
          hears(message, channel);
        },
        onDrained() {},
        onDoubt() {},
        onClosed: (reason) => closed.push(reason),
      });
      return channel;
    };
    room.port(peerIdOf(id)).start({ onSignalling: () => {}, onChannel: start });
    return { closed, heard, dial: (to: MemberId) => start(room.dial(peerIdOf(id), peerIdOf(to))) };
  };
  const live = () => room.channels.filter(({ closed }) => !closed);
  const ends = (): [FakeChannel, FakeChannel] => {
    const [near, far] = room.channels;
    if (near === undefined || far === undefined) throw new Error("a channel");
    return [near, far];
  };
  return { clock, ends, live, member, room, stranger };
}

const typeOf = (message: Uint8Array): number | undefined => message[0];

test("members that know the secret prove it to each other before any frame, each for the other's nonce", () => {
  const { clock, ends, member } = lab();
  const [left, right] = [member(1n), member(2n)];
  left.transport.setPeers([2n]);
  clock.advance(100);
  expect([left.recorder.events, right.recorder.events]).toEqual([["up 2"], ["up 1"]]);
  for (const { messages } of ends()) expect(messages.map(typeOf)).toEqual([HELLO, WELCOME]);
});

test("a peer that proved the secret is authenticated while it is up, and no other peer is", () => {
  const { clock, member, stranger } = lab();
  const left = member(1n);
  const right = member(2n);
  const visitor = stranger(3n);
  left.transport.setPeers([2n]);
  visitor.dial(1n);
  clock.advance(100);
  expect([1n, 2n, 3n, 4n].map((peer) => left.transport.isAuthenticated(peer))).toEqual([false, true, false, false]);
  right.transport.close();
  clock.advance(100);
  expect(left.transport.isAuthenticated(2n)).toBe(false);
});

test("a member that greets again with another nonce is another peer, and its connection ends", () => {
  const { clock, ends, live, member } = lab();
  const [left] = [member(1n), member(2n)];
  left.transport.setPeers([2n]);
  clock.advance(100);
  const said = decodeGreeting(ends()[1].messages[0]?.slice() ?? new Uint8Array(0));
  if (typeof said === "string") throw new Error(said);
  ends()[0].arrived(encodeGreeting(said).buffer);
  clock.advance(10);
  expect(live()).toHaveLength(2);
  ends()[0].arrived(encodeGreeting({ ...said, nonce: new Uint8Array(32) }).buffer);
  clock.advance(10);
  expect(live()).toEqual([]);
});

test("another secret gives no connection: neither side is up, and no frame is read or sent", () => {
  const { clock, live, member, room } = lab();
  const left = member(1n);
  const other = member(2n, { credentials: newCredentials });
  left.transport.setPeers([2n]);
  other.transport.setPeers([1n]);
  clock.advance(20_000);
  left.transport.send(2n, new Uint8Array([1]));
  clock.advance(20_000);
  expect([left.recorder.events, other.recorder.events]).toEqual([[], []]);
  expect(live()).toEqual([]);
  for (const { messages } of room.channels) expect(messages.every((message) => typeOf(message) !== 0x50)).toBe(true);
});

describe("a signalling server that lies", () => {
  const sha = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

  test.each(["both ends", "the end that dials", "the end that is dialed"])(
    "and puts its own certificates before %s gains nothing",
    (which) => {
      const { clock, ends, live, member } = lab();
      const [left, right] = [member(1n), member(2n)];
      left.transport.setPeers([2n]);
      clock.advance(30);
      const [near, far] = ends();
      if (which !== "the end that is dialed") near.fingerprints = { own: sha(1), peer: sha(66) };
      if (which !== "the end that dials") far.fingerprints = { own: sha(2), peer: sha(67) };
      clock.advance(20_000);
      expect([left.recorder.events, right.recorder.events]).toEqual([[], []]);
      expect(live()).toEqual([]);
    },
  );

  test("about which side dials gains nothing: a proof names both members", () => {
    const { clock, live, member, room } = lab();
    const [left, right] = [member(1n), member(2n)];
    const honest = left.port.events;
    if (honest === undefined) throw new Error("a port that has been started");
    left.port.events = {
      ...honest,
      onChannel: (channel) => honest.onChannel(Object.assign(channel, { peerId: "m3" })),
    };
    right.transport.setPeers([1n]);
    clock.advance(20_000);
    expect([left.recorder.events, right.recorder.events]).toEqual([[], []]);
    expect(live()).toEqual([]);
    expect(room.dials[0]).toBe("m2>m1");
  });
});

describe("a stranger that takes a member's name", () => {
  test("and replays that member's earlier messages is closed: a nonce is valid once", () => {
    const { clock, ends, live, member, stranger } = lab();
    const left = member(1n);
    const right = member(2n);
    left.transport.setPeers([2n]);
    clock.advance(100);
    const recorded = ends()[1].messages.slice();
    right.transport.close();
    clock.advance(100);
    expect(left.recorder.events).toEqual(["up 2", "down 2"]);
    const thief = stranger(2n, (message, channel) => {
      if (typeOf(message) !== HELLO) return;
      for (const said of recorded) channel.send(said as Uint8Array<ArrayBuffer>);
      channel.send(PART);
    });
    thief.dial(1n);
    left.transport.retryNow();
    clock.advance(20_000);
    expect(left.recorder.events).toEqual(["up 2", "down 2"]);
    expect(left.recorder.frames).toEqual([]);
    expect(live()).toEqual([]);
  });

  test("and echoes all our messages is closed", () => {
    const { clock, live, member, stranger } = lab();
    const left = member(1n);
    const echo = stranger(2n, (message, channel) => channel.send(message.slice()));
    left.transport.setPeers([2n]);
    echo.dial(1n);
    clock.advance(20_000);
    expect(left.recorder.events).toEqual([]);
    expect(live()).toEqual([]);
  });

  test("and makes us respond on one connection to our own request on another is closed", () => {
    const { clock, live, member, stranger } = lab();
    const left = member(1n);
    const channels: Channel[] = [];
    const middle = stranger(2n, (message, channel) => {
      if (!channels.includes(channel)) channels.push(channel);
      // Each of this side's messages comes back by the other connection.
      const other = channels.find((candidate) => candidate !== channel);
      other?.send(message.slice());
    });
    left.transport.setPeers([2n]);
    middle.dial(1n);
    clock.advance(20_000);
    expect(channels).toHaveLength(2);
    expect(middle.heard.some((message) => typeOf(message) === WELCOME)).toBe(true);
    expect(left.recorder.events).toEqual([]);
    expect(live()).toEqual([]);
  });

  const hello = encodeGreeting({ type: HELLO, session: 7n, nonce: new Uint8Array(32), invitation: undefined });
  const lie = encodeGreeting({
    type: WELCOME,
    session: 7n,
    nonce: new Uint8Array(32),
    proof: new Uint8Array(32),
    admission: undefined,
    member: undefined,
    invitation: undefined,
  });

  test.each([
    ["says nothing", []],
    ["greets and proves nothing", [hello]],
    ["greets and talks on", [hello, PART, new Uint8Array([0x02]), PART]],
    ["talks without a greeting", [PART]],
    ["makes up a proof", [hello, lie, PART]],
    ["makes up a proof without a greeting", [lie, PART]],
    [
      "has greeted as another",
      [hello, encodeGreeting({ type: HELLO, session: 8n, nonce: new Uint8Array(32), invitation: undefined })],
    ],
    [
      "changes its nonce",
      [hello, encodeGreeting({ type: HELLO, session: 7n, nonce: new Uint8Array(32).fill(1), invitation: undefined })],
    ],
    ["speaks the version before proofs", [new Uint8Array([HELLO, 2, 0, 0, 0, 0, 0, 0, 0, 7])]],
    ["cuts its greeting", [hello.slice(0, -1)]],
    ["cuts its proof", [hello, lie.slice(0, -1)]],
  ])("and %s is closed within seconds, and gets no response as a member", (_, says) => {
    const { clock, live, member, stranger } = lab();
    const left = member(1n);
    const visitor = stranger(2n, (message, channel) => {
      if (typeOf(message) === HELLO) for (const said of says) channel.send(said.slice());
    });
    visitor.dial(1n);
    clock.advance(6000);
    left.transport.send(2n, new Uint8Array([1]));
    clock.advance(100);
    expect(left.recorder.events).toEqual([]);
    expect(left.recorder.frames).toEqual([]);
    expect(live()).toEqual([]);
    expect(visitor.heard.every((message) => [HELLO, WELCOME].includes(message[0] ?? 0))).toBe(true);
  });

  test("and floods before it has proved anything is closed at the bound", () => {
    const { clock, live, member, stranger } = lab();
    const left = member(1n);
    const visitor = stranger(2n);
    const channel = visitor.dial(1n);
    clock.advance(50);
    channel.send(hello.slice());
    for (let index = 0; index < 256; index++) channel.send(PART);
    clock.advance(2);
    expect(live()).toHaveLength(2);
    channel.send(PART);
    clock.advance(2);
    expect(live()).toEqual([]);
    const again = visitor.dial(1n);
    clock.advance(50);
    again.send(hello.slice());
    for (let index = 0; index < 9; index++) again.send(new Uint8Array(64 * 1024).fill(0x50));
    clock.advance(2);
    expect(live()).toEqual([]);
    expect(left.recorder.events).toEqual([]);
  });
});

test("a connection with unknown certificates is rejected", () => {
  for (const fingerprints of [undefined, { own: new Uint8Array(0), peer: new Uint8Array(0) }]) {
    const { clock, ends, live, member } = lab();
    const left = member(1n);
    member(2n);
    left.transport.setPeers([2n]);
    clock.advance(30);
    for (const end of ends()) end.fingerprints = fingerprints;
    clock.advance(20_000);
    expect(left.recorder.events).toEqual([]);
    expect(live()).toEqual([]);
  }
});

test.each([
  [4, "peer-older"],
  [6, "peer-newer"],
])(
  "a member is told that a peer speaks version %i of the greeting, which is %s, and the two do not meet",
  (version, code) => {
    expect(decodeGreeting(new Uint8Array([HELLO, version, 0, 0, 0, 0, 0, 0, 0, 0]))).toBe(code);
    const { clock, live, member, stranger } = lab();
    const denials: string[] = [];
    const { recorder } = member(1n);
    Object.assign(recorder, { onDenied: (peer: bigint, denial: string) => denials.push(`${peer} ${denial}`) });
    // It greets as soon as it is greeted.
    const other = stranger(2n, (message, channel) => {
      const greeting = message.slice();
      greeting[1] = version;
      if (message[0] === HELLO) channel.send(greeting);
    });
    other.dial(1n);
    clock.advance(1_000);
    expect([denials[0], recorder.events, live()]).toEqual([`2 ${code}`, [], []]);
  },
);

test("a session description names a fingerprint only if it names one", () => {
  const line = (algorithm: string, byte: string) => `a=fingerprint:${algorithm} ${Array(32).fill(byte).join(":")}\r\n`;
  expect(describedFingerprint(`v=0\r\n${line("sha-256", "AB")}`)).toEqual(new Uint8Array(32).fill(0xab));
  expect(describedFingerprint("v=0\r\n")).toBeUndefined();
  expect(describedFingerprint(line("sha-512", "AB"))).toBeUndefined();
  for (const other of ["sha-256", "sha-512"]) {
    expect(describedFingerprint(line("sha-256", "AB") + line(other, "CD"))).toBeUndefined();
    expect(describedFingerprint(line(other, "CD") + line("sha-256", "AB"))).toBeUndefined();
  }
});
