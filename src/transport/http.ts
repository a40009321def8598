/**
 * The transport between members that can be reached by a POST, as Durable Objects can reach each other.
 *
 * Each request costs money, time and a share of the object's thousand per second, so frames are batched. Frames that
 * are sent to a peer within one turn leave in one POST. Frames that are sent while a POST is in flight leave with the
 * next. Frames of the POST's receiver to its sender are part of the response.
 *
 *     send ─► queue ─┬─ while a POST of this peer is being handled here: with its response
 *                    └─ otherwise: in a POST of our own, at the end of the turn
 *
 * A response waits until everything that its frames caused has been done, because the platform would delay it until the
 * writes are durable anyway. It does not wait long, because the queue waits with it.
 *
 * Guarantee: frames from one member to another arrive in the order of `send`, unless a POST fails or takes very long.
 * Then some are lost. The transport does not use Fetch: `post` is passed in, and the server of the requests calls
 * `handlePost`.
 */
import { assert } from "../base/assert.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import { type TransportClock, platformClock } from "./clock.ts";
import { type Batch, decodeBatch, encodeBatch, FRAME_OVERHEAD_BYTES, MAX_FRAMES_PER_BATCH } from "./http-batch.ts";
import { InOrder } from "./in-order.ts";
import { SharedTimeout } from "./shared-timeout.ts";
import { MAX_FRAME_BYTES, MAX_QUEUE_BYTES, type Transport, type TransportHandlers } from "./transport.ts";

export interface HttpTransportOptions {
  readonly id: MemberId;
  /** Sends the body to that member's `handlePost` and resolves with the response. Rejects if it could not. */
  readonly post: (to: MemberId, body: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
  /** Bytes at which a body is full. A larger frame is sent alone. Default 1 MiB. */
  readonly maxBatchBytes?: number;
  /** Per peer. One gives the largest batches; two hide the round trip. Default 2. */
  readonly maxInflightPosts?: number;
  /** Bytes per peer. Frames beyond it are dropped. Default 8 MiB. */
  readonly maxQueueBytes?: number;
  readonly maxFrameBytes?: number;
  /** A POST without a response for this time counts as failed. A later response is still used. Default 5,000. */
  readonly timeoutMs?: number;
  /** How long a response waits for the work that its frames caused. Default 100; far below the election timeout. */
  readonly responseWaitMs?: number;
  /** How long a batch that overtook another waits for it. Default 20. */
  readonly reorderWaitMs?: number;
  readonly clock?: TransportClock;
  /** Distinguishes this run of the member from its previous one. Default: random. */
  readonly epoch?: number;
}

interface PendingResponse {
  /** Number of frames whose `done` was not called yet. */
  pending: number;
  finished: boolean;
  cancelTimer: (() => void) | undefined;
  readonly resolve: (body: Uint8Array<ArrayBuffer>) => void;
}

/** The state of one peer. */
interface PeerState {
  readonly id: MemberId;
  wanted: boolean;
  state: "unknown" | "up" | "down";
  queue: Uint8Array[];
  queueBytes: number;
  flushing: boolean;
  posts: number;
  /** The responses to this peer's POSTs that are still due, oldest first. */
  readonly responses: PendingResponse[];
  /** The epoch and sequence number of the next batch to the peer. */
  epoch: number;
  sequence: number;
  readonly inbound: InOrder;
}

/** POSTs that members outside the list may have open at once. A joining member needs one. */
const MAX_STRANGERS = 32;
const MAX_OPEN_RESPONSES = 64;
/** How long the timer of the POSTs may outlive the last one: it keeps a Durable Object in memory. */
const TIMEOUT_CHECK_MS = 200;
const UINT32 = 0x1_0000_0000;

export class HttpTransport implements Transport {
  readonly maxFrameBytes: number;
  readonly #id: MemberId;
  readonly #post: (to: MemberId, body: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
  readonly #maxBatchBytes: number;
  readonly #maxInflightPosts: number;
  readonly #maxQueueBytes: number;
  readonly #postTimeout: SharedTimeout;
  readonly #responseTimeout: SharedTimeout;
  readonly #reorderWaitMs: number;
  readonly #clock: TransportClock;
  #epoch: number;
  readonly #peers: Map<MemberId, PeerState> = new Map();
  #handlers: TransportHandlers | undefined;
  #closed = false;

  constructor(options: HttpTransportOptions) {
    this.#id = options.id;
    this.#post = options.post;
    this.maxFrameBytes = options.maxFrameBytes ?? MAX_FRAME_BYTES;
    this.#maxBatchBytes = options.maxBatchBytes ?? 1024 * 1024;
    this.#maxInflightPosts = options.maxInflightPosts ?? 2;
    this.#maxQueueBytes = options.maxQueueBytes ?? MAX_QUEUE_BYTES;
    this.#reorderWaitMs = options.reorderWaitMs ?? 20;
    this.#clock = options.clock ?? platformClock;
    const { timeoutMs = 5_000, responseWaitMs = 100 } = options;
    this.#postTimeout = new SharedTimeout(this.#clock, timeoutMs, TIMEOUT_CHECK_MS);
    this.#responseTimeout = new SharedTimeout(this.#clock, responseWaitMs);
    this.#epoch = options.epoch ?? Math.floor(Math.random() * UINT32);
    assert(this.#maxInflightPosts > 0, "a peer needs at least one POST");
    assert(this.#maxQueueBytes >= this.maxFrameBytes, "the queue holds at least one frame");
    assert(responseWaitMs < timeoutMs, "a response leaves before its POST counts as failed");
  }

  start(handlers: TransportHandlers): void {
    assert(this.#handlers === undefined, "a transport is started once");
    this.#handlers = handlers;
  }

  send(to: MemberId, frame: Uint8Array): void {
    const peer = this.#peers.get(to);
    if (peer === undefined || this.#handlers === undefined) return;
    if (frame.length === 0 || frame.length > this.maxFrameBytes) return;
    const bytes = frame.length + FRAME_OVERHEAD_BYTES;
    if (peer.queueBytes + bytes > this.#maxQueueBytes) return;
    peer.queue.push(frame);
    peer.queueBytes += bytes;
    this.#flushAtEndOfTurn(peer);
  }

  setPeers(peers: readonly MemberId[]): void {
    if (this.#closed) return;
    const wanted = new Set(peers);
    wanted.delete(this.#id);
    for (const peer of wanted) this.#peerOf(peer).wanted = true;
    for (const peer of this.#peers.values()) {
      if (wanted.has(peer.id)) continue;
      if (peer.state === "up") this.#setState(peer, "down");
      peer.wanted = false;
      peer.state = "unknown";
      this.#dropIfIdle(peer);
    }
  }

  /** Always true: the server of the POSTs lets only members' own objects call `handlePost`. */
  isAuthenticated(): boolean {
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers = undefined;
    for (const peer of this.#peers.values()) {
      peer.queue = [];
      peer.queueBytes = 0;
      peer.inbound.close();
      for (let next = peer.responses[0]; next !== undefined; next = peer.responses[0]) this.#finish(peer, next);
    }
    this.#peers.clear();
    this.#postTimeout.close();
    this.#responseTimeout.close();
  }

  /**
   * Returns the response to a peer's POST. Rejects with BadBatchError (respond with 400) or because the member cannot
   * serve it now (respond with 503).
   */
  async handlePost(body: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const batch = decodeBatch(body, { maxFrameBytes: this.maxFrameBytes, maxBatchBytes: this.#maxBatchBytes });
    if (this.#handlers === undefined || !this.#admits(batch.sender)) throw new Error("this member takes no frames now");
    const peer = this.#peerOf(batch.sender);
    return new Promise((resolve) => {
      const response: PendingResponse = {
        pending: batch.frames.length,
        finished: false,
        cancelTimer: undefined,
        resolve,
      };
      peer.responses.push(response);
      peer.inbound.arrived(batch.epoch, batch.sequence, () =>
        this.#take(peer, batch, () => this.#done(peer, response)),
      );
      if (response.pending === 0) this.#finishAtEndOfTurn(peer, response);
      else response.cancelTimer = this.#responseTimeout.add(() => this.#finish(peer, response));
    });
  }

  /** Bounds the states and responses that members outside the list can cause. */
  #admits(sender: MemberId): boolean {
    if (sender === this.#id) return false;
    const peer = this.#peers.get(sender);
    if (peer !== undefined) return peer.responses.length < MAX_OPEN_RESPONSES;
    let strangers = 0;
    for (const other of this.#peers.values()) if (!other.wanted) strangers += 1;
    return strangers < MAX_STRANGERS;
  }

  #take(peer: PeerState, batch: Batch, done: () => void): void {
    this.#setState(peer, "up");
    for (const frame of batch.frames) this.#handlers?.onFrame(peer.id, frame, once(done));
  }

  #done(peer: PeerState, response: PendingResponse): void {
    response.pending -= 1;
    if (response.pending === 0) this.#finishAtEndOfTurn(peer, response);
  }

  /** At the end of the turn, so that frames that the member sends after its last `done` are included. */
  #finishAtEndOfTurn(peer: PeerState, response: PendingResponse): void {
    atEndOfTurn(() => this.#finish(peer, response));
  }

  #finish(peer: PeerState, response: PendingResponse): void {
    if (response.finished) return;
    response.finished = true;
    response.cancelTimer?.();
    peer.responses.splice(peer.responses.indexOf(response), 1);
    response.resolve(this.#nextBatch(peer));
    this.#flush(peer);
    this.#dropIfIdle(peer);
  }

  #flushAtEndOfTurn(peer: PeerState): void {
    if (peer.flushing) return;
    peer.flushing = true;
    atEndOfTurn(() => {
      peer.flushing = false;
      this.#flush(peer);
    });
  }

  #flush(peer: PeerState): void {
    if (this.#closed || !peer.wanted) return;
    // A peer that is down gets one POST at a time.
    const maxPosts = peer.state === "down" ? 1 : this.#maxInflightPosts;
    while (peer.queue.length > 0 && peer.posts < maxPosts) {
      if (peer.responses.length > 0 && peer.queueBytes < this.#maxBatchBytes) return;
      this.#sendPost(peer);
    }
  }

  #sendPost(peer: PeerState): void {
    peer.posts += 1;
    let waiting = true;
    const settle = (): void => {
      if (!waiting) return;
      waiting = false;
      cancelTimer();
      peer.posts -= 1;
    };
    const failed = (): void => {
      if (!waiting) return;
      settle();
      this.#setState(peer, "down");
      this.#flush(peer);
      this.#dropIfIdle(peer);
    };
    const responded = (body: Uint8Array): void => {
      const batch = this.#checkedResponse(peer, body);
      if (batch === undefined) return failed();
      settle();
      this.#responded(peer, batch);
    };
    const cancelTimer = this.#postTimeout.add(failed);
    this.#post(peer.id, this.#nextBatch(peer)).then(responded, failed);
  }

  #responded(peer: PeerState, batch: Batch): void {
    if (this.#peers.get(peer.id) !== peer) return;
    peer.inbound.arrived(batch.epoch, batch.sequence, () => this.#take(peer, batch, ignore));
    this.#flush(peer);
    this.#dropIfIdle(peer);
  }

  /** Returns undefined if it is not a batch, or came from another member: as bad as no response. */
  #checkedResponse(peer: PeerState, body: Uint8Array): Batch | undefined {
    try {
      const batch = decodeBatch(body, { maxFrameBytes: this.maxFrameBytes, maxBatchBytes: this.#maxBatchBytes });
      return batch.sender === peer.id ? batch : undefined;
    } catch {
      return undefined;
    }
  }

  #nextBatch(peer: PeerState): Uint8Array<ArrayBuffer> {
    const { epoch, sequence } = peer;
    peer.sequence += 1;
    if (peer.sequence === UINT32) {
      peer.epoch = this.#nextEpoch();
      peer.sequence = 0;
    }
    return encodeBatch({ sender: this.#id, epoch, sequence, frames: this.#takeFromQueue(peer) });
  }

  #nextEpoch(): number {
    this.#epoch = (this.#epoch + 1) % UINT32;
    return this.#epoch;
  }

  #takeFromQueue(peer: PeerState): readonly Uint8Array[] {
    const { queue } = peer;
    let count = 0;
    let bytes = 0;
    while (count < queue.length && count < MAX_FRAMES_PER_BATCH) {
      const next = (queue[count] as Uint8Array).length + FRAME_OVERHEAD_BYTES;
      if (count > 0 && bytes + next > this.#maxBatchBytes) break;
      bytes += next;
      count += 1;
    }
    peer.queueBytes -= bytes;
    peer.queue = count === queue.length ? [] : queue.slice(count);
    return count === queue.length ? queue : queue.slice(0, count);
  }

  #peerOf(id: MemberId): PeerState {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const peer: PeerState = {
      id,
      wanted: false,
      state: "unknown",
      queue: [],
      queueBytes: 0,
      flushing: false,
      posts: 0,
      responses: [],
      epoch: this.#nextEpoch(),
      sequence: 0,
      inbound: new InOrder(this.#clock, this.#reorderWaitMs),
    };
    this.#peers.set(id, peer);
    return peer;
  }

  /** Drops a member outside the list once its response was sent. */
  #dropIfIdle(peer: PeerState): void {
    if (peer.wanted || peer.responses.length > 0 || this.#peers.get(peer.id) !== peer) return;
    this.#peers.delete(peer.id);
    peer.inbound.close();
  }

  /** A member outside the list comes and goes with each POST, and its state is not reported. */
  #setState(peer: PeerState, state: "up" | "down"): void {
    if (!peer.wanted || peer.state === state) return;
    peer.state = state;
    if (state === "up") this.#handlers?.onPeerUp(peer.id);
    else this.#handlers?.onPeerDown(peer.id);
  }
}

/** A microtask. workerd's own queueMicrotask costs many times as much as a promise. */
function atEndOfTurn(run: () => void): void {
  void Promise.resolve().then(run);
}

function ignore(): void {}

/** A second call of one `done` must not complete the response before the other frames are done. */
function once(done: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    done();
  };
}
