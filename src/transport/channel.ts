/**
 * What the WebRTC carrier needs from a library that brings two browsers together: a small part of PeerJS, without its
 * traps. `peerjs.ts` is the real one; tests hand in their own.
 */

/** One data connection to one peer, ordered and reliable while it lasts. */
export interface Channel {
  readonly peerId: string;
  /** Whether we asked for it, or the peer did. */
  readonly dialed: boolean;
  /** Bytes handed over and not yet sent. */
  readonly bufferedBytes: number;
  /** Known from onOpen and the first onMessage on; undefined when the browser does not tell. */
  readonly fingerprints: ChannelFingerprints | undefined;
  /** Once, before anything else happens to it. */
  start(events: ChannelEvents): void;
  /** At most 16 KiB; only between onOpen and onClosed. Never throws. */
  send(message: Uint8Array<ArrayBuffer>): void;
  /** onClosed is not called for it. */
  close(): void;
}

/**
 * SHA-256 of the DTLS certificates of the two ends, as the encrypted transport itself has seen them: signalling, which
 * carries them too, may lie.
 */
export interface ChannelFingerprints {
  readonly own: Uint8Array;
  readonly peer: Uint8Array;
}

export interface ChannelEvents {
  onOpen(): void;
  /** Anything that a browser can send: a text or a blob is for us to refuse. */
  onMessage(data: unknown): void;
  /** `bufferedBytes` has become small again. */
  onDrained(): void;
  /** Something is wrong, or may be: the browser's guess after some seconds without an answer from the network. */
  onDoubt(): void;
  /** Once; also when it never opened. */
  onClosed(reason: string): void;
}

/**
 * - `connecting`: not reachable by others yet.
 * - `open`: others can find us.
 * - `lost`: the server cannot be reached, or went away; it is tried again. Channels stay as they are.
 * - `refused`: the server does not want us (the id is taken, the room is full); it is tried again all the same.
 */
export type SignallingState = "connecting" | "open" | "lost" | "refused";

export interface PeerPortEvents {
  /** The text is for people: why. */
  onSignalling(state: SignallingState, text: string): void;
  /** A peer has asked for a channel. It is ours to start or to close. */
  onChannel(channel: Channel): void;
}

/** Our presence in a room. */
export interface PeerPort {
  start(events: PeerPortEvents): void;
  /** Undefined while signalling is not open. */
  dial(peerId: string): Channel | undefined;
  /** Asks the server now instead of after the rest of the back-off. */
  retryNow(): void;
  close(): void;
}
