import { beforeEach, describe, expect, test, vi } from "vitest";
import { concatBytes, equalBytes } from "../../src/base/bytes.ts";
import { newRoomSecret, roomKeys } from "../../src/transport/room-secret.ts";
import { heldInvitation, newInvitationCode } from "../../src/transport/invitation-code.ts";
import type { HeldInvitation } from "../../src/transport/invitation-code.ts";
import { newKeyPair, signingKey } from "../../src/transport/greeting/signing-key.ts";
import type { SigningKey } from "../../src/transport/greeting/signing-key.ts";
import {
  guestProof,
  hashOfKey,
  isProved,
  objectProof,
  secretProof,
  signedText,
} from "../../src/transport/socket/socket-greeting.ts";
import type { GreetingBytes } from "../../src/transport/socket/socket-greeting.ts";
import {
  CHALLENGE,
  encodeChallenge,
  encodeHello,
  encodeProofs,
  newNonce,
  partsOfChallenge,
  REFUSED,
  WELCOME,
} from "../../src/transport/socket/socket-message.ts";
import type { TabProofs } from "../../src/transport/socket/socket-message.ts";
import type { TabCredentials } from "../../src/transport/socket/tab-greeting.ts";
import { SocketDialer } from "../../src/transport/socket/socket-dialer.ts";
import type { DialedSocket } from "../../src/transport/socket/socket-dialer.ts";
import { SocketHub } from "../../src/transport/socket/socket-hub.ts";
import type { HubSocket, HubSocketState } from "../../src/transport/socket/socket-hub.ts";
import type { PeerProof } from "../../src/transport/greeting/handshake.ts";
import { ManualClock } from "./manual-clock.ts";

const OBJECT = 1n;
const OTHER_OBJECT = 2n;
const TAB = 77n;
const CLUSTER = 9n;
const OTHER_KEY = roomKeys("room", newRoomSecret()).registry ?? "";
const KEY = roomKeys("room", newRoomSecret()).registry ?? "";

type Listener = (event: { data: unknown; code: number; reason: string }) => void;

/** The tab's end of one WebSocket in this process. */
class Wire implements DialedSocket {
  binaryType = "";
  readyState = 0;
  bufferedAmount = 0;
  readonly end: ObjectEnd = new ObjectEnd(this);
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
    if (!hub.accept(this.end, address)) return this.close(1013, "too many");
    this.readyState = 1;
    this.tell("open", {});
  }

  send(message: Uint8Array<ArrayBuffer> | string): void {
    this.sent.push(message);
    if (typeof message === "string") {
      if (this.pongs) this.tell("message", { data: "pong" });
    } else this.toObject(message);
  }

  toObject(message: Uint8Array): void {
    this.hub?.received(this.end, message.slice().buffer);
  }

  toTab(message: Uint8Array): void {
    this.came.push(message.slice());
    this.tell("message", { data: message.slice().buffer });
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
    this.hub?.closed(this.end);
    this.tell("close", { code, reason });
  }
}

class ObjectEnd implements HubSocket {
  state: HubSocketState | undefined;
  readonly #wire: Wire;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.#wire.toTab(message);
  }

  close(code: number, reason: string): void {
    this.#wire.close(code, reason);
  }
}

interface Heard {
  readonly frames: string[];
  readonly peers: string[];
  /** What the object asked its member about, and what it was told; of a tab, why it is not let in. */
  readonly asked: PeerProof[];
  denial?: string;
}

function handlersOf(heard: Heard) {
  return {
    onFrame: (from: bigint, frame: Uint8Array, done: () => void) => {
      heard.frames.push(`${from}: ${[...frame].join()}`);
      done();
    },
    onPeerUp: (peer: bigint) => void heard.peers.push(`up ${peer}`),
    onPeerDown: (peer: bigint) => void heard.peers.push(`down ${peer}`),
    admit: (_: bigint, proof: PeerProof) => {
      heard.asked.push(proof);
      return heard.denial;
    },
    onDenied: (_: bigint, code: string) => {
      heard.denial = code;
    },
  };
}

let clock: ManualClock;
let hub: SocketHub;
let atObject: Heard;
let wires: Wire[];
/** The one that the members know. */
let invitation: HeldInvitation | undefined;

function newHub(sockets: readonly HubSocket[] = []): SocketHub {
  const made = new SocketHub({
    id: OBJECT,
    cluster: CLUSTER,
    keyHash: hashOfKey(KEY),
    invitationKey: (id) => (invitation !== undefined && equalBytes(id, invitation.id) ? invitation.key : undefined),
    isReserved: (id) => id === OBJECT || id === OTHER_OBJECT,
    sockets,
    nowMs: () => clock.nowMs(),
  });
  made.start(handlersOf(atObject));
  return made;
}

beforeEach(() => {
  clock = new ManualClock();
  atObject = { frames: [], peers: [], asked: [] };
  invitation = undefined;
  wires = [];
  hub = newHub();
});

interface Given {
  readonly by?: TabCredentials["by"];
  readonly member?: SigningKey;
  readonly id?: bigint;
  readonly cluster?: bigint;
  readonly opens?: boolean;
}

function newTab(given: Given = {}) {
  const heard: Heard = { frames: [], peers: [], asked: [] };
  const states: string[] = [];
  const dialer = new SocketDialer({
    id: given.id ?? TAB,
    cluster: given.cluster ?? CLUSTER,
    credentials: { by: given.by ?? { registryKey: KEY }, member: given.member },
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
    hub.send(TAB, frame(3).subarray(0));
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
    expect(atObject).toEqual({ frames: [], peers: [], asked: [] });
    const { heard } = newTab({ opens: false });
    const lying = wires[0] as Wire;
    lying.readyState = 1;
    lying.tell("open", {});
    lying.tell("message", { data: frame(9, 9).buffer });
    expect([heard.frames, heard.peers, lying.readyState]).toEqual([[], [], 3]);
  });

  test("the tab sends no proof to a server that does not know the room's key", () => {
    const { states, heard } = newTab({ by: { registryKey: OTHER_KEY } });
    expect(states.at(-1)).toBe("refused a server that does not know this room");
    expect(wires[0]?.sent).toHaveLength(1);
    expect([heard.peers, atObject.peers]).toEqual([[], []]);
  });

  test("the object refuses a proof by another key, by its own hash of the key, and a recorded one", async () => {
    const recorded = await provedWith((greeting) => secretProof(KEY, greeting, undefined));
    expect(atObject.peers).toEqual([`up ${TAB}`]);
    const proofs = [
      await provedWith((greeting) => secretProof(OTHER_KEY, greeting, undefined)),
      await provedWith(() => hashOfKey(KEY)),
      await provedWith((greeting) => guestProof(hashOfKey(KEY), greeting, undefined)),
      await provedWith(() => recorded.shown.proof),
      await provedWith(() => new Uint8Array(32)),
    ];
    for (const { wire } of proofs) expect(wire.closedWith).toContain("4403 a tab that does not prove what it says");
    expect(atObject.peers).toEqual([`up ${TAB}`]);
  });

  test("a proof counts for its own hello and challenge alone, and for the key that is shown with it", async () => {
    const greeting = { hello: hello(), challenge: challenge() };
    const shown = { proof: secretProof(KEY, greeting, undefined), member: undefined, invitation: undefined };
    const expected = { greeting, key: hashOfKey(KEY), invitation: undefined };
    expect(isProved(expected, shown)).toBe(true);
    expect(isProved({ ...expected, greeting: { ...greeting, hello: hello(78n) } }, shown)).toBe(false);
    expect(isProved({ ...expected, greeting: { ...greeting, challenge: challenge() } }, shown)).toBe(false);
    const thief = await newKey();
    const signature = await thief.sign(signedText("member", greeting, thief.fingerprint));
    expect(await isProved(expected, { ...shown, member: { publicKey: thief.publicKey, signature } })).toBe(false);
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
    expect(wire.closedWith).toContain("this tab speaks version 9 of the greeting, and the room’s server 2");
    const older = new Wire();
    older.open(hub);
    older.toObject(new Uint8Array(58).fill(1, 0, 2));
    expect(older.closedWith).toContain("version 1 of the greeting, and the room’s server 2: reload the page");
    const { states } = newTab({ opens: false });
    const lying = wires[0] as Wire;
    lying.readyState = 1;
    lying.tell("open", {});
    lying.tell("message", { data: frame(CHALLENGE, 9).buffer });
    expect(states.at(-1)).toContain("version 2 of the greeting, and the room’s server 9: reload the page");
  });

  test("survives the object's sleep: the socket's own state says who it is", () => {
    const { dialer, heard } = newTab();
    atObject = { frames: [], peers: [], asked: [] };
    hub = newHub(wires.map(({ end }) => end));
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
    for (const message of [new Uint8Array(321), new Uint8Array(0)]) {
      const wire = new Wire();
      wire.open(hub);
      wire.toObject(message);
      expect(wire.closedWith).toContain("none of ours");
    }
    newTab();
    const ready = wires[0] as Wire;
    hub.received(ready.end, "text");
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

describe("a tab's own key, over its socket to an object", () => {
  test("is proved in the greeting, and the member decides by it; it is known after the object's sleep, too", async () => {
    const member = await newKey();
    const { heard } = newTab({ member });
    await vi.waitFor(() => expect(heard.peers).toEqual([`up ${OBJECT}`]));
    const proof = { key: member.fingerprint, knowsSecret: true, invitation: undefined, isHost: false };
    expect([atObject.asked, hub.proofOf(TAB), hub.isAuthenticated(TAB)]).toEqual([[proof], proof, true]);
    hub = newHub(
      wires.map(({ end }) => structuredClone(end.state)).map((state) => Object.assign(new Wire().end, { state })),
    );
    expect(hub.proofOf(TAB)).toEqual(proof);
    expect(hub.proofOf(5n)).toBe(undefined);
  });

  test("a tab that the member does not let in is told why, and comes to nothing", async () => {
    atObject.denial = "other-key";
    const { heard, states } = newTab({ member: await newKey() });
    await vi.waitFor(() => expect(heard.denial).toBe("other-key"));
    expect([heard.peers, atObject.peers, hub.proofOf(TAB)]).toEqual([[], [], undefined]);
    expect(wires[0]?.readyState).toBe(3);
    // The server is there; the member tells the rest.
    expect(states.at(-1)).toBe("open ");
    delete atObject.denial;
    clock.advance(10_001);
    await vi.waitFor(() => expect(heard.peers).toEqual([`up ${OBJECT}`]));
  });

  test("a refusal that the object does not prove is none", async () => {
    const { heard, states } = newTab({ opens: false });
    const wire = wires[0] as Wire;
    wire.readyState = 1;
    wire.tell("open", {});
    const own = wire.sent[0] as Uint8Array;
    const head = challenge();
    wire.toTab(concatBytes(head, objectProof(hashOfKey(KEY), { hello: own, challenge: head })));
    wire.toTab(concatBytes(new Uint8Array([REFUSED, 2]), new Uint8Array(32), new TextEncoder().encode("key-removed")));
    expect([heard.denial, states.at(-1)]).toEqual([undefined, "refused a refusal that is none"]);
  });

  test("a signature by another key, for another greeting or another purpose proves nothing", async () => {
    const [own, other] = [await newKey(), await newKey()];
    const elsewhere = { hello: hello(), challenge: challenge() };
    const signatures: readonly ((greeting: GreetingBytes) => Promise<Uint8Array>)[] = [
      (greeting) => other.sign(signedText("member", greeting, own.fingerprint)),
      () => own.sign(signedText("member", elsewhere, own.fingerprint)),
      (greeting) => own.sign(signedText("invitation", greeting, own.fingerprint)),
      () => Promise.resolve(new Uint8Array(64)),
    ];
    for (const sign of signatures) {
      const { wire } = await provedWith(async (greeting) => ({
        proof: secretProof(KEY, greeting, own.fingerprint),
        member: { publicKey: own.publicKey, signature: await sign(greeting) },
        invitation: undefined,
      }));
      expect(wire.closedWith).toContain("4403");
    }
    expect([atObject.asked, atObject.peers]).toEqual([[], []]);
  });

  test("no frame is read while its signature is verified", async () => {
    const own = await newKey();
    const { wire } = await provedWith(
      async (greeting) => ({
        proof: secretProof(KEY, greeting, own.fingerprint),
        member: {
          publicKey: own.publicKey,
          signature: await own.sign(signedText("member", greeting, own.fingerprint)),
        },
        invitation: undefined,
      }),
      (early) => early.toObject(frame(9, 9)),
    );
    expect(wire.closedWith).toContain("a greeting that is none");
    expect([atObject.frames, atObject.peers, atObject.asked]).toEqual([[], [], []]);
  });
});

describe("a guest's socket to an object", () => {
  test("proves the invitation and the guest's own key, and that it does not know the secret", async () => {
    invitation = await heldInvitation("room", await newInvitationCode());
    const member = await newKey();
    const { heard, dialer } = newTab({ by: invitation, member });
    await vi.waitFor(() => expect(heard.peers).toEqual([`up ${OBJECT}`]));
    const proof = { key: member.fingerprint, knowsSecret: false, invitation: invitation.id, isHost: false };
    expect([atObject.asked, hub.isAuthenticated(TAB), dialer.isAuthenticated(OBJECT)]).toEqual([[proof], false, true]);
  });

  test("one that is not known here is dialed again soon: this object may have missed it", async () => {
    const late = await heldInvitation("room", await newInvitationCode());
    const { heard, states } = newTab({ by: late, member: await newKey() });
    expect([wires[0]?.closedWith, states.at(-1)]).toEqual([
      "4002 an invitation that is not known here",
      "lost an invitation that is not known here",
    ]);
    invitation = late;
    clock.advance(300);
    await vi.waitFor(() => expect(heard.peers).toEqual([`up ${OBJECT}`]));
  });

  test("whoever has read the log has the invitation's shared key, and not what signs for it", async () => {
    const held = await heldInvitation("room", await newInvitationCode());
    invitation = held;
    const [own, other] = [await newKey(), await newKey()];
    const signers: readonly (SigningKey | undefined)[] = [undefined, own, other];
    for (const signer of signers) {
      const { wire } = await provedWith(
        async (greeting) => ({
          proof: guestProof(held.key, greeting, own.fingerprint),
          member: {
            publicKey: own.publicKey,
            signature: await own.sign(signedText("member", greeting, own.fingerprint)),
          },
          invitation: signer && {
            // The key of another one under the invitation's name does not help either.
            publicKey: signer === other ? held.signingKey.publicKey : signer.publicKey,
            signature: await signer.sign(signedText("invitation", greeting, own.fingerprint)),
          },
        }),
        () => {},
        held.id,
      );
      expect(wire.closedWith).toContain("4403");
    }
    expect(atObject.asked).toEqual([]);
  });

  test("a guest that signs all and does not prove the invitation's shared key comes to nothing", async () => {
    const held = await heldInvitation("room", await newInvitationCode());
    invitation = held;
    const own = await newKey();
    const signed = async (key: SigningKey, purpose: "member" | "invitation", greeting: GreetingBytes) => ({
      publicKey: key.publicKey,
      signature: await key.sign(signedText(purpose, greeting, own.fingerprint)),
    });
    const shownWith =
      (shared: Uint8Array) =>
      async (greeting: GreetingBytes): Promise<TabProofs> => ({
        proof: guestProof(shared, greeting, own.fingerprint),
        member: await signed(own, "member", greeting),
        invitation: await signed(held.signingKey, "invitation", greeting),
      });
    const nothing = (): void => {};
    expect((await provedWith(shownWith(held.id), nothing, held.id)).wire.closedWith).toContain("4403");
    expect((await provedWith(shownWith(held.key), nothing, held.id)).wire.closedWith).toBe(undefined);
  });

  test("the room's secret does not stand in for an invitation that is named, nor an invitation for the secret", async () => {
    invitation = await heldInvitation("room", await newInvitationCode());
    const { wire } = await provedWith(
      (greeting) => secretProof(KEY, greeting, undefined),
      () => {},
      invitation.id,
    );
    expect(wire.closedWith).toContain("4403");
    const asMember = await provedWith((greeting) => guestProof(invitation?.key ?? frame(), greeting, undefined));
    expect(asMember.wire.closedWith).toContain("4403");
  });
});

async function newKey(): Promise<SigningKey> {
  return signingKey(await newKeyPair());
}

function hello(member = TAB, named?: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeHello({ cluster: CLUSTER, member, session: 1n, nonce: newNonce(), invitation: named });
}

function challenge(): Uint8Array<ArrayBuffer> {
  return encodeChallenge({ cluster: CLUSTER, member: OBJECT, session: 2n, nonce: newNonce() });
}

type Made = Uint8Array | TabProofs;

/** A client that follows the greeting by hand, with proofs of its own making. `then`: what it does at once. */
async function provedWith(
  make: (greeting: GreetingBytes) => Made | Promise<Made>,
  then: (wire: Wire) => void = () => {},
  named?: Uint8Array,
) {
  const wire = new Wire();
  wire.open(hub);
  const own = hello(TAB, named);
  wire.toObject(own);
  const made = await make({ hello: own, challenge: partsOfChallenge(wire.came[0] ?? frame()).head });
  const shown = made instanceof Uint8Array ? { proof: made, member: undefined, invitation: undefined } : made;
  wire.toObject(encodeProofs(shown));
  then(wire);
  await vi.waitFor(() => expect(wire.closedWith ?? wire.came.at(-1)?.[0]).not.toBe(CHALLENGE));
  if (wire.closedWith === undefined) expect(wire.came.at(-1)?.[0]).toBe(WELCOME);
  return { wire, shown };
}
