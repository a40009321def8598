/**
 * Two transports as one: each peer belongs to one of them. An object reaches other objects by RPC, and tabs through the
 * WebSockets that they hold.
 *
 * A far peer is authenticated for the member only where tabs vote: whoever is may lead or campaign where no leader is heard
 * (member/node/peer-roles.ts). Whether a tab may join is asked of the far transport itself.
 */
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { PeerProof } from "./greeting/handshake.ts";
import type { Transport, TransportHandlers } from "./transport.ts";

export interface SplitTransportOptions {
  readonly near: Transport;
  readonly far: Transport;
  readonly isFar: (peer: MemberId) => boolean;
  /** Whether tabs vote. */
  readonly trustsFar: () => boolean;
}

/** What it takes to be an object of the same deployment. */
const NEAR: PeerProof = { key: undefined, knowsSecret: true, invitation: undefined, isHost: false };

export class SplitTransport implements Transport {
  readonly maxFrameBytes: number;
  readonly #options: SplitTransportOptions;

  constructor(options: SplitTransportOptions) {
    this.#options = options;
    this.maxFrameBytes = Math.min(options.near.maxFrameBytes, options.far.maxFrameBytes);
  }

  start(handlers: TransportHandlers): void {
    this.#options.near.start(handlers);
    this.#options.far.start(handlers);
  }

  send(to: MemberId, frame: Uint8Array): void {
    this.#of(to).send(to, frame);
  }

  setPeers(peers: readonly MemberId[]): void {
    const { near, far, isFar } = this.#options;
    near.setPeers(peers.filter((peer) => !isFar(peer)));
    far.setPeers(peers.filter(isFar));
  }

  isAuthenticated(peer: MemberId): boolean {
    const { near, far, isFar, trustsFar } = this.#options;
    return isFar(peer) ? trustsFar() && far.isAuthenticated(peer) : near.isAuthenticated(peer);
  }

  proofOf(peer: MemberId): PeerProof | undefined {
    const { far, isFar } = this.#options;
    return isFar(peer) ? far.proofOf?.(peer) : NEAR;
  }

  close(): void {
    this.#options.near.close();
    this.#options.far.close();
  }

  #of(peer: MemberId): Transport {
    const { near, far, isFar } = this.#options;
    return isFar(peer) ? far : near;
  }
}
