/**
 * The greeting of one channel, as one end of it sees it. Any transport may use it: it gets messages, and says what to
 * send. It sets no timer. A transport that may lose the first messages sends `hello()` again.
 *
 *     hello() ──► peer          HELLO   ──► send(WELCOME with our proofs)
 *                               WELCOME ──► judge ──► onWelcome: the peer has proved what `PeerProof` says
 *                                             └─────► onReject:  send this, then close
 *                               REFUSED ──► onDenied: the peer does not let us in
 *
 * Signatures are made and verified in later turns. Without keys of members, all happens at once.
 */
import { EMPTY_BYTES, equalBytes, equalSecrets } from "../../base/bytes.ts";
import { utf8Encode } from "../../base/utf8.ts";
import { decodeGreeting, encodeGreeting, HELLO, NONCE_BYTES, REFUSED, WELCOME } from "./greeting-message.ts";
import type { GreetingMessage, Hello, Refused, Welcome, WelcomeProofs } from "./greeting-message.ts";
import type { SignedBy } from "./signed-by.ts";
import { FINGERPRINT_BYTES, isSignedBy, keyFingerprint } from "./signing-key.ts";
import type { SigningKey } from "./signing-key.ts";
import { keyedProof, transcript } from "./transcript.ts";
import type { GreetingSide, GreetingSides, Prover } from "./transcript.ts";

/** What this end shows, and by what it recognizes others. */
export interface GreetingCredentials {
  /** Derived from the room's secret: whoever belongs to the room has it. */
  readonly roomKey: Uint8Array;
  /** Derived from the room's secret, and known only to who has that. Undefined: this end was invited. */
  readonly admissionKey?: Uint8Array | undefined;
  /** This member's own key. Undefined: it has none, and proves nothing about itself. */
  readonly member?: SigningKey | undefined;
  /** By which this end comes, before it belongs to the room. */
  readonly invitation?: OwnInvitation | undefined;
  /** Returns the shared key of an invitation that this member knows. */
  readonly invitationKey?: (id: Uint8Array) => Uint8Array | undefined;
}

export interface OwnInvitation {
  /** The fingerprint of its public key. */
  readonly id: Uint8Array;
  /** Derived from the invitation: its holder and the members of the room have it. */
  readonly key: Uint8Array;
  readonly signingKey: SigningKey;
}

/** What a peer has proved. */
export interface PeerProof {
  /** The fingerprint of its member's key; undefined if it has shown none. */
  readonly key: Uint8Array | undefined;
  /** Whether it knows the room's secret. Undefined: this end was invited, and cannot tell. */
  readonly knowsSecret: boolean | undefined;
  /** The invitation that it holds. */
  readonly invitation: Uint8Array | undefined;
  /** This end comes by an invitation, and the peer knows that invitation: so it belongs to the room. */
  readonly isHost: boolean;
}

export interface HandshakeOptions {
  readonly credentials: GreetingCredentials;
  readonly isDialer: boolean;
  readonly own: Omit<GreetingSide, "nonce">;
  readonly peer: Pick<GreetingSide, "id" | "binding">;
  /** Returns why a peer with these proofs is not let in: a value of JOIN_REFUSALS. */
  readonly judge: (proof: PeerProof) => string | undefined;
}

/** Each may be called within a call of the handshake, or in a later turn. */
export interface HandshakeEvents {
  /** Sends a response. The transport may drop it: the peer greets again. */
  send(message: Uint8Array<ArrayBuffer>): void;
  /** Called once. */
  onWelcome(session: bigint, proof: PeerProof): void;
  /** The peer is who it says, and is not let in. Send the message, which tells it why, and close the channel. */
  onReject(message: Uint8Array<ArrayBuffer>, code: string): void;
  /** The peer does not let this end in, or does not understand it because it has another version, which nobody proves. */
  onDenied(code: string): void;
  /** The peer did not prove anything: close the channel. The text says why, for people. */
  onFailed(reason: string): void;
}

const NO_KEY = new Uint8Array(FINGERPRINT_BYTES);
const UNPROVED = "a peer that does not know the room's secret, or one that somebody sits in between";

export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #events: HandshakeEvents;
  readonly #nonce: Uint8Array = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  /** Both ends, once the peer has greeted. */
  #sides: GreetingSides | undefined;
  /** The key of this greeting: the room's, or an invitation's. */
  #key: Uint8Array | undefined;
  #welcome: Uint8Array<ArrayBuffer> | undefined;
  #state: "greeting" | "verifying" | "over" = "greeting";
  #isSigning = false;

  constructor(options: HandshakeOptions, events: HandshakeEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Whether the peer has greeted, and so speaks our protocol. It may have proved nothing yet. */
  get hasHeard(): boolean {
    return this.#sides !== undefined;
  }

  hello(): Uint8Array<ArrayBuffer> {
    return encodeGreeting({ type: HELLO, ...this.#head, invitation: this.#options.credentials.invitation?.id });
  }

  /** Takes a message for which `isGreeting` is true. */
  received(bytes: Uint8Array): void {
    const message = decodeGreeting(bytes);
    if (message === "not-one") return this.#events.onFailed("a greeting that is none");
    if (typeof message === "string") {
      // An end that has greeted in our version does not change it.
      if (this.#sides !== undefined) return this.#events.onFailed("a greeting that is none");
      return this.#events.onDenied(message);
    }
    if (this.#sides === undefined && message.type === HELLO) {
      this.#key = this.#keyFor(message);
      if (this.#key === undefined) return this.#events.onFailed("a peer with an invitation that is not known here");
      this.#sides = this.#sidesWith(message);
    }
    const sides = this.#sides;
    // Its greeting was lost, and comes again.
    if (sides === undefined) return;
    const { session, nonce } = this.#options.isDialer ? sides.dialed : sides.dialer;
    if (session !== message.session || !equalSecrets(nonce, message.nonce)) {
      this.#events.onFailed("a peer that is suddenly another");
    } else this.#take(message, sides, this.#key ?? EMPTY_BYTES);
  }

  /** The channel is closed: no event follows. */
  close(): void {
    this.#state = "over";
    this.#sides = undefined;
  }

  #take(message: GreetingMessage, sides: GreetingSides, key: Uint8Array): void {
    if (message.type === HELLO) this.#respond(sides, key);
    else if (message.type === REFUSED) this.#denied(message, sides, key);
    else if (this.#state === "greeting") this.#verify(message, sides, key);
  }

  // ── this end proves ──────────────────────────────────────────────────────────────────────────────────────────

  #respond(sides: GreetingSides, key: Uint8Array): void {
    if (this.#welcome !== undefined) return this.#events.send(this.#welcome);
    if (this.#isSigning) return;
    const { admissionKey, member, invitation } = this.#options.credentials;
    const fingerprint = member?.fingerprint ?? NO_KEY;
    const proof = keyedProof(key, "room", sides, this.#own, fingerprint);
    const admission =
      admissionKey === undefined ? undefined : keyedProof(admissionKey, "admission", sides, this.#own, fingerprint);
    if (member === undefined) {
      this.#respondWith({ proof, admission, member: undefined, invitation: undefined });
      return;
    }
    this.#isSigning = true;
    const signed = async (by: SigningKey, purpose: "member" | "invitation"): Promise<SignedBy> => {
      const signature = await by.sign(transcript(purpose, sides, this.#own, fingerprint));
      return { publicKey: by.publicKey, signature };
    };
    Promise.all([signed(member, "member"), invitation && signed(invitation.signingKey, "invitation")]).then(
      ([asMember, asInvited]) => this.#respondWith({ proof, admission, member: asMember, invitation: asInvited }),
      () => {
        if (this.#sides !== undefined) this.#events.onFailed("this member's own key does not sign");
      },
    );
  }

  #respondWith(proofs: WelcomeProofs): void {
    this.#welcome = encodeGreeting({ type: WELCOME, ...this.#head, ...proofs });
    if (this.#sides !== undefined) this.#events.send(this.#welcome);
  }

  // ── the peer proves ──────────────────────────────────────────────────────────────────────────────────────────

  #verify(welcome: Welcome, sides: GreetingSides, key: Uint8Array): void {
    const { admissionKey, invitation } = this.#options.credentials;
    const { member } = welcome;
    const fingerprint = member === undefined ? NO_KEY : keyFingerprint(member.publicKey);
    if (!equalSecrets(welcome.proof, keyedProof(key, "room", sides, this.#peer, fingerprint))) {
      return this.#events.onFailed(UNPROVED);
    }
    const admission = admissionKey && keyedProof(admissionKey, "admission", sides, this.#peer, fingerprint);
    const proof: PeerProof = {
      key: member && fingerprint,
      knowsSecret: admission && equalSecrets(welcome.admission ?? EMPTY_BYTES, admission),
      invitation: welcome.invitation && keyFingerprint(welcome.invitation.publicKey),
      isHost: invitation !== undefined && equalBytes(key, invitation.key),
    };
    if (member === undefined && welcome.invitation === undefined) return this.#settle(welcome, proof, sides, key);
    this.#state = "verifying";
    const isSigned = (signed: SignedBy | undefined, purpose: "member" | "invitation"): Promise<boolean> | true =>
      signed === undefined ||
      isSignedBy(signed.publicKey, transcript(purpose, sides, this.#peer, fingerprint), signed.signature);
    void Promise.all([isSigned(member, "member"), isSigned(welcome.invitation, "invitation")]).then((results) => {
      if (this.#state !== "verifying") return;
      if (results.every(Boolean)) this.#settle(welcome, proof, sides, key);
      else this.#events.onFailed("a peer with a signature that is not its key's");
    });
  }

  #settle({ session }: Welcome, proof: PeerProof, sides: GreetingSides, key: Uint8Array): void {
    this.#state = "over";
    const code = this.#options.judge(proof);
    if (code === undefined) return this.#events.onWelcome(session, proof);
    const refusal = keyedProof(key, "refusal", sides, this.#own, utf8Encode(code));
    this.#events.onReject(encodeGreeting({ type: REFUSED, ...this.#head, proof: refusal, code }), code);
  }

  /** Only who has the key may tell this end that it is not let in. */
  #denied({ proof, code }: Refused, sides: GreetingSides, key: Uint8Array): void {
    const isProved = equalSecrets(proof, keyedProof(key, "refusal", sides, this.#peer, utf8Encode(code)));
    if (isProved) this.#events.onDenied(code);
    else this.#events.onFailed(UNPROVED);
  }

  // ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  get #own(): Prover {
    return this.#options.isDialer ? "dialer" : "dialed";
  }

  get #peer(): Prover {
    return this.#options.isDialer ? "dialed" : "dialer";
  }

  get #head(): { readonly session: bigint; readonly nonce: Uint8Array } {
    return { session: this.#options.own.session, nonce: this.#nonce };
  }

  /** If one end comes by an invitation, its key is the key. */
  #keyFor({ invitation }: Hello): Uint8Array | undefined {
    const { roomKey, invitation: own, invitationKey } = this.#options.credentials;
    if (invitation === undefined) return own?.key ?? roomKey;
    return own === undefined ? invitationKey?.(invitation) : undefined;
  }

  #sidesWith({ session, nonce }: Hello): GreetingSides {
    const { isDialer } = this.#options;
    const own: GreetingSide = { ...this.#options.own, nonce: this.#nonce };
    const peer: GreetingSide = { ...this.#options.peer, session, nonce };
    return isDialer ? { dialer: own, dialed: peer } : { dialer: peer, dialed: own };
  }
}
