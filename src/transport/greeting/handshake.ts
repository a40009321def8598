/**
 * The greeting of one channel, as one end of it sees it. Any transport may use it: it gets messages, and says what to
 * send. It sets no timer. A transport that may lose the first messages sends `hello()` again.
 *
 *     hello() ──► peer          HELLO   ──► send(WELCOME with the proof)
 *                               WELCOME ──► onWelcome: the peer has proved who it is
 */
import { equalSecrets } from "../../base/bytes.ts";
import { decodeGreeting, encodeGreeting, HELLO, NONCE_BYTES, WELCOME } from "./greeting-message.ts";
import type { GreetingMessage } from "./greeting-message.ts";
import { greetingProof } from "./transcript.ts";
import type { GreetingSide, GreetingSides } from "./transcript.ts";

export interface HandshakeOptions {
  readonly key: Uint8Array;
  readonly isDialer: boolean;
  readonly own: Omit<GreetingSide, "nonce">;
  readonly peer: Pick<GreetingSide, "id" | "binding">;
}

/** Each may be called within a call of the handshake, or in a later turn. */
export interface HandshakeEvents {
  /** Sends a response. The transport may drop it: the peer greets again. */
  send(message: Uint8Array<ArrayBuffer>): void;
  /** Called once, when the peer has proved that it has the key. */
  onWelcome(session: bigint): void;
  /** The channel must be closed. The text says why, for people. */
  onRefused(reason: string): void;
}

export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #events: HandshakeEvents;
  readonly #nonce: Uint8Array = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  /** Both ends, once the peer has greeted; and this side's proof. */
  #sides: GreetingSides | undefined;
  #proof: Uint8Array | undefined;
  #isWelcome = false;

  constructor(options: HandshakeOptions, events: HandshakeEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Whether the peer has greeted, and so speaks our protocol. It may have proved nothing yet. */
  get hasHeard(): boolean {
    return this.#sides !== undefined;
  }

  hello(): Uint8Array<ArrayBuffer> {
    return this.#message(HELLO, new Uint8Array(0));
  }

  /** Takes a message for which `isGreeting` is true. */
  received(message: Uint8Array): void {
    const greeting = decodeGreeting(message);
    if (typeof greeting === "string") {
      this.#events.onRefused(greeting);
      return;
    }
    const sides = (this.#sides ??= this.#sidesWith(greeting));
    const { session, nonce } = this.#options.isDialer ? sides.dialed : sides.dialer;
    if (session !== greeting.session || !equalSecrets(nonce, greeting.nonce)) {
      this.#events.onRefused("a peer that is suddenly another");
    } else if (greeting.type === HELLO) this.#welcome(sides);
    else if (!this.#isWelcome) this.#verify(greeting, sides);
  }

  #welcome(sides: GreetingSides): void {
    const { key, isDialer } = this.#options;
    this.#proof ??= greetingProof(key, sides, isDialer ? "dialer" : "dialed");
    this.#events.send(this.#message(WELCOME, this.#proof));
  }

  #verify({ session, proof }: GreetingMessage, sides: GreetingSides): void {
    const { key, isDialer } = this.#options;
    if (!equalSecrets(proof, greetingProof(key, sides, isDialer ? "dialed" : "dialer"))) {
      this.#events.onRefused("a peer that does not know the room's secret, or one that somebody sits in between");
      return;
    }
    this.#isWelcome = true;
    this.#events.onWelcome(session);
  }

  #message(type: GreetingMessage["type"], proof: Uint8Array): Uint8Array<ArrayBuffer> {
    return encodeGreeting({ type, session: this.#options.own.session, nonce: this.#nonce, proof });
  }

  #sidesWith({ session, nonce }: GreetingMessage): GreetingSides {
    const { isDialer } = this.#options;
    const own: GreetingSide = { ...this.#options.own, nonce: this.#nonce };
    const peer: GreetingSide = { ...this.#options.peer, session, nonce };
    return isDialer ? { dialer: own, dialed: peer } : { dialer: peer, dialed: own };
  }
}
