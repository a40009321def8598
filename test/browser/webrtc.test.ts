import { Peer } from "peerjs";
import { expect, inject, onTestFinished, test } from "vitest";
import type { MemberId } from "../../src/protocol/raft-message.ts";
import { peerJsPort } from "../../src/transport/peerjs.ts";
import { roomRegistry } from "../../src/transport/room.ts";
import { WebRtcTransport, type WebRtcTransportOptions } from "../../src/transport/webrtc.ts";
import { localStation, Recorder, transportContract } from "../contract/transport.ts";

declare module "vitest" {
  interface ProvidedContext {
    readonly signallingUrl: string;
  }
}

const baseUrl = inject("signallingUrl");

/** Of our protocol's version, session 0. */
const HELLO: Uint8Array = new Uint8Array([0x01, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
const WELCOME: Uint8Array = new Uint8Array([0x04, 2, 0, 0, 0, 0, 0, 0, 0, 0]);

function transportIn(
  room: string,
  id: MemberId,
  options: Partial<WebRtcTransportOptions> & { readonly token?: string } = {},
): WebRtcTransport {
  const { token = `token of ${id}`, ...rest } = options;
  const port = peerJsPort({ id, baseUrl, room, token: token.replaceAll(" ", "-"), iceServers: [] });
  return new WebRtcTransport({ id, port, redialMs: 50, ...rest });
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
  /** It greets as a member does, and then does no more than a crashed browser does. */
  const greet = (): void => {
    void connection.send(HELLO);
    void connection.send(WELCOME);
  };
  return { closed, connection, greet };
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

/** Started, and told by the server that others can find it. */
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
  const { closed, greet } = await stranger(room, "m2", 1n);
  greet();
  expect(await recorder.told("up 2")).toEqual(["up 2"]);
  await closed;
  expect(await recorder.told("down 2")).toEqual(["up 2", "down 2"]);
});

test("a page that comes back under its id takes over its former self, here and at the signalling server", async () => {
  const room = crypto.randomUUID();
  const left = openTransport(room, 1n, { pingMs: 60_000 });
  left.transport.setPeers([2n]);
  // It has crashed, and nobody has noticed: neither the server nor the peer has seen anything close.
  const former = await stranger(room, "m2", 1n, "token-of-2");
  former.greet();
  await left.recorder.told("up 2");
  const next = openTransport(room, 2n, { session: 77n });
  next.transport.setPeers([1n]);
  await next.recorder.told("up 1");
  // Who comes back may know that it is welcome before the other has moved over to it.
  await former.closed;
  left.transport.send(2n, new Uint8Array([42]));
  expect((await next.recorder.received(1)).map(({ frame }) => [...frame])).toEqual([[42]]);
  expect(left.recorder.events).toEqual(["up 2"]);
});

test("an id that somebody else holds is refused, and told so, until it is free", async () => {
  const room = crypto.randomUUID();
  const holder = await onlineTransport(room, 1n, { token: "mine" });
  const told: string[] = [];
  let wake = (): void => {};
  const opened = new Promise<void>((resolve) => (wake = resolve));
  const refused = new Promise<void>((resolve) => {
    openTransport(room, 1n, {
      token: "yours",
      onSignalling: (state, text) => {
        told.push(state === "refused" ? `${state}: ${text}` : state);
        if (state === "refused") resolve();
        if (state === "open") wake();
      },
    });
  });
  await refused;
  holder.transport.close();
  await opened;
  expect(told.slice(0, 3)).toEqual(["connecting", 'refused: ID "m1" is taken', "connecting"]);
  expect(told.at(-1)).toBe("open");
});

test("a server that is not there is told as lost, and asked again", async () => {
  const states: string[] = [];
  const port = peerJsPort({ id: 1n, baseUrl: "http://127.0.0.1:9", room: "x", token: "t", iceServers: [] });
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
  expect(await recorder.told("up 2")).toEqual(["up 2"]);
  expect(connection.open).toBe(false);
});

test("the room's registry is reachable from a page, and sees who is online", async () => {
  const room = crypto.randomUUID();
  await onlineTransport(room, 7n);
  const registry = roomRegistry(baseUrl, room, (url, init) => fetch(url, init));
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
    import { peerJsPort } from "${new URL("../../src/transport/peerjs.ts", import.meta.url).href}";
    import { WebRtcTransport } from "${new URL("../../src/transport/webrtc.ts", import.meta.url).href}";
    const port = peerJsPort({ id: 2n, baseUrl: "${baseUrl}", room: "${room}", token: "of-2", iceServers: [] });
    new WebRtcTransport({ id: 2n, port }).start({ onFrame() {}, onPeerUp() {}, onPeerDown() {} });`;
  frame.contentDocument?.body.append(script);
  await recorder.told("up 2");
  const tornDownMs = performance.now();
  frame.remove();
  await recorder.told("down 2");
  // A second and a half; WebRTC by itself takes half a minute.
  expect(performance.now() - tornDownMs).toBeLessThan(25_000);
  openTransport(room, 2n, { token: "of-2" });
  await recorder.told("up 2", 2);
});
