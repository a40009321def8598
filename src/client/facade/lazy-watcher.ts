/** A watch before its code is loaded, and the way to it afterwards. */
/// <reference lib="esnext.disposable" preserve="true" />
import type { CallContext, WatchService, WatchStream } from "../../member/api/services.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import { count, keyRange } from "../common/convert.ts";
import type { Bytes, Header, WatchOptions, WatchResponse } from "../common/types.ts";

/**
 * An endless iteration over the responses of a watch. It ends without an error when the caller ends it: with `return()`,
 * `await using`, by leaving its loop, or by the signal.
 */
export interface Watcher extends AsyncIterableIterator<WatchResponse, undefined>, AsyncDisposable {
  /** Header of the response with which the server first registered the watch. All later puts are returned as events. */
  readonly created: Promise<Header>;
  next(): Promise<IteratorResult<WatchResponse, undefined>>;
  return(): Promise<IteratorResult<WatchResponse, undefined>>;
  [Symbol.asyncIterator](): this;
  /** Requests the watch's progress from the server. It arrives as a response with `progress` set. */
  requestProgress(): void;
}

export interface WatchCode {
  /** watcher.ts */
  resumingWatcher(
    key: Bytes,
    options: WatchOptions,
    rest: { readonly open: () => WatchStream; readonly backoff: BackoffTimer; readonly signal: AbortSignal },
  ): Watcher;
}

export interface LazyWatcherHost {
  readonly code: () => Promise<WatchCode>;
  /** Loads what opens a stream. Rejects with EtcdError. */
  readonly service: () => Promise<WatchService>;
  readonly context: CallContext;
  readonly backoff: BackoffTimer;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

/** Throws EtcdError (InvalidArgument) for keys or a revision that are none. */
export function lazyWatcher(host: LazyWatcherHost, key: Bytes, options: WatchOptions): Watcher {
  keyRange(key, options);
  count("startRevision", options.startRevision);
  const over = new AbortController();
  const given = options.signal === undefined ? [] : [options.signal];
  const signal = AbortSignal.any([over.signal, host.closed, ...given]);
  const loaded = (async (): Promise<Watcher> => {
    const [code, service] = await Promise.all([host.code(), host.service()]);
    const { context, backoff } = host;
    return code.resumingWatcher(key, options, { open: () => service.watch(context), backoff, signal });
  })();
  const created = loaded.then((watcher) => watcher.created);
  // next() reports what goes wrong, too.
  created.catch(() => {});
  const end = async (): Promise<void> => over.abort();
  return {
    created,
    next: async () => (await loaded).next(),
    async return() {
      over.abort();
      return { done: true, value: undefined };
    },
    requestProgress: () => void loaded.then((watcher) => watcher.requestProgress()).catch(() => {}),
    [Symbol.asyncIterator]() {
      return this;
    },
    [Symbol.asyncDispose]: end,
  };
}
