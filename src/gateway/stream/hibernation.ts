/**
 * Sockets that outlive the memory of their server. A platform may evict a server from memory while its sockets stay open,
 * and start another one when something arrives. What the next server needs is saved while nothing is under way.
 */

/** What the server of a socket leaves to the next one. */
export interface SavedSocket {
  /** Its streams and watches. The same bytes as long as none is added or removed. */
  readonly streams: Uint8Array;
  /** How far they have come. At most a few KB. */
  readonly progress: Uint8Array;
}

/** Of a socket whose server may be evicted. */
export interface Hibernation {
  /**
   * Sets how the server is saved. `save` is called when nothing was sent or received for a while. It returns undefined
   * while the server must stay in memory; it is then called again later.
   */
  onQuiet(save: () => SavedSocket | undefined): void;
  /** When the platform last answered a ping of the caller by itself, in milliseconds since 1970; 0: never. */
  pingedMs(): number;
}
