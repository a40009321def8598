/** The tab's end of a greeting with an object (socket-greeting.ts). One for each connection. */
import { equalSecrets } from "../../base/bytes.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { OwnInvitation } from "../greeting/handshake.ts";
import type { SignedBy } from "../greeting/signed-by.ts";
import type { SigningKey } from "../greeting/signing-key.ts";
import { guestProof, hashOfKey, objectProof, refusalProof, secretProof, signedText } from "./socket-greeting.ts";
import type { GreetingBytes } from "./socket-greeting.ts";
import {
  decodeChallenge,
  decodeRefusal,
  encodeHello,
  encodeProofs,
  newNonce,
  partsOfChallenge,
} from "./socket-message.ts";

/** What a tab shows to the objects of its room. */
export interface TabCredentials {
  /** `roomKeys(…).registry`, of a tab that knows the room's secret; or the invitation by which it came. */
  readonly by: { readonly registryKey: string } | OwnInvitation;
  /** The tab's own key. Undefined: it has none, and proves nothing about itself. */
  readonly member: SigningKey | undefined;
}

export interface GreetingTab {
  readonly cluster: bigint;
  readonly member: MemberId;
  readonly session: bigint;
}

export class TabGreeting {
  readonly hello: Uint8Array<ArrayBuffer>;
  readonly #tab: GreetingTab;
  readonly #credentials: TabCredentials;
  readonly #key: Uint8Array;
  #greeting: GreetingBytes;

  constructor(tab: GreetingTab, credentials: TabCredentials) {
    const { by } = credentials;
    const invitation = "id" in by ? by.id : undefined;
    this.#tab = tab;
    this.#credentials = credentials;
    this.#key = "key" in by ? by.key : hashOfKey(by.registryKey);
    this.hello = encodeHello({ ...tab, nonce: newNonce(), invitation });
    this.#greeting = { hello: this.hello, challenge: new Uint8Array(0) };
  }

  /** Takes a CHALLENGE. Returns what is wrong with it; undefined: the object has proved that it knows this room. */
  challenged(
    message: Uint8Array,
    object: MemberId,
  ): "other-cluster" | "unproved" | { readonly text: string } | undefined {
    const challenge = decodeChallenge(message);
    if (typeof challenge === "string") return { text: challenge };
    if (challenge.member !== object || challenge.cluster !== this.#tab.cluster) return "other-cluster";
    const { head, proof } = partsOfChallenge(message);
    this.#greeting = { hello: this.hello, challenge: head };
    return equalSecrets(proof, objectProof(this.#key, this.#greeting)) ? undefined : "unproved";
  }

  /** Returns a PROOF, in a later turn if there is something to sign. Rejects if a key does not sign. */
  proofs(): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
    const { by, member } = this.#credentials;
    const greeting = this.#greeting;
    const fingerprint = member?.fingerprint;
    const proof =
      "key" in by ? guestProof(by.key, greeting, fingerprint) : secretProof(by.registryKey, greeting, fingerprint);
    const invitation = "signingKey" in by ? by.signingKey : undefined;
    if (member === undefined && invitation === undefined) return encodeProofs({ proof, member, invitation });
    const signed = async (
      key: SigningKey | undefined,
      purpose: "member" | "invitation",
    ): Promise<SignedBy | undefined> =>
      key && { publicKey: key.publicKey, signature: await key.sign(signedText(purpose, greeting, fingerprint)) };
    return Promise.all([signed(member, "member"), signed(invitation, "invitation")]).then(([asMember, asInvited]) =>
      encodeProofs({ proof, member: asMember, invitation: asInvited }),
    );
  }

  /** Takes a REFUSED. Returns its code; undefined if the object did not prove it. */
  refused(message: Uint8Array): string | undefined {
    const refusal = decodeRefusal(message);
    if (typeof refusal === "string") return undefined;
    const { proof, code } = refusal;
    return equalSecrets(proof, refusalProof(this.#key, this.#greeting, code)) ? code : undefined;
  }
}
