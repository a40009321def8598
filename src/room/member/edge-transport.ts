/**
 * The transport of a tab whose room's cluster has objects: a WebSocket to each object, and to the other tabs WebRTC, which
 * is opened when the log says that tabs vote. In a room of shape "edge" nothing of WebRTC is loaded.
 *
 * Each peer belongs to one of the two, by its id. So no tab can speak as an object, nor an object as a tab.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { PeerProof } from "../../transport/greeting/handshake.ts";
import type { TransportHandlers } from "../../transport/transport.ts";
import type { RoomMembership, TabTransport } from "./tab-transport.ts";

export interface EdgeTransportOptions {
  /** Known before the log says which members are objects. */
  readonly objects: readonly MemberId[];
  readonly toObjects: TabTransport;
  /** Rejects if this browser has no WebRTC, or if its parts cannot be loaded. It is called again after a while. */
  readonly openToTabs: () => Promise<TabTransport>;
}

/** What the greeting of a WebSocket proves of an object. */
const OBJECT: PeerProof = { key: undefined, knowsSecret: true, invitation: undefined, isHost: false };

export class EdgeTransport implements TabTransport {
  readonly maxFrameBytes: number;
  readonly #options: EdgeTransportOptions;
  #objects: ReadonlySet<MemberId>;
  #names: ReadonlyMap<MemberId, string> = new Map();
  #handlers: TransportHandlers | undefined;
  #peers: readonly MemberId[] = [];
  #toTabs: TabTransport | undefined;
  #isOpening = false;
  #isClosed = false;

  constructor(options: EdgeTransportOptions) {
    this.#options = options;
    this.#objects = new Set(options.objects);
    this.maxFrameBytes = options.toObjects.maxFrameBytes;
  }

  follow({ shape: { shape, objects }, members }: RoomMembership): void {
    if (this.#isClosed) return;
    const known = this.#objects.size;
    this.#objects = new Set([...this.#objects, ...objects]);
    this.#names = new Map(members.map(({ id, name }) => [id, name]));
    if (shape === "mixed" && this.#toTabs === undefined && !this.#isOpening) void this.#open();
    if (this.#objects.size > known) this.#share();
  }

  /** The name of a member that the log has; empty before it runs. */
  nameOf(member: MemberId): string {
    return this.#names.get(member) ?? "";
  }

  start(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    this.#options.toObjects.start(only(handlers, (peer) => this.#objects.has(peer)));
  }

  send(to: MemberId, frame: Uint8Array): void {
    this.#of(to)?.send(to, frame);
  }

  setPeers(peers: readonly MemberId[]): void {
    this.#peers = peers;
    this.#share();
  }

  isAuthenticated(peer: MemberId): boolean {
    return this.#of(peer)?.isAuthenticated(peer) === true;
  }

  proofOf(peer: MemberId): PeerProof | undefined {
    if (!this.#objects.has(peer)) return this.#toTabs?.proofOf?.(peer);
    return this.#options.toObjects.isAuthenticated(peer) ? OBJECT : undefined;
  }

  retryNow(): void {
    this.#options.toObjects.retryNow();
    this.#toTabs?.retryNow();
  }

  close(): void {
    this.#isClosed = true;
    this.#options.toObjects.close();
    this.#toTabs?.close();
  }

  async #open(): Promise<void> {
    this.#isOpening = true;
    const transport = await this.#options.openToTabs().catch(() => undefined);
    this.#isOpening = false;
    // The next change of the members tries again.
    if (transport === undefined) return;
    if (this.#isClosed || this.#handlers === undefined) return transport.close();
    this.#toTabs = transport;
    transport.start(only(this.#handlers, (peer) => !this.#objects.has(peer)));
    this.#share();
  }

  #share(): void {
    if (this.#isClosed) return;
    this.#options.toObjects.setPeers(this.#peers.filter((peer) => this.#objects.has(peer)));
    this.#toTabs?.setPeers(this.#peers.filter((peer) => !this.#objects.has(peer)));
  }

  #of(peer: MemberId): TabTransport | undefined {
    return this.#objects.has(peer) ? this.#options.toObjects : this.#toTabs;
  }
}

/** The handlers, for these peers only. */
function only(handlers: TransportHandlers, isOwn: (peer: MemberId) => boolean): TransportHandlers {
  return {
    onFrame: (from, frame, done) => (isOwn(from) ? handlers.onFrame(from, frame, done) : done()),
    onPeerUp: (peer) => {
      if (isOwn(peer)) handlers.onPeerUp(peer);
    },
    onPeerDown: (peer) => {
      if (isOwn(peer)) handlers.onPeerDown(peer);
    },
    admit: (peer, proof) => (isOwn(peer) ? handlers.admit?.(peer, proof) : JOIN_REFUSALS.otherKey),
    onDenied: (peer, code) => {
      if (isOwn(peer)) handlers.onDenied?.(peer, code);
    },
  };
}
