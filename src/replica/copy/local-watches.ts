/**
 * The watches that a replica answers itself: those of its own keys. They go on over a list of the cluster that replaces
 * the copy, or end as compacted, as a member's watches do over a snapshot.
 */
import { unreachable } from "../../base/assert.ts";
import type { WatchStream } from "../../member/api/services.ts";
import { WatchHub } from "../../mvcc/watch/watch-hub.ts";
import type { HubStream } from "../../mvcc/watch/watch-hub.ts";
import { errPermissionDenied, rpcErrorText } from "../../protocol/errors.ts";
import type { Event } from "../../protocol/api/kv.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { WatchCreateRequest, WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import { watchResponse } from "../../protocol/api/watch.ts";
import { isWithin } from "./prefixes.ts";
import type { ReplicaCopy } from "./replica-copy.ts";

const LIMITS = { watchersMax: 10_000, streamBytesMax: 8 * 1024 * 1024, fragmentBytes: 2 * 1024 * 1024 };
/** Revisions of the past that are read for late watches at a time. */
const SYNC_REVISIONS = 1_000;

export class LocalWatches {
  readonly #hub: WatchHub;
  readonly #header: (revision: number) => ResponseHeader;
  readonly #streams: Set<LocalWatchStream> = new Set();

  constructor(copy: ReplicaCopy, header: (revision: number) => ResponseHeader) {
    this.#header = header;
    this.#hub = new WatchHub(copy, header, LIMITS);
  }

  publish(revision: number, events: readonly Event[]): void {
    this.#hub.publish(revision, events);
  }

  replace(copy: ReplicaCopy): void {
    this.#hub.replaceStore(copy);
    this.#sync();
  }

  /** Another history begins, whose revisions mean something else: all watches end, as compacted. */
  restart(copy: ReplicaCopy): void {
    for (const stream of [...this.#streams]) stream.cancel("", this.#header(0), copy.revision);
    this.#hub.replaceStore(copy);
  }

  /** Ends the watches within these prefixes: their user may read them no more. */
  deny(prefixes: readonly Uint8Array[]): void {
    for (const stream of [...this.#streams]) {
      if (prefixes.some((prefix) => isWithin(stream.created, prefix))) {
        stream.cancel(rpcErrorText(errPermissionDenied), this.#header(0));
      }
    }
  }

  /** `created` is the request of its only watch. */
  open(created: WatchCreateRequest): WatchStream {
    const stream: LocalWatchStream = new LocalWatchStream(
      created,
      (onReadable) => this.#hub.openStream(onReadable),
      () => this.#sync(),
      () => void this.#streams.delete(stream),
    );
    this.#streams.add(stream);
    this.#sync();
    return stream;
  }

  close(): void {
    for (const stream of [...this.#streams]) stream.close();
  }

  #sync(): void {
    while (this.#hub.hasUnsynced && this.#hub.syncUnsynced(SYNC_REVISIONS));
  }
}

class LocalWatchStream implements WatchStream {
  readonly created: WatchCreateRequest;
  readonly #stream: HubStream;
  readonly #sync: () => void;
  readonly #onClosed: () => void;
  #canceled: WatchResponse | undefined;
  #wanted: ((response: WatchResponse | undefined) => void) | undefined;
  #isClosed = false;

  constructor(
    created: WatchCreateRequest,
    open: (onReadable: () => void) => HubStream,
    sync: () => void,
    onClosed: () => void,
  ) {
    this.created = created;
    this.#sync = sync;
    this.#onClosed = onClosed;
    this.#stream = open(() => this.#deliver());
    this.#stream.create(created);
  }

  request(request: WatchRequest): void {
    if (this.#isClosed) return;
    switch (request.type) {
      case "none":
        break;
      case "create":
        this.#stream.refuse("a stream of a replica carries one watch");
        break;
      case "cancel":
        this.#stream.cancel(request.cancel.watchId);
        break;
      case "progress":
        this.#stream.progress();
        break;
      default:
        unreachable(request);
    }
  }

  next(): Promise<WatchResponse | undefined> {
    return new Promise((resolve) => {
      this.#wanted = resolve;
      this.#deliver();
    });
  }

  /** The reader gets this, and nothing that waited before it. */
  cancel(cancelReason: string, header: ResponseHeader, compactRevision: number = 0): void {
    const { watchId } = this.created;
    this.#canceled = watchResponse({ header, watchId, canceled: true, cancelReason, compactRevision });
    this.#onClosed();
    this.#stream.close();
    this.#deliver();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClosed();
    this.#stream.close();
    this.#deliver();
  }

  #deliver(): void {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    const response = this.#taken();
    if (response === undefined && !this.#isClosed) return;
    this.#wanted = undefined;
    wanted(response);
  }

  #taken(): WatchResponse | undefined {
    if (this.#isClosed) return undefined;
    if (this.#canceled !== undefined) {
      const canceled = this.#canceled;
      this.#canceled = undefined;
      this.#isClosed = true;
      return canceled;
    }
    const [response] = this.#stream.take(1);
    if (response === undefined && this.#stream.closed) this.close();
    // The stream's buffer has room again.
    if (response !== undefined) this.#sync();
    return response;
  }
}
