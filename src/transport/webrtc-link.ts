/**
 * One channel to a member, from its opening to its end: greeting, frames in parts, back-pressure, and pings.
 *
 *     HELLO    0x01 …   sent by both sides until they are welcome; see greeting/
 *     WELCOME  0x04 …   the response to each HELLO, with the proof that the sender knows the room's secret
 *     PING     0x02     answered at once
 *     PONG     0x03
 *     PART     0x50 …   see protocol/peer/fragment.ts
 *
 * A side is ready when it received a WELCOME with a valid proof: then the peer is authenticated and both directions
 * work. Other messages before that are not read. They are held, up to a bound, because the peer may be ready earlier.
 *
 * Browsers do not guarantee a working channel. Chromium may report a channel that the peer opened as open a moment
 * before it is. Messages sent in that moment are lost, though the channel is reliable. About once in a hundred times it
 * never carries anything in that direction.
 *
 * A browser that crashed, froze or lost its network sends nothing, and neither WebRTC nor PeerJS notices for a minute.
 * So a silent peer is pinged, and a few pings without any response end the link. Pings are counted, not seconds: a
 * throttled or frozen page sends none meanwhile, and so does not take its own pause for the peer's death. A hidden peer
 * responds at once, because messages are not throttled as timers are.
 */
import { fragment, PART_HEADER_BYTES, Reassembler } from "../protocol/peer/fragment.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { Channel, ChannelFingerprints } from "./channel.ts";
import type { TransportClock } from "./clock.ts";
import { isGreeting } from "./greeting/greeting-message.ts";
import { Handshake } from "./greeting/handshake.ts";
import type { GreetingCredentials, PeerProof } from "./greeting/handshake.ts";
import { BINDING_BYTES } from "./greeting/transcript.ts";

export interface LinkOptions {
  readonly channel: Channel;
  readonly id: MemberId;
  readonly peer: MemberId;
  readonly session: bigint;
  readonly credentials: GreetingCredentials;
  readonly maxFrameBytes: number;
  readonly maxQueueBytes: number;
  readonly pingMs: number;
  readonly openWithinMs: number;
  readonly clock: TransportClock;
}

export interface LinkEvents {
  /** Returns why the peer is not let in: a value of JOIN_REFUSALS. Called before `onReady`. */
  judge(proof: PeerProof): string | undefined;
  /** The peer does not let this member in. `onEnd` follows. */
  onDenied(code: string): void;
  /** Called when both directions work: frames can be sent. */
  onReady(link: Link): void;
  onFrame(link: Link, frame: Uint8Array): void;
  /** Called once, unless this side closed it. */
  onEnd(link: Link, reason: string): void;
}

/** Bytes. Messages up to this size pass between all browsers. */
const MAX_PART_BYTES = 16 * 1024;
const MAX_MESSAGE_BYTES = 64 * 1024;
/** Bytes. Above it sending waits, so that a ping never queues behind megabytes. */
const HIGH_WATER_BYTES = 256 * 1024;
const MAX_UNANSWERED_PINGS = 3;
/** After a doubt, pings follow each other this many times faster. */
const DOUBT_HURRY = 4;

/** How long a greeting waits for its response before it is sent again, and how often it is sent. */
const GREET_MS = 500;
const MAX_GREETINGS = 10;
/** How long a peer that is not let in has to take the message that says so. */
const REJECT_MS = 1000;

/** Limits of the messages held for a peer that has not proved anything yet. */
const MAX_HELD_BYTES = 512 * 1024;
const MAX_HELD_MESSAGES = 256;

const PING = 0x02;
const PONG = 0x03;

export class Link {
  readonly channel: Channel;
  /** The peer's session, and what it has proved, once the link is ready. */
  session: bigint | undefined;
  proof: PeerProof | undefined;
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #reassembler: Reassembler;
  #state: "opening" | "greeting" | "rejecting" | "ready" | "closed" = "opening";
  /** From the opening of the channel on. */
  #handshake: Handshake | undefined;
  #greetings = 0;
  /** Messages that arrived between the peer's greeting and its proof. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** Frames that wait for the channel to drain, and the remaining parts of the frame that is being sent. */
  #queue: Uint8Array[] = [];
  #queueBytes = 0;
  #parts: Uint8Array[] = [];
  #unansweredPings = 0;
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

  /** Sends a frame. Drops it if it does not fit the queue. */
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
    this.#handshake?.close();
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
    if (fingerprints?.own.length !== BINDING_BYTES || fingerprints.peer.length !== BINDING_BYTES) {
      this.#end("a connection whose certificates cannot be seen");
      return;
    }
    this.#handshake = this.#newHandshake(fingerprints);
    this.#greet();
  }

  #newHandshake({ own, peer }: ChannelFingerprints): Handshake {
    const { channel, credentials, id, peer: peerId, session } = this.#options;
    return new Handshake(
      {
        credentials,
        isDialer: channel.dialed,
        own: { id, session, binding: own },
        peer: { id: peerId, binding: peer },
        judge: (proof) => this.#events.judge(proof),
      },
      {
        send: (message) => this.#reply(message),
        onWelcome: (peerSession, proof) => this.#welcomed(peerSession, proof),
        onReject: (message, code) => this.#reject(message, code),
        onDenied: (code) => {
          this.#events.onDenied(code);
          this.#end(`the peer does not let this member in: ${code}`);
        },
        onFailed: (reason) => this.#end(reason),
      },
    );
  }

  /** A channel that is closed at once may lose what was just sent. */
  #reject(message: Uint8Array<ArrayBuffer>, code: string): void {
    this.#state = "rejecting";
    this.#held = [];
    this.channel.send(message);
    this.#cancelTimer();
    this.#cancelTimer = this.#options.clock.after(REJECT_MS, () => this.#end(`a peer that is not let in: ${code}`));
  }

  #greet(): void {
    const handshake = this.#handshake;
    if (handshake === undefined) return;
    if (this.#greetings >= MAX_GREETINGS) {
      this.#end("no welcome");
      return;
    }
    this.#greetings += 1;
    // The timer is set first: sending may end the link, and its timers with it.
    this.#cancelTimer = this.#options.clock.after(GREET_MS, () => this.#greet());
    this.channel.send(handshake.hello());
  }

  #received(data: unknown): void {
    if (this.#state === "closed" || this.#state === "rejecting") return;
    if (!(data instanceof ArrayBuffer) || data.byteLength === 0 || data.byteLength > MAX_MESSAGE_BYTES) {
      this.#end("a message that is none of ours");
      return;
    }
    this.#unansweredPings = 0;
    this.#doubt = false;
    const message = new Uint8Array(data);
    // A peer's first messages may arrive before the event that the channel is open.
    if (this.#state === "opening") this.#opened();
    if (isGreeting(message)) this.#handshake?.received(message);
    else if (this.#handshake?.hasHeard !== true) this.#end("a peer that does not speak our protocol");
    else if (this.#state === "greeting") this.#hold(message);
    else this.#receivedReady(message);
  }

  /**
   * The peer sends more than greetings, so it has this side's welcome. Only its own is late or lost, and is requested
   * again at once.
   */
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

  #welcomed(session: bigint, proof: PeerProof): void {
    if (this.#state !== "greeting") return;
    this.session = session;
    this.proof = proof;
    this.#state = "ready";
    this.#cancelTimer();
    this.#schedulePing();
    this.#events.onReady(this);
    const held = this.#held;
    this.#held = [];
    for (const message of held) this.#receivedReady(message);
  }

  #receivedReady(message: Uint8Array): void {
    if (!this.ready || message[0] === PONG) return;
    this.#heard = true;
    if (message[0] === PING) this.#reply(new Uint8Array([PONG]));
    else this.#receivedPart(message);
  }

  /** Bounded: a peer that sends requests and does not read must not fill the memory. */
  #reply(message: Uint8Array<ArrayBuffer>): void {
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

  /** Starts the next frame. */
  #nextParts(): Uint8Array | undefined {
    const frame = this.#queue.shift();
    if (frame === undefined) return undefined;
    this.#queueBytes -= frame.length;
    const parts = fragment(frame, MAX_PART_BYTES);
    if (frame.length > MAX_PART_BYTES - PART_HEADER_BYTES) this.#parts = parts.slice(1);
    return parts[0];
  }

  #schedulePing(): void {
    const { clock, pingMs } = this.#options;
    this.#cancelTimer = clock.after(this.#doubt ? pingMs / DOUBT_HURRY : pingMs, () => this.#pingIfSilent());
  }

  #pingIfSilent(): void {
    this.#schedulePing();
    // A peer that sends messages need not be pinged. A PONG does not count as one: otherwise the next ping would come
    // only after two intervals.
    if (this.#heard) this.#heard = false;
    else if (this.#unansweredPings >= MAX_UNANSWERED_PINGS) this.#end("the peer has fallen silent");
    else this.#ping();
  }

  #ping(): void {
    this.#unansweredPings += 1;
    this.channel.send(new Uint8Array([PING]));
  }

  #doubted(): void {
    if (!this.ready || this.#doubt) return;
    this.#doubt = true;
    this.#heard = false;
    this.#cancelTimer();
    this.#schedulePing();
    this.#ping();
  }
}
