/**
 * The incomplete requests of a multiplexed connection. What they hold is bounded per stream and per connection, and counts
 * against the caller.
 */
import { copyBytes, joined } from "../../base/bytes.ts";
import type { Share } from "../../member/limits/caller-budget.ts";
import { errRequestTooManyRequests, EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** Cost of a fragment in addition to its bytes: very many tiny ones must not hold more than they are counted for. */
const AROUND_PIECE_BYTES = 256;

export class UnfinishedRequests {
  readonly #maxMessageBytes: number;
  readonly #share: Share | undefined;
  /** Cost of the incomplete requests of all streams. */
  #held = 0;

  /** `share` is absent if nothing is counted. */
  constructor(maxMessageBytes: number, share: Share | undefined) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#share = share;
  }

  open(): UnfinishedRequest {
    return new UnfinishedRequest(this, this.#maxMessageBytes);
  }

  /** A proxy sends a request in one go, so there is hardly ever more than one incomplete request. */
  hold(bytes: number): void {
    if (this.#share?.grow(bytes) === false) throw errRequestTooManyRequests;
    this.#held += bytes;
    if (this.#held <= 2 * this.#maxMessageBytes) return;
    this.drop(bytes);
    throw new EtcdError(GrpcCode.ResourceExhausted, "too many incomplete requests over one carrier");
  }

  drop(bytes: number): void {
    this.#held -= bytes;
    this.#share?.shrink(bytes);
  }
}

/** The incomplete request of a stream. */
export class UnfinishedRequest {
  readonly #all: UnfinishedRequests;
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  /** Cost of the fragments. */
  #held = 0;

  constructor(all: UnfinishedRequests, maxBytes: number) {
    this.#all = all;
    this.#maxBytes = maxBytes;
  }

  /** Returns the request with its last fragment, and undefined before. Throws EtcdError if it is or holds too much. */
  add(bytes: Uint8Array, isLast: boolean): Uint8Array | undefined {
    this.#bytes += bytes.length;
    if (this.#bytes > this.#maxBytes) {
      const text = `grpc: received message larger than max (${this.#bytes} vs. ${this.#maxBytes})`;
      throw new EtcdError(GrpcCode.ResourceExhausted, text);
    }
    if (isLast) {
      const message = joined([...this.#pieces, owned(bytes)]);
      this.drop();
      return message;
    }
    const cost = bytes.length + AROUND_PIECE_BYTES;
    this.#all.hold(cost);
    this.#held += cost;
    this.#pieces.push(owned(bytes));
    return undefined;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  drop(): void {
    this.#all.drop(this.#held);
    this.#held = 0;
    this.#bytes = 0;
    this.#pieces = [];
  }
}

/** What is kept of a message keeps all of it, also what is counted for nobody. */
function owned(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > 2 * bytes.byteLength ? copyBytes(bytes) : bytes;
}
