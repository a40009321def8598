/**
 * Signalling and channels in one process, driven by a manual clock: the behaviour of PeerJS and WebRTC as far as the
 * transport can see it, so that tests can arrange crossing dials and failures.
 */
import type {
  Channel,
  ChannelEvents,
  ChannelFingerprints,
  PeerPort,
  PeerPortEvents,
} from "../../src/transport/channel.ts";
import type { ManualClock } from "./manual-clock.ts";

const CONNECT_MS = 20;
const LATENCY_MS = 1;

export class FakeRoom {
  readonly clock: ManualClock;
  readonly ports: Map<string, FakePort> = new Map();
  /** Every dial that reached a peer, as "m1>m2". */
  readonly dials: string[] = [];
  readonly channels: FakeChannel[] = [];

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  port(peerId: string): FakePort {
    const port = new FakePort(this, peerId);
    this.ports.set(peerId, port);
    return port;
  }

  dial(from: string, to: string): FakeChannel {
    const near = new FakeChannel(this.clock, to, true);
    const far = new FakeChannel(this.clock, from, false);
    near.other = far;
    far.other = near;
    this.dials.push(`${from}>${to}`);
    this.clock.after(CONNECT_MS, () => {
      const target = this.ports.get(to)?.events;
      if (target === undefined) near.end("the peer is not there");
      else {
        this.channels.push(near, far);
        target.onChannel(far);
        this.clock.after(CONNECT_MS, () => {
          far.opened();
          near.opened();
        });
      }
    });
    return near;
  }
}

export class FakePort implements PeerPort {
  events: PeerPortEvents | undefined;
  readonly #room: FakeRoom;
  readonly #peerId: string;
  online = true;

  constructor(room: FakeRoom, peerId: string) {
    this.#room = room;
    this.#peerId = peerId;
  }

  start(events: PeerPortEvents): void {
    this.events = events;
    events.onSignalling("connecting", "");
    if (this.online) events.onSignalling("open", "");
  }

  dial(peerId: string): Channel | undefined {
    return this.online ? this.#room.dial(this.#peerId, peerId) : undefined;
  }

  retryNow(): void {}

  close(): void {
    this.events = undefined;
    this.#room.ports.delete(this.#peerId);
  }
}

export class FakeChannel implements Channel {
  readonly peerId: string;
  readonly dialed: boolean;
  other: FakeChannel | undefined;
  /** Crashes: nothing that is sent here arrives, and no event reports it. */
  dead = false;
  closed = false;
  /** This many of the next messages that are sent here get lost, as in a browser that opens its side too early. */
  loses = 0;
  /** Bytes that a slow network has not taken. */
  bufferedBytes = 0;
  slow = false;
  /** As two honest ends see each other: each sees what the other presents. */
  fingerprints: ChannelFingerprints | undefined;
  /** Everything that was sent, and an observer of messages in flight. */
  readonly messages: Uint8Array[] = [];
  readonly sent: number[] = [];
  readonly #clock: ManualClock;
  #events: ChannelEvents | undefined;

  constructor(clock: ManualClock, peerId: string, dialed: boolean) {
    this.#clock = clock;
    this.peerId = peerId;
    this.dialed = dialed;
    const [dialer, dialing] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    this.fingerprints = dialed ? { own: dialer, peer: dialing } : { own: dialing, peer: dialer };
  }

  start(events: ChannelEvents): void {
    this.#events = events;
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    this.sent.push(message[0] as number);
    this.messages.push(message.slice());
    if (this.slow) this.bufferedBytes += message.length;
    this.loses -= 1;
    if (this.loses >= 0 || this.dead || this.other?.dead === true) return;
    const copy = message.slice().buffer;
    this.#clock.after(LATENCY_MS, () => this.other?.arrived(copy));
  }

  close(): void {
    this.closed = true;
    this.#events = undefined;
    if (!this.dead) this.#clock.after(LATENCY_MS, () => this.other?.end("closed"));
  }

  opened(): void {
    this.#events?.onOpen();
  }

  arrived(data: unknown): void {
    if (!this.dead) this.#events?.onMessage(data);
  }

  doubt(): void {
    this.#events?.onDoubt();
  }

  drain(): void {
    this.bufferedBytes = 0;
    this.#events?.onDrained();
  }

  end(reason: string): void {
    if (this.closed || this.dead) return;
    this.closed = true;
    const events = this.#events;
    this.#events = undefined;
    events?.onClosed(reason);
  }
}
