import type { PeerProof } from "../../src/transport/greeting/handshake.ts";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { equalBytes } from "../../src/base/bytes.ts";
import { fromBase64, toBase64 } from "../../src/base/text-codes.ts";
import type { Channel, RelayWire } from "../../src/transport/channel.ts";
import { peerIdOf } from "../../src/transport/peer-id.ts";
import { RelayPort } from "../../src/transport/relay/relay-port.ts";
import type { RelayKeys } from "../../src/transport/relay/relay-port.ts";
import { invitedRelayKey } from "../../src/transport/relay/relay-seal.ts";
import { RelayedTransport } from "../../src/transport/relay/relayed-transport.ts";
import type { WayTransport } from "../../src/transport/relay/relayed-transport.ts";
import { newRoomSecret, roomKeys } from "../../src/transport/room-secret.ts";
import type { TransportHandlers } from "../../src/transport/transport.ts";
import { ManualClock } from "./manual-clock.ts";

const KEY = roomKeys("room", newRoomSecret()).relay;
/** WebCrypto takes its time on a busy machine. */
const WAIT = { timeout: 20_000 };
const DIAL = 1;
const DATA = 3;

/** What the server does with a text on its way: it may change, repeat, keep or misdirect it. */
type Meddle = (bytes: Uint8Array<ArrayBuffer>) => readonly Uint8Array[];

class Server {
  readonly texts: string[] = [];
  readonly #heard: Map<string, (peerId: string, text: unknown) => void> = new Map();
  meddle: Meddle = (bytes) => [bytes];

  deliver(from: string, to: string, text: string): void {
    this.#heard.get(to)?.(from, text);
  }

  wire(peerId: string): RelayWire {
    return {
      isOpen: true,
      bufferedBytes: 0,
      send: (to, text) => {
        this.texts.push(text);
        for (const bytes of this.meddle(fromBase64(text) as Uint8Array<ArrayBuffer>)) {
          this.#heard.get(to)?.(peerId, toBase64(bytes));
        }
      },
      listen: (received) => void this.#heard.set(peerId, received),
    };
  }
}

interface End {
  readonly channel: Channel;
  readonly got: string[];
  readonly ends: string[];
  opened: boolean;
}

function watched(channel: Channel): End {
  const end: End = { channel, got: [], ends: [], opened: false };
  channel.start({
    onOpen: () => {
      end.opened = true;
    },
    onMessage: (data) => void end.got.push(new TextDecoder().decode(data as ArrayBuffer)),
    onDrained: () => {},
    onDoubt: () => {},
    onClosed: (reason) => void end.ends.push(reason),
  });
  return end;
}

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);

/** WebCrypto's results come in later turns. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
}

let server: Server;

function ofRoom(key: Uint8Array): RelayKeys {
  return { own: () => ({ key, invitation: undefined }), of: (named) => (named === undefined ? key : undefined) };
}

function connect(keyOfDialed: Uint8Array = KEY): { near: End; accepted: End[] } {
  const accepted: End[] = [];
  const dialer = new RelayPort(1n, ofRoom(KEY), server.wire("m1"));
  const dialed = new RelayPort(2n, ofRoom(keyOfDialed), server.wire("m2"));
  dialer.start({ onSignalling: () => {}, onChannel: () => {} });
  dialed.start({ onSignalling: () => {}, onChannel: (channel) => void accepted.push(watched(channel)) });
  const near = watched(dialer.dial("m2") as Channel);
  return { near, accepted };
}

/** Both ends of a channel. */
async function connected(): Promise<readonly [End, End]> {
  const { near, accepted } = connect();
  await settled();
  const [far] = accepted;
  if (far === undefined) throw new Error("nobody was dialed");
  return [near, far];
}

beforeEach(() => {
  server = new Server();
});

describe("a relayed channel", () => {
  test("carries messages in order both ways; the server sees none of them, and both ends have the same bindings", async () => {
    const [near, far] = await connected();
    // A dialed channel that nobody started yet opens when it is started; this one dials back at once.
    for (const text of ["one", "two", "three"]) near.channel.send(bytes(text));
    far.channel.send(bytes("back"));
    await settled();
    expect([near.opened, far.opened, far.got, near.got]).toEqual([true, true, ["one", "two", "three"], ["back"]]);
    const seen = server.texts.map((text) => new TextDecoder().decode(fromBase64(text)));
    for (const word of ["one", "two", "three", "back"]) expect(seen.filter((text) => text.includes(word))).toEqual([]);
    expect(near.channel.fingerprints?.own).toEqual(far.channel.fingerprints?.peer);
    expect(near.channel.fingerprints?.peer).toEqual(far.channel.fingerprints?.own);
    expect(near.channel.fingerprints?.own).not.toEqual(near.channel.fingerprints?.peer);
  });

  test.each<[string, Meddle]>([
    ["changes", (data) => [data.map((byte, at) => (at === data.length - 1 ? byte ^ 1 : byte))]],
    ["repeats", (data) => [data, data]],
    [
      "loses",
      (() => {
        let count = 0;
        return (data: Uint8Array) => (count++ === 0 ? [] : [data]);
      })(),
    ],
  ])("ends where the server %s a message; nothing wrong is delivered", async (_how, meddle) => {
    const [near, far] = await connected();
    server.meddle = (data) => (data[0] === DATA ? meddle(data) : [data]);
    near.channel.send(bytes("one"));
    near.channel.send(bytes("two"));
    await vi.waitFor(() => expect(far.ends).toEqual(["a message that the peer has not sealed"]), WAIT);
    expect(["", "one"]).toContain(far.got.join());
  });

  test("a dial that the server repeats later opens a channel with other keys, on which nothing recorded opens", async () => {
    const recorded: Uint8Array[] = [];
    server.meddle = (data) => {
      recorded.push(data.slice());
      return [data];
    };
    const { near, accepted } = connect();
    await settled();
    near.channel.send(bytes("transfer"));
    await settled();
    near.channel.close();
    await settled();
    expect(accepted).toHaveLength(1);
    for (const data of recorded.filter(([type]) => type === DIAL || type === DATA)) {
      server.wire("m1").send("m2", toBase64(data));
    }
    await vi.waitFor(() => expect(accepted[1]?.ends).toEqual(["a message that the peer has not sealed"]), WAIT);
    expect([accepted.length, accepted[1]?.got]).toEqual([2, []]);
  });

  test("an end with another room's key opens nothing", async () => {
    const { near, accepted } = connect(roomKeys("other", newRoomSecret()).relay);
    await settled();
    near.channel.send(bytes("hello"));
    await vi.waitFor(() => expect(accepted[0]?.ends).toEqual(["a message that the peer has not sealed"]), WAIT);
    expect(accepted[0]?.got).toEqual([]);
  });

  test("a guest that does not know the room's key seals by its invitation; whoever does not know that is not reached", async () => {
    const invitation = new Uint8Array(32).fill(7);
    const shared = invitedRelayKey(new Uint8Array(32).fill(8));
    const guest: RelayKeys = { own: () => ({ key: shared, invitation }), of: () => undefined };
    const member: RelayKeys = {
      own: () => ({ key: KEY, invitation: undefined }),
      of: (named) => (named === undefined ? KEY : equalBytes(named, invitation) ? shared : undefined),
    };
    const accepted: End[] = [];
    const port = (id: bigint, keys: RelayKeys): RelayPort => {
      const made = new RelayPort(id, keys, server.wire(`m${id}`));
      made.start({ onSignalling: () => {}, onChannel: (channel) => void accepted.push(watched(channel)) });
      return made;
    };
    const [dialer] = [port(1n, guest), port(2n, member), port(3n, ofRoom(KEY))];
    const near = watched(dialer.dial("m2") as Channel);
    near.channel.send(bytes("let me in"));
    await vi.waitFor(() => expect(accepted[0]?.got).toEqual(["let me in"]), WAIT);
    expect(server.texts.filter((text) => new TextDecoder().decode(fromBase64(text)).includes("let me in"))).toEqual([]);
    watched(dialer.dial("m3") as Channel);
    // Nor is it reached by the room's key, which it does not know.
    expect(new RelayPort(4n, { own: () => undefined, of: () => undefined }, server.wire("m4")).dial("m2")).toBe(
      undefined,
    );
    port(5n, member).dial("m1");
    expect(accepted).toHaveLength(1);
  });

  test("what is no message of ours is dropped, and a peer that is no member is not heard", () => {
    const { near, accepted } = connect();
    for (const text of [
      "",
      "no base64!",
      toBase64(new Uint8Array(3)),
      toBase64(new Uint8Array(40)),
      "A".repeat(80_000),
    ]) {
      server.deliver("m1", "m2", text);
    }
    server.deliver("stranger", "m2", toBase64(new Uint8Array([DIAL, ...new Uint8Array(16)])));
    expect([accepted.length, near.ends]).toEqual([1, []]);
  });
});

class Way implements WayTransport {
  readonly maxFrameBytes = 100;
  handlers: TransportHandlers | undefined;
  peers: readonly bigint[] = [];
  readonly sent: string[] = [];
  start(handlers: TransportHandlers): void {
    this.handlers = handlers;
  }
  send(to: bigint, frame: Uint8Array): void {
    this.sent.push(`${to}: ${[...frame].join()}`);
  }
  setPeers(peers: readonly bigint[]): void {
    this.peers = peers;
  }
  isAuthenticated(peer: bigint): boolean {
    return this.peers.includes(peer);
  }
  proof: PeerProof | undefined;
  proofOf(): PeerProof | undefined {
    return this.proof;
  }
  retryNow(): void {}
  close(): void {}
}

describe("the way to a peer", () => {
  const clock = new ManualClock();
  let direct: Way;
  let relay: Way;
  let heard: string[];
  let both: RelayedTransport;

  beforeEach(() => {
    [direct, relay, heard] = [new Way(), new Way(), []];
    both = new RelayedTransport({
      direct,
      relay,
      clock,
      onRelayed: (ids) => void heard.push(`relayed ${ids.map(peerIdOf).join()}`),
    });
    both.start({
      onFrame: (from) => void heard.push(`frame of ${from}`),
      onPeerUp: (peer) => void heard.push(`up ${peer}`),
      onPeerDown: (peer) => void heard.push(`down ${peer}`),
    });
    both.setPeers([7n]);
  });

  test("proves what its peer proves; two ways to different ones prove nothing", () => {
    const proofOf = (byte: number): PeerProof => ({
      ...{ key: new Uint8Array(32).fill(byte), knowsSecret: true, invitation: undefined, isHost: false },
    });
    expect(both.proofOf(7n)).toBeUndefined();
    relay.proof = proofOf(1);
    expect(both.proofOf(7n)).toEqual(proofOf(1));
    direct.proof = proofOf(1);
    expect(both.proofOf(7n)).toEqual(proofOf(1));
    direct.proof = proofOf(2);
    expect(both.proofOf(7n)).toBeUndefined();
    relay.proof = { ...proofOf(2), knowsSecret: false };
    expect(both.proofOf(7n)).toBeUndefined();
  });

  test("is asked who may come in on both ways, and hears who denies", () => {
    const asked: unknown[] = [];
    const [near, far] = [new Way(), new Way()];
    new RelayedTransport({ direct: near, relay: far, clock }).start({
      onFrame: () => {},
      onPeerUp: () => {},
      onPeerDown: () => {},
      admit: (peer) => {
        asked.push(peer);
        return "other-key";
      },
      onDenied: (peer, code) => void asked.push(`${peer} ${code}`),
    });
    const proof = { key: undefined, knowsSecret: true, invitation: undefined, isHost: false };
    for (const { handlers } of [near, far]) {
      expect(handlers?.admit?.(7n, proof)).toBe("other-key");
      handlers?.onDenied?.(8n, "key-removed");
    }
    expect(asked).toEqual([7n, "8 key-removed", 7n, "8 key-removed"]);
  });

  test("is direct where that connects in time, and the relay is never asked", () => {
    clock.advance(4_000);
    direct.handlers?.onPeerUp(7n);
    clock.advance(60_000);
    both.send(7n, new Uint8Array([1]));
    expect([relay.peers, direct.sent, heard]).toEqual([[], ["7: 1"], ["up 7"]]);
  });

  test("is the relay after five seconds without a direct connection, and the direct one again when there is one", () => {
    clock.advance(5_000);
    expect(relay.peers).toEqual([7n]);
    relay.handlers?.onPeerUp(7n);
    both.send(7n, new Uint8Array([1]));
    expect([relay.sent, direct.sent]).toEqual([["7: 1"], []]);
    direct.handlers?.onPeerUp(7n);
    both.send(7n, new Uint8Array([2]));
    expect(direct.sent).toEqual(["7: 2"]);
    clock.advance(10_000);
    expect(relay.peers).toEqual([]);
    relay.handlers?.onPeerDown(7n);
    expect(heard).toEqual(["relayed m7", "up 7", "relayed "]);
  });

  test("moves to the relay when the direct one falls silent", () => {
    direct.handlers?.onPeerUp(7n);
    clock.advance(60_000);
    direct.handlers?.onPeerDown(7n);
    clock.advance(5_000);
    relay.handlers?.onPeerUp(7n);
    both.send(7n, new Uint8Array([3]));
    expect([relay.sent, heard]).toEqual([["7: 3"], ["up 7", "down 7", "relayed m7", "up 7"]]);
  });

  test("a peer that is not wanted any more is relayed no longer; one that dials by itself is heard", () => {
    clock.advance(5_000);
    both.setPeers([]);
    expect([relay.peers, direct.peers]).toEqual([[], []]);
    relay.handlers?.onPeerUp(8n);
    relay.handlers?.onFrame(8n, new Uint8Array([1]), () => {});
    both.send(8n, new Uint8Array([4]));
    expect([heard, relay.sent]).toEqual([["relayed m8", "up 8", "frame of 8"], ["8: 4"]]);
  });
});
