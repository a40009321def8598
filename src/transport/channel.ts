/**
 * What the WebRTC transport needs from a library that connects two browsers: a small part of PeerJS, without its traps.
 * `peerjs.ts` is the real implementation; tests pass in their own.
 */

/** One data connection to one peer, ordered and reliable while it lasts. */
export interface Channel {
  readonly peerId: string;
  /** True if this side dialed, false if the peer did. */
  readonly dialed: boolean;
  /** Bytes that were accepted and not yet sent. */
  readonly bufferedBytes: number;
  /** Known from onOpen and the first onMessage on; undefined if the browser does not expose it. */
  readonly fingerprints: ChannelFingerprints | undefined;
  /** Call it once, before any other method. */
  start(events: ChannelEvents): void;
  /** Sends at most 16 KiB; only between onOpen and onClosed. Never throws. */
  send(message: Uint8Array<ArrayBuffer>): void;
  /** Closes the channel. onClosed is not called for it. */
  close(): void;
}

/**
 * SHA-256 of the DTLS certificates of the two ends, as the encrypted transport itself has seen them. Signalling also
 * carries them, but may lie.
 */
export interface ChannelFingerprints {
  readonly own: Uint8Array;
  readonly peer: Uint8Array;
}

export interface ChannelEvents {
  onOpen(): void;
  /** Receives anything that a browser can send. The receiver must reject a text or a blob. */
  onMessage(data: unknown): void;
  /** Called when `bufferedBytes` has become small again. */
  onDrained(): void;
  /** Called when something may be wrong: the browser's guess after some seconds without a response from the network. */
  onDoubt(): void;
  /** Called once; also if the channel never opened. */
  onClosed(reason: string): void;
}

/**
 * - `connecting`: not reachable by others yet.
 * - `open`: others can find this member.
 * - `lost`: the server cannot be reached, or closed the connection; it is retried. Channels stay as they are.
 * - `refused`: the server rejects this member (the id is taken, the room is full); it is retried too.
 */
export type SignallingState = "connecting" | "open" | "lost" | "refused";

export interface PeerPortEvents {
  /** The text tells the user why. */
  onSignalling(state: SignallingState, text: string): void;
  /** Called when a peer dials. The receiver starts or closes the channel. */
  onChannel(channel: Channel): void;
}

/** This member's presence in a room. */
export interface PeerPort {
  start(events: PeerPortEvents): void;
  /** Dials a peer. Returns undefined while signalling is not open. */
  dial(peerId: string): Channel | undefined;
  /** Retries the server now instead of after the rest of the backoff. */
  retryNow(): void;
  close(): void;
}

/** The connection to the server, shared with signalling. */
export interface RelayWire {
  readonly isOpen: boolean;
  readonly bufferedBytes: number;
  /** Sends nothing while it is not open. */
  send(peerId: string, text: string): void;
  /** Call it once. */
  listen(received: (peerId: string, text: unknown) => void, changed: (isOpen: boolean) => void): void;
}
