/**
 * One watch among those that share a streamed HTTP response (shared-watches.ts).
 *
 * What its reader has not taken waits here. For a slow reader the shared response pauses for a moment. Then its watch is set
 * aside: what comes meanwhile is dropped, and once all that waited was read, the watch goes on at the revision where it was.
 * So a slow reader delays no other for long, and holds a bounded number of bytes.
 */
import type { CallContext, WatchStream } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { Event } from "../../protocol/api/kv.ts";
import type { WatchCreateRequest, WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";

export interface WatchHost {
  /** Opens the shared response anew, with this watch. */
  add(watch: HttpWatch): void;
  /** The watch was set aside, and may go on. */
  changed(watch: HttpWatch): void;
  remove(watch: HttpWatch): void;
}

interface Waiting {
  readonly response: WatchResponse;
  readonly length: number;
}

/** Characters of responses that wait for the reader, above which nothing is added. */
const WAITING_MAX = 1024 * 1024;
/** Milliseconds for which other watches wait for a reader. */
const PATIENCE_MS = 200;

export class HttpWatch implements WatchStream {
  readonly context: CallContext;
  readonly #host: WatchHost;
  #create: WatchCreateRequest | undefined;
  /** Where the next shared response goes on. 0: from when it is created. */
  #nextRevision = 0;
  /** Its reader knows that it was created. */
  #isCreated = false;
  /** Events of a response that the server sends in fragments. */
  #pieces: Event[] = [];
  #piecesLength = 0;
  #queue: Waiting[] = [];
  #waiting = 0;
  /** The shared response has it. */
  #isFollowing = false;
  #isAside = false;
  #isOver = false;
  #error: unknown;
  #wake: (() => void) | undefined;
  #onRoom: (() => void) | undefined;

  constructor(host: WatchHost, context: CallContext) {
    this.#host = host;
    this.context = context;
  }

  request(request: WatchRequest): void {
    if (request.type === "none" || this.#isOver) return;
    if (request.type === "cancel") return this.close();
    if (request.type === "progress") throw unimplemented("progress cannot be asked for");
    if (this.#create !== undefined) throw unimplemented("a stream carries one watch");
    this.#create = request.create;
    this.#nextRevision = request.create.startRevision;
    this.#host.add(this);
  }

  async next(): Promise<WatchResponse | undefined> {
    while (this.#queue.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const first = this.#queue.shift();
    if (first === undefined) {
      if (this.#error !== undefined) throw this.#error;
      return undefined;
    }
    this.#waiting -= first.length;
    if (!this.isFull) this.#onRoom?.();
    if (this.#isAside && this.#queue.length === 0) {
      this.#isAside = false;
      if (!this.#isOver) this.#host.changed(this);
    }
    return first.response;
  }

  close(): void {
    this.#queue = [];
    this.ended(undefined);
    this.#host.remove(this);
  }

  /**
   * Returns the request with which it goes on in a new shared response, or undefined while it is set aside. Progress tells
   * the revision of a watch that is silent, so that it goes on behind what is compacted meanwhile.
   */
  begin(watchId: number): WatchCreateRequest | undefined {
    if (this.#create === undefined || this.#isAside) return undefined;
    this.#dropPieces();
    this.#isFollowing = true;
    return { ...this.#create, startRevision: this.#nextRevision, watchId, progressNotify: true };
  }

  /** The shared response has ended. */
  pause(): void {
    this.#isFollowing = false;
  }

  /** Takes a response of this watch, of this many characters. */
  received(response: WatchResponse, length: number): void {
    if (this.#isOver || !this.#isFollowing) return;
    if (response.canceled) {
      this.#push(response, length);
      this.ended(undefined);
      return this.#host.remove(this);
    }
    if (response.created) return this.#answered(response, length);
    this.#pieces.push(...response.events);
    this.#piecesLength += length;
    if (response.fragment) return;
    const events = this.#pieces;
    const allLength = this.#piecesLength;
    this.#dropPieces();
    this.#reached(events.at(-1)?.kv?.modRevision ?? response.header.revision);
    if (events.length > 0 || this.#create?.progressNotify === true) this.#push({ ...response, events }, allLength);
  }

  /** All watches of the shared response have reached this response's revision. */
  progressed(response: WatchResponse): void {
    if (this.#isOver || !this.#isFollowing || !this.#isCreated || this.#pieces.length > 0) return;
    this.#reached(response.header.revision);
    // A reader that has not read what is here learns nothing from it.
    if (this.#queue.length === 0) this.#push(response, 0);
  }

  get isFull(): boolean {
    return this.#waiting > WAITING_MAX && !this.#isOver;
  }

  /** Resolves when there is room again, or when the watch was set aside because its reader is too slow. */
  async room(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve;
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    if (timer !== undefined) clearTimeout(timer);
    this.#onRoom = undefined;
    if (!this.isFull) return;
    this.#isAside = true;
    // Also of what comes before the next shared response: something before it was dropped.
    this.#isFollowing = false;
  }

  /** Ends it for its reader, who first gets what waits. */
  ended(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#error = error;
    this.#wake?.();
    this.#onRoom?.();
  }

  #answered(response: WatchResponse, length: number): void {
    if (this.#nextRevision === 0) this.#reached(response.header.revision);
    if (!this.#isCreated) this.#push(response, length);
    this.#isCreated = true;
  }

  #dropPieces(): void {
    this.#pieces = [];
    this.#piecesLength = 0;
  }

  #reached(revision: number): void {
    this.#nextRevision = Math.max(this.#nextRevision, revision + 1);
  }

  #push(response: WatchResponse, length: number): void {
    this.#queue.push({ response, length });
    this.#waiting += length;
    this.#wake?.();
  }
}

function unimplemented(what: string): EtcdError {
  return new EtcdError(GrpcCode.Unimplemented, `over plain HTTP ${what}; hand in a WebSocket constructor`);
}
