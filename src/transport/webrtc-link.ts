/**
 * One channel to a member, from its opening to its end: greeting, frames in parts, back-pressure, and a pulse.
 *
 *     HELLO    0x01 …   said by both sides until they are welcome; see greeting.ts
 *     WELCOME  0x04 …   the answer to each HELLO, with the proof that the room's secret is known
 *     PING     0x02     answered at once
 *     PONG     0x03
 *     PART     0x50 …   see protocol/peer/fragment.ts
 *
 * A side is ready when it has been welcomed with a proof, so when the peer is authenticated and both directions work.
 * Nothing else that comes before is read; it is held, up to a bound, because the peer may be ready earlier. Browsers do not promise that: Chromium may
 * say that a channel which the peer opened is open a moment before it is. What is sent in that moment is lost, though
 * the channel is reliable; and once in some hundred times it never carries anything that way.
 *
 * A browser that crashed, froze or lost its network says nothing, and neither WebRTC nor PeerJS notices for a minute.
 * So a quiet peer is pinged, and a few pings without any answer end the link. Pings are counted, not seconds: a
 * throttled or frozen page of our own sends none meanwhile and so does not take its own sleep for the peer's death. A
 * hidden peer answers at once, because messages are not throttled as timers are.
 */
import { fragment, PART_HEADER_BYTES, Reassembler } from "../protocol/peer/fragment.ts";
import { equalSecrets } from "../base/hmac-sha256.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { Channel, ChannelFingerprints } from "./channel.ts";
import type { TransportClock } from "./clock.ts";
import {
  decodeGreeting,
  encodeGreeting,
  type Greeting,
  greetingProof,
  type GreetingSide,
  type GreetingSides,
  HELLO,
  NONCE_BYTES,
  WELCOME,
} from "./greeting.ts";

export interface LinkOptions {
  readonly channel: Channel;
  readonly id: MemberId;
  readonly peer: MemberId;
  readonly session: bigint;
  readonly greetingKey: Uint8Array;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
  readonly pingMs: number;
  readonly openWithinMs: number;
  readonly clock: TransportClock;
}

export interface LinkEvents {
  /** The peer hears us, and we hear it: frames can flow. */
  onReady(link: Link): void;
  onFrame(link: Link, frame: Uint8Array): void;
  /** Once, if it was not us who closed it. */
  onEnd(link: Link, reason: string): void;
}

/** Messages up to this size pass between all browsers. */
const MAX_PART_BYTES = 16 * 1024;
const MAX_MESSAGE_BYTES = 64 * 1024;
/** Above it we wait, so that a ping never has to queue behind megabytes. */
const HIGH_WATER_BYTES = 256 * 1024;
const MAX_UNANSWERED_PINGS = 3;
/** While there is doubt, pings follow each other this much faster. */
const DOUBT_HURRY = 4;

/** How long a greeting waits for its answer before it is said again, and how often it is said. */
const GREET_MS = 500;
const MAX_GREETINGS = 10;

/** What is held of a peer that has not proved anything yet. */
const MAX_HELD_BYTES = 512 * 1024;
const MAX_HELD_MESSAGES = 256;

const FINGERPRINT_BYTES = 32;
const PING = 0x02;
const PONG = 0x03;

export class Link {
  readonly channel: Channel;
  /** The peer's session, once the link is ready. */
  session: bigint | undefined;
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #reassembler: Reassembler;
  #state: "opening" | "greeting" | "ready" | "closed" = "opening";
  readonly #nonce: Uint8Array = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  #fingerprints: ChannelFingerprints | undefined;
  #greetings = 0;
  /** Both ends, once the peer has greeted; and what we prove to it. */
  #sides: GreetingSides | undefined;
  #proof: Uint8Array | undefined;
  /** What came between the peer's greeting and its proof. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Frames that wait for the channel to drain, and the parts of the one that is being sent. */
  #queue: Uint8Array[] = [];
  #queueBytes = 0;
  #parts: Uint8Array[] = [];
  #unanswered = 0;
  #heard = false;
  #doubt = false;
  #cancelTimer: () => void;

  constructor(options: LinkOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.channel = options.channel;
    this.#reassembler = new Reassembler(options.maxFrameBytes);
    this.#cancelTimer = options.clock.after(options.openWithinMs, () => this.#end("no answer"));
    options.channel.start({
      onOpen: () => this.#opened(),
      onMessage: (data) => this.#received(data),
      onDrained: () => this.#drain(),
      onDoubt: () => this.#doubted(),
      onClosed: (reason) => this.#end(reason),
    });
  }

  get ready(): boolean {
    return this.#state === "ready";
  }

  /** Drops what does not fit the queue. */
  send(frame: Uint8Array): void {
    if (!this.ready || frame.length === 0 || frame.length > this.#options.maxFrameBytes) return;
    if (this.#queueBytes + frame.length > this.#options.maxQueueBytes) return;
    this.#queue.push(frame);
    this.#queueBytes += frame.length;
    this.#drain();
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#cancelTimer();
    this.#queue = [];
    this.#parts = [];
    this.#queueBytes = 0;
    this.#held = [];
    this.channel.close();
  }

  #end(reason: string): void {
    if (this.#state === "closed") return;
    this.close();
    this.#events.onEnd(this, reason);
  }

  #opened(): void {
    if (this.#state !== "opening") return;
    this.#state = "greeting";
    this.#cancelTimer();
    const { fingerprints } = this.channel;
    const isKnown = fingerprints?.own.length === FINGERPRINT_BYTES && fingerprints.peer.length === FINGERPRINT_BYTES;
    if (!isKnown) {
      this.#end("a connection whose certificates cannot be seen");
      return;
    }
    this.#fingerprints = fingerprints;
    this.#greet();
  }

  #greet(): void {
    if (this.#greetings >= MAX_GREETINGS) {
      this.#end("no welcome");
      return;
    }
    this.#greetings += 1;
    // What is sent may end the link, and its timers with it.
    this.#cancelTimer = this.#options.clock.after(GREET_MS, () => this.#greet());
    this.channel.send(this.#greeting(HELLO, new Uint8Array(0)));
  }

  #greeting(type: Greeting["type"], proof: Uint8Array): Uint8Array<ArrayBuffer> {
    return encodeGreeting({ type, session: this.#options.session, nonce: this.#nonce, proof });
  }

  #received(data: unknown): void {
    if (this.#state === "closed") return;
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0 || data.byteLength > MAX_MESSAGE_BYTES) {
      this.#end("a message that is none of ours");
      return;
    }
    this.#unanswered = 0;
    this.#doubt = false;
    const message = new Uint8Array(data);
    // A peer's first messages may overtake the news that the channel is open.
    if (this.#state === "opening") this.#opened();
    if (message[0] === HELLO || message[0] === WELCOME) this.#greeted(message);
    else if (this.#sides === undefined) this.#end("a peer that does not speak our protocol");
    else if (this.#state === "greeting") this.#hold(message);
    else this.#talked(message);
  }

  /** It says more than greetings, so it has our welcome; only its own is late or was lost, and is asked for at once. */
  #hold(message: Uint8Array<ArrayBuffer>): void {
    this.#held.push(message);
    this.#heldBytes += message.length;
    if (this.#heldBytes > MAX_HELD_BYTES || this.#held.length > MAX_HELD_MESSAGES) {
      this.#end("a peer that talks before it has proved that it knows the room's secret");
    } else if (this.#held.length === 1) {
      this.#cancelTimer();
      this.#greet();
    }
  }

  #greeted(message: Uint8Array<ArrayBuffer>): void {
    const greeting = decodeGreeting(message);
    if (typeof greeting === "string") {
      this.#end(greeting);
      return;
    }
    const sides = this.#sides ?? this.#sidesWith(greeting);
    if (sides === undefined) return;
    this.#sides = sides;
    const { session, nonce } = this.channel.dialed ? sides.dialed : sides.dialer;
    if (session !== greeting.session || !equalSecrets(nonce, greeting.nonce)) {
      this.#end("a peer that is suddenly another");
    } else this.#believe(greeting, sides);
  }

  #believe({ type, session, proof }: Greeting, sides: GreetingSides): void {
    const { greetingKey } = this.#options;
    const [own, peer] = this.channel.dialed ? (["dialer", "dialed"] as const) : (["dialed", "dialer"] as const);
    if (type === HELLO) {
      this.#proof ??= greetingProof(greetingKey, sides, own);
      this.#answer(this.#greeting(WELCOME, this.#proof));
    } else if (this.#state === "greeting") {
      if (equalSecrets(proof, greetingProof(greetingKey, sides, peer))) this.#welcomed(session);
      else this.#end("a peer that does not know the room's secret, or one that somebody sits in between");
    }
  }

  #sidesWith({ session, nonce }: Greeting): GreetingSides | undefined {
    const { channel, id, peer: peerId, session: ownSession } = this.#options;
    const fingerprints = this.#fingerprints;
    if (fingerprints === undefined) return undefined;
    const own: GreetingSide = { id, session: ownSession, nonce: this.#nonce, fingerprint: fingerprints.own };
    const peer: GreetingSide = { id: peerId, session, nonce, fingerprint: fingerprints.peer };
    return channel.dialed ? { dialer: own, dialed: peer } : { dialer: peer, dialed: own };
  }

  #welcomed(session: bigint): void {
    this.session = session;
    this.#state = "ready";
    this.#cancelTimer();
    this.#beatLater();
    this.#events.onReady(this);
    const held = this.#held;
    this.#held = [];
    for (const message of held) this.#talked(message);
  }

  #talked(message: Uint8Array): void {
    if (!this.ready || message[0] === PONG) return;
    this.#heard = true;
    if (message[0] === PING) this.#answer(new Uint8Array([PONG]));
    else this.#receivedPart(message);
  }

  /** Not for ever: a peer that asks and does not read must not fill our memory. */
  #answer(message: Uint8Array<ArrayBuffer>): void {
    if (this.channel.bufferedBytes < 2 * HIGH_WATER_BYTES) this.channel.send(message);
  }

  #receivedPart(message: Uint8Array): void {
    const frame = this.#reassembled(message);
    if (frame === "garbage") this.#end("bytes that are no frame");
    else if (frame !== undefined) this.#events.onFrame(this, frame);
  }

  #reassembled(message: Uint8Array): Uint8Array | "garbage" | undefined {
    try {
      return this.#reassembler.push(message);
    } catch {
      return "garbage";
    }
  }

  #drain(): void {
    while (this.#state === "ready" && this.channel.bufferedBytes < HIGH_WATER_BYTES) {
      const part = this.#parts.shift() ?? this.#nextParts();
      if (part === undefined) return;
      this.channel.send(part as Uint8Array<ArrayBuffer>);
    }
  }

  /** Begins the next frame. */
  #nextParts(): Uint8Array | undefined {
    const frame = this.#queue.shift();
    if (frame === undefined) return undefined;
    this.#queueBytes -= frame.length;
    const parts = fragment(frame, MAX_PART_BYTES);
    if (frame.length > MAX_PART_BYTES - PART_HEADER_BYTES) this.#parts = parts.slice(1);
    return parts[0];
  }

  #beatLater(): void {
    const { clock, pingMs } = this.#options;
    this.#cancelTimer = clock.after(this.#doubt ? pingMs / DOUBT_HURRY : pingMs, () => this.#beat());
  }

  #beat(): void {
    this.#beatLater();
    // Somebody who talks need not be asked. An answer is no talk, or the next ping would come only after two beats.
    if (this.#heard) this.#heard = false;
    else if (this.#unanswered >= MAX_UNANSWERED_PINGS) this.#end("the peer has fallen silent");
    else this.#ping();
  }

  #ping(): void {
    this.#unanswered += 1;
    this.channel.send(new Uint8Array([PING]));
  }

  #doubted(): void {
    if (!this.ready || this.#doubt) return;
    this.#doubt = true;
    this.#heard = false;
    this.#cancelTimer();
    this.#beatLater();
    this.#ping();
  }
}
