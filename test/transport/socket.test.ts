import { beforeEach, describe, expect, test } from "vitest";
import { newRoomSecret, roomKeys } from "../../src/transport/room-secret.ts";
import {
  CHALLENGE,
  challengeHead,
  encodeIntroduction,
  hashOfKey,
  HELLO,
  isTabProof,
  newNonce,
  PROOF,
  tabProof,
  WELCOME,
} from "../../src/transport/socket/socket-greeting.ts";
import { SocketDialer } from "../../src/transport/socket/socket-dialer.ts";
import type { DialedSocket } from "../../src/transport/socket/socket-dialer.ts";
import { SocketHub } from "../../src/transport/socket/socket-hub.ts";
import type { HubSocket, HubSocketState } from "../../src/transport/socket/socket-hub.ts";
import { ManualClock } from "./manual-clock.ts";

const OBJECT = 1n;
const OTHER_OBJECT = 2n;
const TAB = 77n;
const CLUSTER = 9n;
const KEY = roomKeys("room", newRoomSecret()).registry ?? "";

type Listener = (event: { data: unknown; code: number; reason: string }) => void;

/** One WebSocket, both ends of it, in this process. */
class Wire implements DialedSocket, HubSocket {
  binaryType = "";
  readyState = 0;
  bufferedAmount = 0;
  state: HubSocketState | undefined;
  readonly #listeners: [string, Listener][] = [];
  /** What the tab's end has sent, and what came to it. */
  readonly sent: unknown[] = [];
  readonly came: Uint8Array[] = [];
  closedWith: string | undefined;
  hub: SocketHub | undefined;
  pongs = true;

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.push([type, listener as Listener]);
  }

  open(hub: SocketHub, address = "a"): void {
    this.hub = hub;
    if (!hub.accept(this, address)) return this.close(1013, "too many");
    this.readyState = 1;
    this.tell("open", {});
  }

  /** Both ends send by this name; text and what is not for the object is the tab's own. */
  send(message: Uint8Array<ArrayBuffer> | string): void {
    if (this.#isFromObject) return this.#toTab(message as Uint8Array);
    this.sent.push(message);
    if (typeof message === "string") {
      if (this.pongs) this.tell("message", { data: "pong" });
    } else this.toObject(message);
  }

  #isFromObject = false;

  toObject(message: Uint8Array): void {
    this.#isFromObject = true;
    this.hub?.received(this, message.slice().buffer);
    this.#isFromObject = false;
  }

  /** Runs what makes the object send. */
  byObject(run: () => void): void {
    this.#isFromObject = true;
    run();
    this.#isFromObject = false;
  }

  #toTab(message: Uint8Array): void {
    this.came.push(message.slice());
    this.#isFromObject = false;
    this.tell("message", { data: message.slice().buffer });
    this.#isFromObject = true;
  }

  tell(type: string, event: object): void {
    for (const [heard, listener] of this.#listeners) {
      if (heard === type) listener({ data: undefined, code: 1006, reason: "", ...event });
    }
  }

  close(code: number, reason: string): void {
    if (this.closedWith !== undefined) return;
    this.closedWith = `${code} ${reason}`;
    this.readyState = 3;
    this.hub?.closed(this);
    this.tell("close", { code, reason });
  }
}

interface Heard {
  readonly frames: string[];
  readonly peers: string[];
}

function handlersOf(heard: Heard) {
  return {
    onFrame: (from: bigint, frame: Uint8Array, done: () => void) => {
      heard.frames.push(`${from}: ${[...frame].join()}`);
      done();
    },
    onPeerUp: (peer: bigint) => void heard.peers.push(`up ${peer}`),
    onPeerDown: (peer: bigint) => void heard.peers.push(`down ${peer}`),
  };
}

let clock: ManualClock;
let hub: SocketHub;
let atObject: Heard;
let wires: Wire[];

function newHub(sockets: readonly HubSocket[] = []): SocketHub {
  const made = new SocketHub({
    id: OBJECT,
    cluster: CLUSTER,
    keyHash: hashOfKey(KEY),
    isReserved: (id) => id === OBJECT || id === OTHER_OBJECT,
    sockets,
    nowMs: () => clock.nowMs(),
  });
  made.start(handlersOf(atObject));
  return made;
}

beforeEach(() => {
  clock = new ManualClock();
  atObject = { frames: [], peers: [] };
  wires = [];
  hub = newHub();
});

function newTab(given: { key?: string; id?: bigint; cluster?: bigint; opens?: boolean } = {}) {
  const heard: Heard = { frames: [], peers: [] };
  const states: string[] = [];
  const dialer = new SocketDialer({
    id: given.id ?? TAB,
    cluster: given.cluster ?? CLUSTER,
    registryKey: given.key ?? KEY,
    dial: (to) => {
      if (to !== OBJECT) return undefined;
      const wire = new Wire();
      wires.push(wire);
      if (given.opens !== false) clock.after(0, () => wire.open(hub));
      return wire;
    },
    onState: (state, text) => void states.push(`${state} ${text}`),
    clock,
    random: () => 0,
  });
  dialer.start(handlersOf(heard));
  dialer.setPeers([OBJECT]);
  clock.advance(1);
  return { dialer, heard, states };
}

const frame = (...bytes: number[]): Uint8Array => new Uint8Array(bytes);

describe("a tab's socket to an object", () => {
  test("carries frames both ways once each side has proved that it knows the room", () => {
    const { dialer, heard, states } = newTab();
    expect([atObject.peers, heard.peers]).toEqual([[`up ${TAB}`], [`up ${OBJECT}`]]);
    expect(states.at(-1)).toBe("open ");
    dialer.send(OBJECT, frame(1, 2));
    wires[0]?.byObject(() => hub.send(TAB, frame(3).subarray(0)));
    expect([atObject.frames, heard.frames]).toEqual([[`${TAB}: 1,2`], [`${OBJECT}: 3`]]);
    expect([hub.isAuthenticated(TAB), dialer.isAuthenticated(OBJECT)]).toEqual([true, true]);
  });

  test("reads no frame before the proof, from either side", () => {
    const wire = new Wire();
    wire.open(hub);
    wire.toObject(frame(9, 9, 9));
    expect(wire.closedWith).toContain("a greeting that is none");
    const early = new Wire();
    early.open(hub);
    early.toObject(hello());
    early.toObject(frame(9, 9, 9));
    expect(early.closedWith).toContain("a greeting that is none");
    expect(atObject).toEqual({ frames: [], peers: [] });
    const { heard } = newTab({ opens: false });
    const lying = wires[0] as Wire;
    lying.readyState = 1;
    lying.tell("open", {});
    lying.tell("message", { data: frame(9, 9).buffer });
    expect([heard.frames, heard.peers, lying.readyState]).toEqual([[], [], 3]);
  });

  test("the tab sends no proof to a server that does not know the room's key", () => {
    const { states, heard } = newTab({ key: roomKeys("room", newRoomSecret()).registry ?? "" });
    expect(states.at(-1)).toBe("refused a server that does not know this room");
    expect(wires[0]?.sent).toHaveLength(1);
    expect([heard.peers, atObject.peers]).toEqual([[], []]);
  });

  test("the object refuses a proof by another key, by its own hash of the key, and a recorded one", () => {
    const recorded = provedWith((greeting) => tabProof(KEY, greeting));
    expect(atObject.peers).toEqual([`up ${TAB}`]);
    const proofs = [
      provedWith((greeting) => tabProof(roomKeys("room", newRoomSecret()).registry ?? "", greeting)),
      provedWith(() => hashOfKey(KEY)),
      provedWith(() => recorded.proof),
      provedWith(() => new Uint8Array(0)),
    ];
    for (const { wire } of proofs) expect(wire.closedWith).toBe("4403 not the secret of this room");
    expect(atObject.peers).toEqual([`up ${TAB}`]);
  });

  test("a proof counts for its own hello and challenge alone", () => {
    const greeting = { hello: hello(), challenge: challenge() };
    const proof = tabProof(KEY, greeting);
    expect(isTabProof(proof, hashOfKey(KEY), greeting)).toBe(true);
    expect(isTabProof(proof, hashOfKey(KEY), { ...greeting, hello: hello(78n) })).toBe(false);
    expect(isTabProof(proof, hashOfKey(KEY), { ...greeting, challenge: challenge() })).toBe(false);
  });

  test("no tab has the id of an object, or none, or comes from another cluster", () => {
    for (const id of [OBJECT, OTHER_OBJECT, 0n]) {
      const wire = new Wire();
      wire.open(hub);
      wire.toObject(hello(id));
      expect(wire.closedWith).toContain("an id that no tab may have");
    }
    expect(newTab({ cluster: 10n }).states.at(-1)).toBe("refused the room has another cluster");
    expect(atObject.peers).toEqual([]);
  });

  test("a wrong version is named on both sides", () => {
    const wire = new Wire();
    wire.open(hub);
    const greeting = hello();
    greeting[1] = 9;
    wire.toObject(greeting);
    expect(wire.closedWith).toContain("version 9 of this greeting, and this one 1");
    const { states } = newTab({ opens: false });
    const lying = wires[0] as Wire;
    lying.readyState = 1;
    lying.tell("open", {});
    lying.tell("message", { data: frame(CHALLENGE, 9).buffer });
    expect(states.at(-1)).toContain("version 9");
  });

  test("survives the object's sleep: the socket's own state says who it is", () => {
    const { dialer, heard } = newTab();
    atObject = { frames: [], peers: [] };
    hub = newHub(wires);
    for (const wire of wires) wire.hub = hub;
    expect(atObject.peers).toEqual([`up ${TAB}`]);
    dialer.send(OBJECT, frame(4));
    expect([atObject.frames, heard.peers]).toEqual([[`${TAB}: 4`], [`up ${OBJECT}`]]);
  });

  test("a tab that dials again replaces its former socket", () => {
    newTab();
    newTab();
    expect(wires[0]?.closedWith).toBe("4000 replaced");
    expect(atObject.peers).toEqual([`up ${TAB}`, `down ${TAB}`, `up ${TAB}`]);
  });

  test("is dialed again when it was lost, later after each failure, and at once when the page is back", () => {
    const { dialer, heard } = newTab();
    wires[0]?.close(1006, "");
    expect(heard.peers).toEqual([`up ${OBJECT}`, `down ${OBJECT}`]);
    clock.advance(300);
    expect(heard.peers.at(-1)).toBe(`up ${OBJECT}`);
    wires[1]?.close(1006, "");
    dialer.retryNow();
    clock.advance(1);
    expect(wires).toHaveLength(3);
    expect(heard.peers.at(-1)).toBe(`up ${OBJECT}`);
  });

  test("one that is silent is pinged, and given up without a response", () => {
    const { heard } = newTab();
    const wire = wires[0] as Wire;
    clock.advance(60_000);
    expect(heard.peers).toEqual([`up ${OBJECT}`]);
    wire.pongs = false;
    clock.advance(20_000);
    expect(heard.peers.slice(0, 2)).toEqual([`up ${OBJECT}`, `down ${OBJECT}`]);
  });

  test("sockets that prove nothing are few: of one address, and in all", () => {
    const { heard } = newTab();
    const strangers = Array.from({ length: 20 }, () => new Wire());
    for (const wire of strangers) wire.open(hub, "stranger");
    expect(strangers.filter(({ closedWith }) => closedWith === undefined)).toHaveLength(8);
    const crowd = Array.from({ length: 100 }, () => new Wire());
    for (const [at, wire] of crowd.entries()) wire.open(hub, `address ${at}`);
    const open = [...strangers, ...crowd].filter(({ closedWith }) => closedWith === undefined);
    expect(open).toHaveLength(32);
    expect(heard.peers).toEqual([`up ${OBJECT}`]);
  });

  test("a message that is too large for a greeting, a text and an empty one cost the connection", () => {
    for (const message of [new Uint8Array(129), new Uint8Array(0)]) {
      const wire = new Wire();
      wire.open(hub);
      wire.toObject(message);
      expect(wire.closedWith).toContain("none of ours");
    }
    newTab();
    const ready = wires[0] as Wire;
    hub.received(ready, "text");
    expect(ready.closedWith).toContain("none of ours");
    expect(atObject.peers).toEqual([`up ${TAB}`, `down ${TAB}`]);
  });

  test("frames that are empty or too large, and those to others, are dropped; so is what a full connection cannot take", () => {
    const { dialer } = newTab();
    const wire = wires[0] as Wire;
    const before = wire.sent.length;
    dialer.send(OBJECT, new Uint8Array(0));
    dialer.send(OBJECT, new Uint8Array(dialer.maxFrameBytes + 1));
    dialer.send(OTHER_OBJECT, frame(1));
    hub.send(5n, frame(1));
    wire.bufferedAmount = 8 * 1024 * 1024;
    dialer.send(OBJECT, frame(1));
    expect([wire.sent.length, atObject.frames]).toEqual([before, []]);
  });
});

function hello(member = TAB): Uint8Array<ArrayBuffer> {
  return encodeIntroduction(HELLO, { cluster: CLUSTER, member, session: 1n, nonce: newNonce() });
}

function challenge(): Uint8Array<ArrayBuffer> {
  return encodeIntroduction(CHALLENGE, { cluster: CLUSTER, member: OBJECT, session: 2n, nonce: newNonce() });
}

type Greeting = Parameters<typeof tabProof>[1];

/** A client that follows the greeting by hand, with a proof of its own making. */
function provedWith(make: (greeting: Greeting) => Uint8Array) {
  const wire = new Wire();
  wire.open(hub);
  const own = hello();
  wire.toObject(own);
  const proof = make({ hello: own, challenge: challengeHead(wire.came[0] ?? frame()) });
  wire.toObject(new Uint8Array([PROOF, 1, ...proof]));
  if (wire.closedWith === undefined) expect(wire.came.at(-1)?.[0]).toBe(WELCOME);
  return { wire, proof };
}
