/**
 * The carrier between members that can be reached by a POST, which is what Durable Objects can do to each other.
 *
 * Each request costs money, time and a share of the object's thousand a second, so frames travel together: whatever
 * is sent to a peer within one turn leaves in one POST, what is sent while a POST is on its way leaves with the next,
 * and what the POST's receiver has to say to its sender rides back in the answer.
 *
 *     send ─► queue ─┬─ a POST of this peer is being worked on here: with its answer
 *                    └─ else: in a POST of our own, at the end of the turn
 *
 * An answer waits until all that its frames caused has been done, because the platform would hold it back until the
 * writes are durable anyway; but not for long, because the queue waits with it.
 *
 * What this carrier promises: frames from one member to another arrive in the order of `send`, unless a POST fails or
 * takes very long; then some are lost. It does not know Fetch: `post` is handed in, and `handlePost` is called by
 * whoever serves the requests.
 */
import { assert } from "../base/assert.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import { type TransportClock, platformClock } from "./clock.ts";
import { type Batch, decodeBatch, encodeBatch, FRAME_OVERHEAD_BYTES, MAX_FRAMES_PER_BATCH } from "./http-batch.ts";
import { InOrder } from "./in-order.ts";
import { MAX_FRAME_BYTES, MAX_QUEUE_BYTES, type Transport, type TransportHandlers } from "./transport.ts";

export interface HttpTransportOptions {
  readonly id: MemberId;
  /** Takes the body to that member's `handlePost` and resolves with the answer; rejects when it could not. */
  readonly post: (to: MemberId, body: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
  /** Where a body is full. A frame that is larger goes alone. Default 1 MiB. */
  readonly maxBatchBytes?: number;
  /** Per peer. One gives the largest batches, two hide the way there and back. Default 2. */
  readonly maxInflightPosts?: number;
  /** Per peer; what is sent on top is dropped. Default 8 MiB. */
  readonly maxQueueBytes?: number;
  readonly maxFrameBytes?: number;
  /** After so long a POST counts as failed; its answer is taken all the same when it comes. Default 5,000. */
  readonly timeoutMs?: number;
  /** How long an answer waits for what its frames caused. Default 100; far below the election timeout. */
  readonly responseWaitMs?: number;
  /** How long a batch that overtook another waits for it. Default 20. */
  readonly reorderWaitMs?: number;
  readonly clock?: TransportClock;
  /** Tells this start of the member from its last one. Default: random. */
  readonly epoch?: number;
}

interface Answer {
  /** Frames whose `done` is still to come. */
  pending: number;
  finished: boolean;
  cancelTimer: (() => void) | undefined;
  readonly resolve: (body: Uint8Array<ArrayBuffer>) => void;
}

/** All that lies between us and one peer. */
interface PeerState {
  readonly peer: MemberId;
  wanted: boolean;
  state: "unknown" | "up" | "down";
  queue: Uint8Array[];
  queueBytes: number;
  flushing: boolean;
  posts: number;
  /** The peer's POSTs that we have not answered yet, oldest first. */
  readonly answers: Answer[];
  /** What the next batch to the peer is numbered with. */
  epoch: number;
  sequence: number;
  readonly inbound: InOrder;
}

/** POSTs that members whom nobody announced may have open at once; a joining member needs one. */
const MAX_STRANGERS = 32;
const MAX_OPEN_ANSWERS = 64;
const UINT32 = 0x1_0000_0000;

export class HttpTransport implements Transport {
  readonly maxFrameBytes: number;
  readonly #id: MemberId;
  readonly #post: (to: MemberId, body: Uint8Array<ArrayBuffer>) => Promise<Uint8Array>;
  readonly #maxBatchBytes: number;
  readonly #maxInflightPosts: number;
  readonly #maxQueueBytes: number;
  readonly #timeoutMs: number;
  readonly #answerWaitMs: number;
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
    this.#timeoutMs = options.timeoutMs ?? 5000;
    this.#answerWaitMs = options.responseWaitMs ?? 100;
    this.#reorderWaitMs = options.reorderWaitMs ?? 20;
    this.#clock = options.clock ?? platformClock;
    this.#epoch = options.epoch ?? Math.floor(Math.random() * UINT32);
    assert(this.#maxInflightPosts > 0, "a peer needs at least one POST");
    assert(this.#maxQueueBytes >= this.maxFrameBytes, "the queue holds at least one frame");
    assert(this.#answerWaitMs < this.#timeoutMs, "an answer leaves before its POST counts as failed");
  }

  start(handlers: TransportHandlers): void {
    assert(this.#handlers === undefined, "a transport is started once");
    this.#handlers = handlers;
  }

  send(to: MemberId, frame: Uint8Array): void {
    const lane = this.#peers.get(to);
    if (lane === undefined || this.#handlers === undefined) return;
    if (frame.length === 0 || frame.length > this.maxFrameBytes) return;
    const bytes = frame.length + FRAME_OVERHEAD_BYTES;
    if (lane.queueBytes + bytes > this.#maxQueueBytes) return;
    lane.queue.push(frame);
    lane.queueBytes += bytes;
    this.#flushAtEndOfTurn(lane);
  }

  setPeers(peers: readonly MemberId[]): void {
    if (this.#closed) return;
    const wanted = new Set(peers);
    wanted.delete(this.#id);
    for (const peer of wanted) this.#peerOf(peer).wanted = true;
    for (const lane of this.#peers.values()) {
      if (wanted.has(lane.peer)) continue;
      if (lane.state === "up") this.#setState(lane, "down");
      lane.wanted = false;
      lane.state = "unknown";
      this.#dropIfIdle(lane);
    }
  }

  /** Whoever serves the POSTs lets nobody call `handlePost` but members' own objects. */
  isAuthenticated(): boolean {
    return true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers = undefined;
    for (const lane of this.#peers.values()) {
      lane.queue = [];
      lane.queueBytes = 0;
      lane.inbound.close();
      for (let next = lane.answers[0]; next !== undefined; next = lane.answers[0]) this.#finish(lane, next);
    }
    this.#peers.clear();
  }

  /** The answer to a peer's POST. Rejects with BadBatchError (serve that as a 400) or because it cannot now (503). */
  async handlePost(body: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const batch = decodeBatch(body, { maxFrameBytes: this.maxFrameBytes, maxBatchBytes: this.#maxBatchBytes });
    if (this.#handlers === undefined || !this.#admits(batch.sender)) throw new Error("this member takes no frames now");
    const lane = this.#peerOf(batch.sender);
    return new Promise((resolve) => {
      const answer: Answer = { pending: batch.frames.length, finished: false, cancelTimer: undefined, resolve };
      lane.answers.push(answer);
      lane.inbound.arrived(batch.epoch, batch.sequence, () => this.#take(lane, batch, () => this.#done(lane, answer)));
      if (answer.pending === 0) this.#finishAtEndOfTurn(lane, answer);
      else answer.cancelTimer = this.#clock.after(this.#answerWaitMs, () => this.#finish(lane, answer));
    });
  }

  /** Strangers cannot make us keep lanes or answers without end. */
  #admits(sender: MemberId): boolean {
    if (sender === this.#id) return false;
    const lane = this.#peers.get(sender);
    if (lane !== undefined) return lane.answers.length < MAX_OPEN_ANSWERS;
    let strangers = 0;
    for (const other of this.#peers.values()) if (!other.wanted) strangers += 1;
    return strangers < MAX_STRANGERS;
  }

  #take(lane: PeerState, batch: Batch, done: () => void): void {
    this.#setState(lane, "up");
    for (const frame of batch.frames) this.#handlers?.onFrame(lane.peer, frame, once(done));
  }

  #done(lane: PeerState, answer: Answer): void {
    answer.pending -= 1;
    if (answer.pending === 0) this.#finishAtEndOfTurn(lane, answer);
  }

  /** Not at once: what the member sends in the same turn after its last `done` may ride along. */
  #finishAtEndOfTurn(lane: PeerState, answer: Answer): void {
    queueMicrotask(() => this.#finish(lane, answer));
  }

  #finish(lane: PeerState, answer: Answer): void {
    if (answer.finished) return;
    answer.finished = true;
    answer.cancelTimer?.();
    lane.answers.splice(lane.answers.indexOf(answer), 1);
    answer.resolve(this.#nextBatch(lane));
    this.#flush(lane);
    this.#dropIfIdle(lane);
  }

  #flushAtEndOfTurn(lane: PeerState): void {
    if (lane.flushing) return;
    lane.flushing = true;
    queueMicrotask(() => {
      lane.flushing = false;
      this.#flush(lane);
    });
  }

  #flush(lane: PeerState): void {
    if (this.#closed || !lane.wanted) return;
    // A peer that does not answer is asked by one POST at a time.
    const maxPosts = lane.state === "down" ? 1 : this.#maxInflightPosts;
    while (lane.queue.length > 0 && lane.posts < maxPosts) {
      if (lane.answers.length > 0 && lane.queueBytes < this.#maxBatchBytes) return;
      this.#sendPost(lane);
    }
  }

  #sendPost(lane: PeerState): void {
    lane.posts += 1;
    let waiting = true;
    const settle = (): void => {
      if (!waiting) return;
      waiting = false;
      cancelTimer();
      lane.posts -= 1;
    };
    const failed = (): void => {
      if (!waiting) return;
      settle();
      this.#setState(lane, "down");
      this.#flush(lane);
      this.#dropIfIdle(lane);
    };
    const answered = (body: Uint8Array): void => {
      const batch = this.#checkedAnswer(lane, body);
      if (batch === undefined) return failed();
      settle();
      this.#answered(lane, batch);
    };
    const cancelTimer = this.#clock.after(this.#timeoutMs, failed);
    this.#post(lane.peer, this.#nextBatch(lane)).then(answered, failed);
  }

  #answered(lane: PeerState, batch: Batch): void {
    if (this.#peers.get(lane.peer) !== lane) return;
    lane.inbound.arrived(batch.epoch, batch.sequence, () => this.#take(lane, batch, ignore));
    this.#flush(lane);
    this.#dropIfIdle(lane);
  }

  /** Undefined when it is not a batch, or came from somebody else: as bad as no answer. */
  #checkedAnswer(lane: PeerState, body: Uint8Array): Batch | undefined {
    try {
      const batch = decodeBatch(body, { maxFrameBytes: this.maxFrameBytes, maxBatchBytes: this.#maxBatchBytes });
      return batch.sender === lane.peer ? batch : undefined;
    } catch {
      return undefined;
    }
  }

  #nextBatch(lane: PeerState): Uint8Array<ArrayBuffer> {
    const { epoch, sequence } = lane;
    lane.sequence += 1;
    if (lane.sequence === UINT32) {
      lane.epoch = this.#nextEpoch();
      lane.sequence = 0;
    }
    return encodeBatch({ sender: this.#id, epoch, sequence, frames: this.#takeFromQueue(lane) });
  }

  #nextEpoch(): number {
    this.#epoch = (this.#epoch + 1) % UINT32;
    return this.#epoch;
  }

  #takeFromQueue(lane: PeerState): readonly Uint8Array[] {
    const { queue } = lane;
    let count = 0;
    let bytes = 0;
    while (count < queue.length && count < MAX_FRAMES_PER_BATCH) {
      const next = (queue[count] as Uint8Array).length + FRAME_OVERHEAD_BYTES;
      if (count > 0 && bytes + next > this.#maxBatchBytes) break;
      bytes += next;
      count += 1;
    }
    lane.queueBytes -= bytes;
    lane.queue = count === queue.length ? [] : queue.slice(count);
    return count === queue.length ? queue : queue.slice(0, count);
  }

  #peerOf(peer: MemberId): PeerState {
    const known = this.#peers.get(peer);
    if (known !== undefined) return known;
    const lane: PeerState = {
      peer,
      wanted: false,
      state: "unknown",
      queue: [],
      queueBytes: 0,
      flushing: false,
      posts: 0,
      answers: [],
      epoch: this.#nextEpoch(),
      sequence: 0,
      inbound: new InOrder(this.#clock, this.#reorderWaitMs),
    };
    this.#peers.set(peer, lane);
    return lane;
  }

  /** A stranger is forgotten once it is answered; so is who has left the list. */
  #dropIfIdle(lane: PeerState): void {
    if (lane.wanted || lane.answers.length > 0 || this.#peers.get(lane.peer) !== lane) return;
    this.#peers.delete(lane.peer);
    lane.inbound.close();
  }

  /** Strangers come and go with each POST, and nobody wants to hear of it. */
  #setState(lane: PeerState, state: "up" | "down"): void {
    if (!lane.wanted || lane.state === state) return;
    lane.state = state;
    if (state === "up") this.#handlers?.onPeerUp(lane.peer);
    else this.#handlers?.onPeerDown(lane.peer);
  }
}

function ignore(): void {}

/** A member that calls twice must not make us answer before the other frames are done. */
function once(done: () => void): () => void {
  let called = false;
  return () => {
    if (called) return;
    called = true;
    done();
  };
}
