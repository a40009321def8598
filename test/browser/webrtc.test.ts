import { Peer } from "peerjs";
import { expect, inject, onTestFinished, test } from "vitest";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import type { Channel, PeerPort } from "../../src/transport/channel.ts";
import { type TransportClock, platformClock } from "../../src/transport/clock.ts";
import { newCertificate } from "../../src/transport/dtls.ts";
import { peerJsPort } from "../../src/transport/peerjs.ts";
import { credentialsOf, newRoomSecret, roomKeys } from "../../src/transport/room-secret.ts";
import { roomRegistry } from "../../src/transport/room.ts";
import { WebRtcTransport, type WebRtcTransportOptions } from "../../src/transport/webrtc.ts";
import { localStation, Recorder, transportContract } from "../contract/transport.ts";
import { LyingSignalling } from "./lying-signalling.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly signallingUrl: string;
  }
}

const baseUrl = inject("signallingUrl");

const certificate: RTCCertificate = await newCertificate();
const SECRET = newRoomSecret();
const HELLO = 0x01;
const WELCOME = 0x04;

type Options = Partial<WebRtcTransportOptions> & {
  readonly token?: string;
  readonly ticket?: (peerId: string, token: string) => Promise<string>;
};

function transportIn(room: string, id: MemberId, options: Options = {}): WebRtcTransport {
  const { ticket, ...rest } = options;
  const token = tokenIn(id, options);
  const tickets = ticket === undefined ? {} : { ticket };
  const port = peerJsPort({ id, baseUrl, room, token, certificate, iceServers: [], ...tickets });
  return new WebRtcTransport({
    id,
    port,
    redialMs: 50,
    credentials: () => credentialsOf(roomKeys(room, SECRET)),
    ...rest,
  });
}

function tokenIn(id: MemberId, { token = `token-of-${id}` }: Options): string {
  return token;
}

/** A member whose browser can be frozen: it sends, receives and does nothing more, but nothing closes. */
function freezingMember(room: string, id: MemberId, target?: MemberId) {
  let isFrozen = false;
  const clock: TransportClock = {
    nowMs: () => platformClock.nowMs(),
    after: (delayMs, run) =>
      platformClock.after(delayMs, () => {
        if (!isFrozen) run();
      }),
  };
  let close: () => void = () => {};
  const closed = new Promise<void>((resolve) => (close = resolve));
  const frozen = (channel: Channel): Channel => ({
    peerId: channel.peerId,
    dialed: channel.dialed,
    get bufferedBytes() {
      return channel.bufferedBytes;
    },
    get fingerprints() {
      return channel.fingerprints;
    },
    start: (events) =>
      channel.start({
        onOpen: () => events.onOpen(),
        onMessage: (data) => {
          if (!isFrozen) events.onMessage(data);
        },
        onDrained: () => events.onDrained(),
        onDoubt: () => {},
        onClosed: (reason) => {
          close();
          events.onClosed(reason);
        },
      }),
    send: (message) => {
      if (!isFrozen) channel.send(message);
    },
    close: () => {
      if (!isFrozen) channel.close();
    },
  });
  const inner = peerJsPort({ id, baseUrl, room, token: tokenIn(id, {}), certificate, clock, iceServers: [] });
  const port: PeerPort = {
    start: (events) => inner.start({ ...events, onChannel: (channel) => events.onChannel(frozen(channel)) }),
    dial: (peerId) => {
      const channel = isFrozen ? undefined : inner.dial(peerId);
      return channel === undefined ? undefined : frozen(channel);
    },
    retryNow: () => inner.retryNow(),
    close: () => inner.close(),
  };
  const { transport, recorder } = openTransport(room, id, { port, clock });
  if (target !== undefined) transport.setPeers([target]);
  return {
    closed,
    recorder,
    freeze: (): void => {
      isFrozen = true;
    },
  };
}

/** A PeerJS peer that is none of ours, under any name, connected to a member. */
async function stranger(room: string, name: string, target: MemberId, token: string = "a-token") {
  const { hostname, port } = new URL(baseUrl);
  const path = `/peerjs/room/${room}`;
  const peer = new Peer(name, { host: hostname, port: Number(port), path, token, config: { iceServers: [] } });
  onTestFinished(() => peer.destroy());
  await new Promise<void>((resolve) => peer.on("open", () => resolve()));
  const connection = peer.connect(`m${target}`, { reliable: true, serialization: "raw" });
  const closed = new Promise<void>((resolve) => connection.on("close", () => resolve()));
  await new Promise<void>((resolve) => connection.on("open", () => resolve()));
  return { closed, connection };
}

transportContract("webrtc", async () => {
  const room = crypto.randomUUID();
  const transports: WebRtcTransport[] = [];
  return {
    ordered: true,
    garbage: async (_from, to) => {
      const { connection, closed } = await stranger(room, `m${1000n + to}`, to);
      void connection.send(new Uint8Array([0x50, 1, 2, 3]));
      await closed;
    },
    station: async (id, limits) => {
      const transport = transportIn(room, id, limits);
      transports.push(transport);
      return localStation(id, transport);
    },
    close: async () => {
      for (const transport of transports) transport.close();
    },
  };
});

function openTransport(...args: Parameters<typeof transportIn>): { transport: WebRtcTransport; recorder: Recorder } {
  const transport = transportIn(...args);
  const recorder = new Recorder();
  onTestFinished(() => transport.close());
  transport.start(recorder);
  return { transport, recorder };
}

/** Started, and confirmed by the server: others can find it. */
async function onlineTransport(
  room: string,
  id: MemberId,
  options: Parameters<typeof transportIn>[2] = {},
): Promise<ReturnType<typeof openTransport>> {
  return new Promise((resolve) => {
    const opened = openTransport(room, id, {
      ...options,
      onSignalling: (state) => {
        if (state === "open") resolve(opened);
      },
    });
  });
}

test("a peer that falls silent is taken down by pings, long before WebRTC notices", async () => {
  const room = crypto.randomUUID();
  const { recorder } = openTransport(room, 1n, { pingMs: 100 });
  const { closed, freeze } = freezingMember(room, 2n, 1n);
  expect(await recorder.observed("up 2")).toEqual(["up 2"]);
  freeze();
  await closed;
  expect(await recorder.observed("down 2")).toEqual(["up 2", "down 2"]);
});

test("a page that returns under its id replaces its previous connection, here and at the signalling server", async () => {
  const room = crypto.randomUUID();
  const left = openTransport(room, 1n, { pingMs: 60_000 });
  left.transport.setPeers([2n]);
  // It has crashed, and nobody has noticed: neither the server nor the peer has seen anything close.
  const former = freezingMember(room, 2n);
  await left.recorder.observed("up 2");
  await former.recorder.observed("up 1");
  former.freeze();
  const next = openTransport(room, 2n, { session: 77n });
  next.transport.setPeers([1n]);
  await next.recorder.observed("up 1");
  // Who comes back may know that it is welcome before the other has moved over to it.
  await former.closed;
  left.transport.send(2n, new Uint8Array([42]));
  expect((await next.recorder.received(1)).map(({ frame }) => [...frame])).toEqual([[42]]);
  expect(left.recorder.events).toEqual(["up 2"]);
});

test("an id that another page holds is rejected with a message until it is free", async () => {
  const room = crypto.randomUUID();
  const holder = await onlineTransport(room, 1n, { token: "mine" });
  const observed: string[] = [];
  let wake = (): void => {};
  const opened = new Promise<void>((resolve) => (wake = resolve));
  const refused = new Promise<void>((resolve) => {
    openTransport(room, 1n, {
      token: "yours",
      onSignalling: (state, text) => {
        observed.push(state === "refused" ? `${state}: ${text}` : state);
        if (state === "refused") resolve();
        if (state === "open") wake();
      },
    });
  });
  await refused;
  holder.transport.close();
  await opened;
  expect(observed.slice(0, 3)).toEqual(["connecting", 'refused: ID "m1" is taken', "connecting"]);
  expect(observed.at(-1)).toBe("open");
});

test("an unreachable server is reported as lost, and tried again", async () => {
  const states: string[] = [];
  const port = peerJsPort({
    id: 1n,
    baseUrl: "http://127.0.0.1:9",
    room: "x",
    token: "t",
    certificate,
    iceServers: [],
  });
  onTestFinished(() => port.close());
  await new Promise<void>((resolve) => {
    port.start({
      onChannel: () => {},
      onSignalling: (state) => {
        states.push(state);
        if (states.length === 5) resolve();
      },
    });
  });
  expect(states).toEqual(["connecting", "lost", "connecting", "lost", "connecting"]);
});

test("a PeerJS peer that is no member is turned away", async () => {
  const room = crypto.randomUUID();
  const { recorder } = openTransport(room, 1n);
  const { hostname, port } = new URL(baseUrl);
  const peer = new Peer("chat-client", { host: hostname, port: Number(port), path: `/peerjs/room/${room}` });
  onTestFinished(() => peer.destroy());
  await new Promise<void>((resolve) => peer.on("open", () => resolve()));
  const connection = peer.connect("m1", { reliable: true, serialization: "raw" });
  // A member that asks later is connected sooner.
  openTransport(room, 2n).transport.setPeers([1n]);
  expect(await recorder.observed("up 2")).toEqual(["up 2"]);
  expect(connection.open).toBe(false);
});

test("the room's registry is reachable from a page, and lists the peers that are online", async () => {
  const room = crypto.randomUUID();
  await onlineTransport(room, 7n);
  const registry = roomRegistry(baseUrl, room, { type: "open" }, (url, init) => fetch(url, init));
  expect(await registry.claim(7n, 70n)).toMatchObject({ founded: true, cluster: 70n, founder: 7n, members: [7n] });
  expect(await registry.claim(8n, 80n)).toMatchObject({ founded: false, cluster: 70n, founder: 7n });
  expect(await registry.confirm(7n, 70n)).toBe(true);
  expect(await registry.peers()).toEqual([7n]);
});

test("a page that is torn down without a word is down soon, and its id can be taken over", async () => {
  const room = crypto.randomUUID();
  const { recorder, transport } = openTransport(room, 1n, { pingMs: 250 });
  transport.setPeers([2n]);
  const frame = document.createElement("iframe");
  document.body.append(frame);
  const script = frame.contentDocument?.createElement("script");
  if (script === undefined) throw new Error("a document of its own");
  script.type = "module";
  script.textContent = `
    import { newCertificate } from "${new URL("../../src/transport/dtls.ts", import.meta.url).href}";
    import { credentialsOf, roomKeys } from "${new URL("../../src/transport/room-secret.ts", import.meta.url).href}";
    import { peerJsPort } from "${new URL("../../src/transport/peerjs.ts", import.meta.url).href}";
    import { WebRtcTransport } from "${new URL("../../src/transport/webrtc.ts", import.meta.url).href}";
    const certificate = await newCertificate();
    const credentials = () => credentialsOf(roomKeys("${room}", "${SECRET}"));
    const port = peerJsPort({ id: 2n, baseUrl: "${baseUrl}", room: "${room}", token: "of-2", certificate, iceServers: [] });
    new WebRtcTransport({ id: 2n, port, credentials }).start({ onFrame() {}, onPeerUp() {}, onPeerDown() {} });`;
  frame.contentDocument?.body.append(script);
  await recorder.observed("up 2");
  const tornDownMs = performance.now();
  frame.remove();
  await recorder.observed("down 2");
  // A second and a half; WebRTC by itself takes half a minute.
  expect(performance.now() - tornDownMs).toBeLessThan(25_000);
  openTransport(room, 2n, { token: "of-2" });
  await recorder.observed("up 2", 2);
});

test("a stranger that knows the room's name is closed, whatever it says, and nothing of it is read", async () => {
  const room = crypto.randomUUID();
  const { recorder } = openTransport(room, 1n);
  const heard: number[] = [];
  const { closed, connection } = await stranger(room, "m2", 1n);
  connection.on("data", (data) => {
    heard.push(new Uint8Array(data as ArrayBuffer)[0] ?? 0);
    // It plays back our own greeting, then talks.
    void connection.send(data);
    void connection.send(new Uint8Array([0x50, 1, 2, 3]));
  });
  await closed;
  expect(heard.every((type) => type === HELLO || type === WELCOME)).toBe(true);
  expect([recorder.events, recorder.frames]).toEqual([[], []]);
});

test("members with different secrets do not connect", async () => {
  const room = crypto.randomUUID();
  const left = await onlineTransport(room, 1n);
  const other = openTransport(room, 2n, { credentials: () => credentialsOf(roomKeys(room, newRoomSecret())) });
  other.transport.setPeers([1n]);
  // One with the right secret that asks later is connected all the same.
  const right = openTransport(room, 3n);
  right.transport.setPeers([1n]);
  expect(await left.recorder.observed("up 3")).toEqual(["up 3"]);
  expect(other.recorder.events).toEqual([]);
});

test("a signalling server that puts its own certificates between two members gains nothing", async () => {
  const room = crypto.randomUUID();
  const liar = new LyingSignalling();
  onTestFinished(() => liar.stop());
  liar.start();
  const left = await onlineTransport(room, 1n);
  const right = await onlineTransport(room, 2n);
  left.transport.setPeers([2n]);
  await liar.bridgeClosed;
  left.transport.send(2n, new Uint8Array([42]));
  // The bridge worked: each has heard the other's greeting, and at least one its proof. The first bridge may close
  // before it has carried both greetings; then members try again.
  const heard = (from: string): Set<number> =>
    new Set(liar.heard.filter((one) => one.from === from).map(({ type }) => type));
  await expect.poll(() => [heard("m1").has(HELLO), heard("m2").has(HELLO)], { timeout: 60_000 }).toEqual([true, true]);
  await expect.poll(() => liar.heard.some(({ type }) => type === WELCOME), { timeout: 60_000 }).toBe(true);
  expect(liar.heard.every(({ type }) => type === HELLO || type === WELCOME)).toBe(true);
  expect([left.recorder.events, right.recorder.events]).toEqual([[], []]);
});

test("a room with a key requires a new ticket for each connection, and rejects a connection without one with a message", async () => {
  const room = crypto.randomUUID();
  const ask: Parameters<typeof roomRegistry>[3] = (url, init) => fetch(url, init);
  const registry = roomRegistry(baseUrl, room, { type: "key", key: "the-key" }, ask);
  await registry.claim(1n, 10n);
  await registry.confirm(1n, 10n);
  let tickets = 0;
  const ticket = (peerId: string, token: string): Promise<string> => {
    tickets += 1;
    return registry.ticket(peerId, token);
  };
  const left = await onlineTransport(room, 1n, { ticket });
  const right = await onlineTransport(room, 2n, { ticket });
  right.transport.setPeers([1n]);
  expect(await left.recorder.observed("up 2")).toEqual(["up 2"]);
  expect(tickets).toBe(2);
  // A reload: the same member again, by its token.
  await onlineTransport(room, 2n, { ticket, session: 9n });
  expect(tickets).toBe(3);

  const wrong = roomRegistry(baseUrl, room, { type: "key", key: "another" }, ask);
  const observed = await new Promise<string>((resolve) => {
    openTransport(room, 3n, {
      ticket: (peerId, token) => wrong.ticket(peerId, token),
      onSignalling: (state, text) => {
        if (state === "refused") resolve(text);
      },
    });
  });
  expect(observed).toBe("the room is closed by another secret");
  expect(new Set(await registry.peers())).toEqual(new Set([1n, 2n]));
});
