/**
 * The transport inside one process: a network in memory, to which every member of a test or of a simulation is
 * attached.
 *
 * A simulator passes in `schedule` and so becomes the network. It sees each frame and decides whether, when and how
 * often it arrives. Without one, frames arrive in order, once each, at the end of the turn, from a bounded queue.
 */
import { assert } from "../base/assert.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { PeerProof } from "./greeting/handshake.ts";
import { MAX_FRAME_BYTES, MAX_QUEUE_BYTES, type Transport, type TransportHandlers } from "./transport.ts";

/** A pending event at `to`. It happens each time that `deliver` is called. */
export interface Delivery {
  readonly type: "frame" | "up" | "down";
  readonly from: MemberId;
  readonly to: MemberId;
  /** Empty for "up" and "down". */
  readonly frame: Uint8Array;
  readonly deliver: () => void;
}

export interface MemoryNetworkOptions {
  /**
   * Called with each delivery. To drop a frame, do not call `deliver`; to delay it, call it later; to duplicate it,
   * call it twice. The scheduler is then responsible for bounds. It must deliver "up" and "down" in their order.
   */
  readonly schedule?: (delivery: Delivery) => void;
  readonly maxFrameBytes?: number;
  /** Whether a peer has proved to `to` that it belongs to the others. Default: true, because all are in one process. */
  readonly isAuthenticated?: (peer: MemberId, to: MemberId) => boolean;
  /** What a peer has proved of itself to `to`. Default: the transports cannot tell. */
  readonly proofOf?: (peer: MemberId, to: MemberId) => PeerProof | undefined;
  /** Bytes per direction of a pair of members; only without `schedule`. */
  readonly maxQueueBytes?: number;
}

export class MemoryNetwork {
  readonly maxFrameBytes: number;
  readonly isAuthenticated: (peer: MemberId, to: MemberId) => boolean;
  readonly proofOf: ((peer: MemberId, to: MemberId) => PeerProof | undefined) | undefined;
  readonly #schedule: (delivery: Delivery) => void;
  readonly #stations: Map<MemberId, MemoryTransport> = new Map();
  readonly #cuts: Set<string> = new Set();

  constructor(options: MemoryNetworkOptions = {}) {
    this.maxFrameBytes = options.maxFrameBytes ?? MAX_FRAME_BYTES;
    this.isAuthenticated = options.isAuthenticated ?? (() => true);
    this.proofOf = options.proofOf;
    this.#schedule = options.schedule ?? new EndOfTurn(options.maxQueueBytes ?? MAX_QUEUE_BYTES).schedule;
  }

  /** Attaches a member. It replaces and closes an earlier one with the same id: a member that crashed and restarted. */
  transportFor(id: MemberId): Transport {
    this.#stations.get(id)?.close();
    const station = new MemoryTransport(this, id);
    this.#stations.set(id, station);
    return station;
  }

  /** Cuts the connection between two members, in both directions, or restores it. */
  setLink(left: MemberId, right: MemberId, connected: boolean): void {
    if (connected) this.#cuts.delete(cutName(left, right));
    else this.#cuts.add(cutName(left, right));
    this.refresh();
  }

  /** For MemoryTransport. */
  post(from: MemberId, to: MemberId, frame: Uint8Array): void {
    const deliver = (): void => {
      if (!this.#cuts.has(cutName(from, to))) this.#stations.get(to)?.arrived(from, frame);
    };
    this.#schedule({ type: "frame", from, to, frame, deliver });
  }

  /**
   * For MemoryTransport. Call it when the attached or wanted members changed: it notifies all of who is up and down.
   */
  refresh(): void {
    for (const station of this.#stations.values()) {
      for (const other of this.#stations.values()) {
        if (station === other) continue;
        const connected = this.#connected(station, other);
        if (!station.linkChanged(other.id, connected)) continue;
        const type = connected ? "up" : "down";
        const deliver = (): void => station.notify(other.id, connected);
        this.#schedule({ type, from: other.id, to: station.id, frame: NOTHING, deliver });
      }
    }
  }

  #connected(left: MemoryTransport, right: MemoryTransport): boolean {
    const wanted = left.wants(right.id) || right.wants(left.id);
    return wanted && left.attached && right.attached && !this.#cuts.has(cutName(left.id, right.id));
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

function cutName(left: MemberId, right: MemberId): string {
  return left < right ? `${left}-${right}` : `${right}-${left}`;
}

class MemoryTransport implements Transport {
  readonly maxFrameBytes: number;
  readonly id: MemberId;
  readonly proofOf?: (peer: MemberId) => PeerProof | undefined;
  readonly #network: MemoryNetwork;
  #handlers: TransportHandlers | undefined;
  #wanted: ReadonlySet<MemberId> = new Set();
  readonly #connected: Set<MemberId> = new Set();
  #closed = false;

  constructor(network: MemoryNetwork, id: MemberId) {
    this.maxFrameBytes = network.maxFrameBytes;
    this.#network = network;
    this.id = id;
    const { proofOf } = network;
    if (proofOf !== undefined) this.proofOf = (peer) => proofOf(peer, id);
  }

  get attached(): boolean {
    return this.#handlers !== undefined && !this.#closed;
  }

  start(handlers: TransportHandlers): void {
    assert(this.#handlers === undefined, "a transport is started once");
    this.#handlers = handlers;
    this.#network.refresh();
  }

  send(to: MemberId, frame: Uint8Array): void {
    if (!this.attached || !this.#connected.has(to)) return;
    if (frame.length === 0 || frame.length > this.maxFrameBytes) return;
    this.#network.post(this.id, to, frame);
  }

  setPeers(peers: readonly MemberId[]): void {
    this.#wanted = new Set(peers);
    this.#network.refresh();
  }

  isAuthenticated(peer: MemberId): boolean {
    return this.#connected.has(peer) && this.#network.isAuthenticated(peer, this.id);
  }

  close(): void {
    this.#closed = true;
    this.#network.refresh();
  }

  wants(peer: MemberId): boolean {
    return this.#wanted.has(peer);
  }

  arrived(from: MemberId, frame: Uint8Array): void {
    if (!this.#closed) this.#handlers?.onFrame(from, frame, ignore);
  }

  /** Returns whether the state changed. */
  linkChanged(peer: MemberId, connected: boolean): boolean {
    if (this.#connected.has(peer) === connected) return false;
    if (connected) this.#connected.add(peer);
    else this.#connected.delete(peer);
    return true;
  }

  notify(peer: MemberId, up: boolean): void {
    if (this.#closed) return;
    if (up) this.#handlers?.onPeerUp(peer);
    else this.#handlers?.onPeerDown(peer);
  }
}

function ignore(): void {}

/** The default network: frames in order at the end of the turn, with a bounded queue between two members. */
class EndOfTurn {
  readonly #maxQueueBytes: number;
  readonly #waitingBytes: Map<string, number> = new Map();

  constructor(maxQueueBytes: number) {
    this.#maxQueueBytes = maxQueueBytes;
  }

  readonly schedule = (delivery: Delivery): void => {
    const link = `${delivery.from}>${delivery.to}`;
    const waiting = (this.#waitingBytes.get(link) ?? 0) + delivery.frame.length;
    if (delivery.type === "frame" && waiting > this.#maxQueueBytes) return;
    this.#waitingBytes.set(link, waiting);
    queueMicrotask(() => {
      const left = (this.#waitingBytes.get(link) ?? 0) - delivery.frame.length;
      if (left > 0) this.#waitingBytes.set(link, left);
      else this.#waitingBytes.delete(link);
      delivery.deliver();
    });
  };
}
