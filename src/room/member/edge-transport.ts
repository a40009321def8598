/**
 * The transport of a tab whose room's cluster has objects, or may get some: a WebSocket to each object, and to the other tabs
 * WebRTC. One of the two is there from the beginning; the other one is opened when the log says that it is needed. In a room
 * of shape "edge" nothing of WebRTC is loaded.
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
  /** Open from the beginning; at least one of the two is. */
  readonly toObjects?: TabTransport;
  readonly toTabs?: TabTransport;
  /**
   * Opens what is not there. Rejects if this browser has no WebRTC, or if its parts cannot be loaded; it is called again after
   * a while.
   */
  readonly openToObjects?: () => Promise<TabTransport>;
  readonly openToTabs?: () => Promise<TabTransport>;
}

/** What the greeting of a WebSocket proves of an object. */
const OBJECT: PeerProof = { key: undefined, knowsSecret: true, invitation: undefined, isHost: false };

/** A room that gets objects begins with this one. */
const FIRST_OBJECT = "edge-1";

type Kind = "objects" | "tabs";

export class EdgeTransport implements TabTransport {
  readonly maxFrameBytes: number;
  readonly #open: Readonly<Record<Kind, (() => Promise<TabTransport>) | undefined>>;
  readonly #parts: Map<Kind, TabTransport> = new Map();
  readonly #opening: Set<Kind> = new Set();
  #objects: ReadonlySet<MemberId>;
  #names: ReadonlyMap<MemberId, string> = new Map();
  #handlers: TransportHandlers | undefined;
  #peers: readonly MemberId[] = [];
  #isClosed = false;

  constructor({ objects, toObjects, toTabs, openToObjects, openToTabs }: EdgeTransportOptions) {
    this.#objects = new Set(objects);
    this.#open = { objects: openToObjects, tabs: openToTabs };
    if (toObjects !== undefined) this.#parts.set("objects", toObjects);
    if (toTabs !== undefined) this.#parts.set("tabs", toTabs);
    this.maxFrameBytes = Math.min(...[...this.#parts.values()].map((part) => part.maxFrameBytes));
  }

  follow({ shape: { shape, objects }, members }: RoomMembership): void {
    if (this.#isClosed) return;
    const known = this.#objects.size;
    this.#objects = new Set([...this.#objects, ...objects]);
    const nameOf = (id: MemberId, name: string): string => (name === "" && id === objects[0] ? FIRST_OBJECT : name);
    this.#names = new Map(members.map(({ id, name }) => [id, nameOf(id, name)]));
    const doTabsVote = members.some(({ id, isLearner }) => !isLearner && !this.#objects.has(id));
    if (shape === "mixed" || shape === "tabs" || (shape === "edge" && doTabsVote)) void this.#need("tabs");
    if (shape !== "none") void this.#need("objects");
    if (this.#objects.size > known) this.#share();
  }

  /** The name of a member that the log has; empty before it runs, except for the first object. */
  nameOf(member: MemberId): string {
    return this.#names.get(member) ?? "";
  }

  start(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    for (const [kind, part] of this.#parts) this.#start(kind, part, handlers);
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
    const part = this.#of(peer);
    if (!this.#objects.has(peer)) return part?.proofOf?.(peer);
    return part?.isAuthenticated(peer) === true ? OBJECT : undefined;
  }

  retryNow(): void {
    for (const part of this.#parts.values()) part.retryNow();
  }

  close(): void {
    this.#isClosed = true;
    for (const part of this.#parts.values()) part.close();
  }

  async #need(kind: Kind): Promise<void> {
    const open = this.#open[kind];
    if (open === undefined || this.#parts.has(kind) || this.#opening.has(kind)) return;
    this.#opening.add(kind);
    const part = await open().catch(() => undefined);
    this.#opening.delete(kind);
    // The next change of the members tries again.
    if (part === undefined) return;
    if (this.#isClosed || this.#handlers === undefined) return part.close();
    this.#parts.set(kind, part);
    this.#start(kind, part, this.#handlers);
    this.#share();
  }

  #start(kind: Kind, part: TabTransport, handlers: TransportHandlers): void {
    part.start(only(handlers, (peer) => this.#kindOf(peer) === kind));
  }

  #share(): void {
    if (this.#isClosed) return;
    for (const [kind, part] of this.#parts) part.setPeers(this.#peers.filter((peer) => this.#kindOf(peer) === kind));
  }

  #of(peer: MemberId): TabTransport | undefined {
    return this.#parts.get(this.#kindOf(peer));
  }

  #kindOf(peer: MemberId): Kind {
    return this.#objects.has(peer) ? "objects" : "tabs";
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
