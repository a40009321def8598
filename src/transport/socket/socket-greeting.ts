/**
 * The first messages on a WebSocket between a tab and an object of its room's cluster, in which each proves that it belongs
 * to the room, and the tab who it is:
 *
 *     tab                                                                 object
 *      │ HELLO      version cluster member session nonce invitation ─────────►
 *      ◄─────────────────── CHALLENGE version cluster member session nonce proof
 *      │ PROOF      version flags proof [member] [invitation] ────────────────►
 *      ◄───────────────── WELCOME version, or REFUSED version proof code │
 *
 * `proof` is an HMAC. `member` and `invitation` are a public key and a signature each. All of them cover both greetings, what
 * is proved and by which side, and the tab's also the fingerprint of its member's key. So a recording, an echo, another key
 * beside the proof, and a greeting for another member, cluster or session prove nothing.
 *
 * The object stores only a hash of the room's key (worker/signalling/room-access.ts), so for a tab that knows the room's
 * secret the proofs are those of SCRAM (RFC 5802): the key of the HMACs is the hash, and the tab's is combined with the
 * room's key itself by XOR. So the object learns that key, compares its hash, and whoever reads the object's storage cannot
 * make the tab's proof.
 *
 * A tab that was invited knows no secret. The key of the HMACs is its invitation's, which the members have in their log, and
 * it signs with the private key of the invitation, which they have not.
 */
import { concatBytes, equalBytes, equalSecrets, latin1ToBytes } from "../../base/bytes.ts";
import { hmacSha256 } from "../../base/hmac-sha256.ts";
import { Sha256 } from "../../base/sha256.ts";
import { utf8Encode } from "../../base/utf8.ts";
import type { SignedBy } from "../greeting/signed-by.ts";
import { FINGERPRINT_BYTES, isSignedBy, keyFingerprint } from "../greeting/signing-key.ts";
import { registryKeyBytes, registryKeyText } from "../room-secret.ts";
import { SOCKET_GREETING_VERSION, SOCKET_PROOF_BYTES } from "./socket-message.ts";
import type { TabProofs } from "./socket-message.ts";

export interface GreetingBytes {
  readonly hello: Uint8Array;
  /** Without its proof. */
  readonly challenge: Uint8Array;
}

type Purpose = "object" | "tab" | "member" | "invitation" | "refusal";

const PURPOSES: Readonly<Record<Purpose, number>> = { object: 1, tab: 2, member: 3, invitation: 4, refusal: 5 };
const LABEL = utf8Encode("quorate socket greeting\0");
const NOTHING = new Uint8Array(0);
const NO_KEY = new Uint8Array(FINGERPRINT_BYTES);

/** The hash of a room's registry key, which the object has. */
export function hashOfKey(registryKey: string): Uint8Array {
  return new Sha256().update(latin1ToBytes(registryKey)).digest();
}

export function objectProof(key: Uint8Array, greeting: GreetingBytes): Uint8Array {
  return hmacSha256(key, transcript("object", greeting, NOTHING));
}

export function refusalProof(key: Uint8Array, greeting: GreetingBytes, code: string): Uint8Array {
  return hmacSha256(key, transcript("refusal", greeting, utf8Encode(code)));
}

/** Of a tab that was invited. `fingerprint`: of its member's key. */
export function guestProof(key: Uint8Array, greeting: GreetingBytes, fingerprint: Uint8Array | undefined): Uint8Array {
  return hmacSha256(key, transcript("tab", greeting, fingerprint ?? NO_KEY));
}

/** Of a tab that knows the room's secret. */
export function secretProof(
  registryKey: string,
  greeting: GreetingBytes,
  fingerprint: Uint8Array | undefined,
): Uint8Array {
  return xor(registryKeyBytes(registryKey), guestProof(hashOfKey(registryKey), greeting, fingerprint));
}

/** What the tab signs with its member's key, and with that of its invitation. */
export function signedText(
  purpose: "member" | "invitation",
  greeting: GreetingBytes,
  fingerprint: Uint8Array | undefined,
): Uint8Array {
  return transcript(purpose, greeting, fingerprint ?? NO_KEY);
}

/** What the object knows of a tab that has greeted. */
export interface ExpectedTab {
  readonly greeting: GreetingBytes;
  /** The hash of the room's key, or the shared key of the tab's invitation. */
  readonly key: Uint8Array;
  /** The id of the invitation that the tab has named. */
  readonly invitation: Uint8Array | undefined;
}

/** Returns whether the tab has proved all that it shows; in a later turn if it shows signatures. */
export function isProved({ greeting, key, invitation }: ExpectedTab, shown: TabProofs): boolean | Promise<boolean> {
  const fingerprint = fingerprintOf(shown);
  const expected = guestProof(key, greeting, fingerprint);
  if (invitation === undefined) {
    if (shown.invitation !== undefined || !isSecretProof(shown.proof, key, expected)) return false;
  } else {
    const named = shown.invitation && keyFingerprint(shown.invitation.publicKey);
    if (named === undefined || !equalBytes(named, invitation)) return false;
    if (!equalSecrets(shown.proof, expected)) return false;
  }
  if (shown.member === undefined && shown.invitation === undefined) return true;
  const isSigned = ({ publicKey, signature }: SignedBy, purpose: "member" | "invitation"): Promise<boolean> =>
    isSignedBy(publicKey, signedText(purpose, greeting, fingerprint), signature);
  return Promise.all([
    shown.member === undefined || isSigned(shown.member, "member"),
    shown.invitation === undefined || isSigned(shown.invitation, "invitation"),
  ]).then((results) => results.every(Boolean));
}

/** Of the member's key that a tab shows. */
export function fingerprintOf({ member }: TabProofs): Uint8Array | undefined {
  return member && keyFingerprint(member.publicKey);
}

function isSecretProof(proof: Uint8Array, keyHash: Uint8Array, expected: Uint8Array): boolean {
  if (proof.length !== SOCKET_PROOF_BYTES) return false;
  return equalSecrets(hashOfKey(registryKeyText(xor(proof, expected))), keyHash);
}

/** Of a fixed length for each purpose, so that two different greetings never have the same bytes. */
function transcript(purpose: Purpose, { hello, challenge }: GreetingBytes, about: Uint8Array): Uint8Array {
  const head = new Uint8Array([SOCKET_GREETING_VERSION, PURPOSES[purpose]]);
  return concatBytes(LABEL, head, hello, challenge, about);
}

function xor(left: Uint8Array, right: Uint8Array): Uint8Array {
  return left.map((byte, at) => byte ^ (right[at] ?? 0));
}
