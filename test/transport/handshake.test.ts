/** A member proves its key in the greeting itself, and is let in or told why not before any frame. */
import { describe, expect, test } from "vitest";
import { decodeGreeting, encodeGreeting, REFUSED, WELCOME } from "../../src/transport/greeting/greeting-message.ts";
import type { GreetingMessage, Welcome } from "../../src/transport/greeting/greeting-message.ts";
import { Handshake } from "../../src/transport/greeting/handshake.ts";
import type { GreetingCredentials, PeerProof } from "../../src/transport/greeting/handshake.ts";
import { newKeyPair, signingKey } from "../../src/transport/greeting/signing-key.ts";
import type { SigningKey } from "../../src/transport/greeting/signing-key.ts";
import { credentialsOf, newRoomSecret, roomKeys } from "../../src/transport/room-secret.ts";

const ROOM = credentialsOf(roomKeys("planning", newRoomSecret()));
const newKey = async (): Promise<SigningKey> => signingKey(await newKeyPair());
const [ALICE, BOB, EVE] = await Promise.all([newKey(), newKey(), newKey()]);
const binding = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

interface End {
  readonly credentials?: Partial<GreetingCredentials>;
  readonly judge?: (proof: PeerProof) => string | undefined;
}

/** Changes a message on its way; undefined: it is lost. */
type Tamper = (message: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | undefined;

/** The handshakes of both ends of a channel, and how each ended. */
async function greet(dialer: End, dialed: End, tamper: Tamper = (message) => message) {
  const sent: GreetingMessage[] = [];
  const ends: Handshake[] = [];
  const end = (isDialer: boolean, { credentials, judge = () => undefined }: End) =>
    new Promise<PeerProof | string>((resolve) => {
      const deliver = (message: Uint8Array<ArrayBuffer>): void => {
        const arriving = isDialer ? tamper(message) : message;
        const decoded = decodeGreeting(message);
        if (typeof decoded !== "string") sent.push(decoded);
        if (arriving !== undefined) queueMicrotask(() => ends[isDialer ? 1 : 0]?.received(arriving));
      };
      const [own, peer] = isDialer ? [1n, 2n] : [2n, 1n];
      ends.push(
        new Handshake(
          {
            credentials: { ...ROOM, ...credentials },
            isDialer,
            own: { id: own, session: own + 100n, binding: binding(Number(own)) },
            peer: { id: peer, binding: binding(Number(peer)) },
            judge,
          },
          {
            send: deliver,
            onWelcome: (_, proof) => resolve(proof),
            onReject: (message, code) => {
              deliver(message);
              resolve(`rejected: ${code}`);
            },
            onDenied: (code) => resolve(`denied: ${code}`),
            onFailed: resolve,
          },
        ),
      );
    });
  const results = [end(true, dialer), end(false, dialed)] as const;
  const [first, second] = ends as [Handshake, Handshake];
  const hello = tamper(first.hello());
  if (hello !== undefined) second.received(hello);
  first.received(second.hello());
  return { results, sent, ends };
}

const welcome = (change: (welcome: Welcome) => Partial<Welcome>): Tamper => {
  return (message) => {
    const decoded = decodeGreeting(message);
    if (typeof decoded === "string" || decoded.type !== WELCOME) return message;
    return encodeGreeting({ ...decoded, ...change(decoded) });
  };
};

test("both ends prove their own keys, and that they know the secret", async () => {
  const { results } = await greet({ credentials: { member: ALICE } }, { credentials: { member: BOB } });
  const [ofBob, ofAlice] = await Promise.all(results);
  expect(ofBob).toEqual({ key: BOB.fingerprint, knowsSecret: true, invitation: undefined, isHost: false });
  expect(ofAlice).toMatchObject({ key: ALICE.fingerprint, knowsSecret: true });
});

test("a peer without a key proves none, and one that does not know the secret itself does not pass for one that does", async () => {
  const { results } = await greet({ credentials: { admissionKey: undefined } }, {});
  const [ofDialed, ofDialer] = await Promise.all(results);
  expect(ofDialer).toMatchObject({ key: undefined, knowsSecret: false });
  expect(ofDialed).toMatchObject({ knowsSecret: undefined });
});

describe("a peer that shows somebody else's key", () => {
  test.each<[string, Partial<SigningKey>]>([
    ["and signs with its own", { publicKey: BOB.publicKey, fingerprint: BOB.fingerprint }],
    ["under the fingerprint of its own", { publicKey: BOB.publicKey }],
    ["and signs something else", { ...BOB, sign: () => BOB.sign(new Uint8Array(3)) }],
    ["and a signature of zeros", { ...BOB, sign: async () => new Uint8Array(64) }],
    ["that is no point of the curve", { publicKey: new Uint8Array(65).fill(4) }],
  ])("%s is not welcome", async (_, key) => {
    const { results } = await greet(
      { credentials: { member: { ...EVE, ...key } } },
      { credentials: { member: ALICE } },
    );
    expect(await results[1]).toMatch(/signature that is not its key|does not know the room's secret/);
  });

  test("with a signature from another connection is not welcome: it is bound to nonces and certificates", async () => {
    const earlier = await greet({ credentials: { member: BOB } }, {});
    await Promise.all(earlier.results);
    const recorded = earlier.sent.find((message): message is Welcome => message.type === WELCOME && !!message.member);
    const { results } = await greet(
      { credentials: { member: BOB } },
      {},
      welcome(() => ({ member: recorded?.member })),
    );
    expect(await results[1]).toMatch(/signature that is not its key/);
  });

  test("in place of the one that it signed for is not welcome: the other proofs name the key", async () => {
    const { results } = await greet(
      { credentials: { member: EVE } },
      {},
      welcome(() => ({ member: undefined })),
    );
    expect(await results[1]).toMatch(/does not know the room's secret/);
  });
});

test("who is not let in is told why by the one that decides, and by nobody else", async () => {
  const judge = ({ key }: PeerProof): string | undefined =>
    key !== undefined && Buffer.from(key).equals(BOB.fingerprint) ? undefined : "other-key";
  const { results } = await greet({ credentials: { member: EVE } }, { credentials: { member: ALICE }, judge });
  expect(await results[1]).toBe("rejected: other-key");

  const { results: let2in } = await greet({ credentials: { member: BOB } }, { credentials: { member: ALICE }, judge });
  expect(await let2in[1]).toMatchObject({ key: BOB.fingerprint });

  // The server that mediates makes one up.
  const {
    ends,
    sent,
    results: forged,
  } = await greet({}, {}, (message) => (message[0] === WELCOME ? undefined : message));
  await forged[0];
  const head = sent.find((message) => message.type === WELCOME && message.session === 102n);
  if (head === undefined) throw new Error("the dialed end has greeted");
  const outcome = new Promise<string>((resolve) => {
    const own = { id: 1n, session: 101n, binding: binding(1) };
    const lied = new Handshake(
      { credentials: ROOM, isDialer: true, own, peer: { id: 2n, binding: binding(2) }, judge: () => undefined },
      {
        send: () => {},
        onWelcome: () => {},
        onReject: () => {},
        onDenied: (code) => resolve(`denied: ${code}`),
        onFailed: resolve,
      },
    );
    lied.received(ends[1]?.hello() ?? new Uint8Array(0));
    lied.received(
      encodeGreeting({ type: REFUSED, session: 102n, nonce: head.nonce, proof: new Uint8Array(32), code: "removed" }),
    );
  });
  expect(await outcome).toMatch(/does not know the room's secret/);
});

test("a denied end hears the reason once it has been proved", async () => {
  const denied = new Promise<string>((resolve) => {
    const ends: Handshake[] = [];
    const make = (isDialer: boolean): void => {
      const [own, peer] = isDialer ? [1n, 2n] : [2n, 1n];
      const pass = (message: Uint8Array<ArrayBuffer>): void =>
        queueMicrotask(() => ends[isDialer ? 1 : 0]?.received(message));
      ends.push(
        new Handshake(
          {
            credentials: { ...ROOM, member: isDialer ? EVE : ALICE },
            isDialer,
            own: { id: own, session: own, binding: binding(Number(own)) },
            peer: { id: peer, binding: binding(Number(peer)) },
            judge: () => (isDialer ? undefined : "key-removed"),
          },
          { send: pass, onWelcome: () => {}, onReject: pass, onDenied: resolve, onFailed: resolve },
        ),
      );
    };
    make(true);
    make(false);
    ends[1]?.received(ends[0]?.hello() ?? new Uint8Array(0));
    ends[0]?.received(ends[1]?.hello() ?? new Uint8Array(0));
  });
  expect(await denied).toBe("key-removed");
});

test("a handshake of a closed channel does nothing when its signatures come", async () => {
  const { results, ends } = await greet({ credentials: { member: ALICE } }, { credentials: { member: BOB } });
  for (const end of ends) end.close();
  const late = new Promise<string>((resolve) => void setTimeout(() => resolve("nothing"), 200));
  expect(await Promise.race([...results, late])).toBe("nothing");
});
