/**
 * A watch as server-sent events, for `EventSource` and `curl -N`. One message per change, whose id is the revision.
 * Only the last change of a revision has an id. So a client that reconnects with `Last-Event-ID` misses no change, and
 * sees changes of a revision again only if it had received part of it.
 *
 * The next response is requested from the member only after the reader has taken the last one. A silent stream writes
 * an empty comment from time to time, which keeps proxies from disconnecting and reveals that the reader is gone. The
 * comment does not reach the member, so a cluster with silent watchers stays quiesced.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { EtcdError, errCompacted, errFutureRev, errStopped, GrpcCode, rpcErrorText } from "../../protocol/errors.ts";
import { type Event, rangeRequest } from "../../protocol/api/kv.ts";
import { watchCreateRequest } from "../../protocol/api/watch.ts";
import type { WatchResponse } from "../../protocol/api/watch.ts";
import type { CallContext, Services, WatchStream } from "../../member/api/services.ts";
import { asEtcdError } from "../http/errors.ts";
import { plainErrorBody, plainEvent } from "./plain-json.ts";
import { firstRevision, type PlainTarget } from "./plain-request.ts";

const SMALLEST_KEY = Uint8Array.of(0);
const encoder = new TextEncoder();

export async function plainWatch(
  { kv, watch }: Pick<Services, "kv" | "watch">,
  request: Request,
  target: PlainTarget,
  context: CallContext,
  heartbeatMs: number,
): Promise<Response> {
  const startRevision = firstRevision(request.headers, target);
  const key = target.key.length === 0 ? SMALLEST_KEY : target.key;
  // A watch reports a compacted start only after the stream has begun. A status reports it at once, so that EventSource
  // does not reconnect.
  if (startRevision > 0) {
    const probe = rangeRequest({ key, revision: startRevision, countOnly: true, serializable: true });
    await kv.range(probe, context).catch((error: unknown) => {
      if (asEtcdError(error).message !== errFutureRev.message) throw error;
    });
  }
  const events = new EventLines(watch.watch(context), heartbeatMs);
  // An abort before this point, while the start was read, fires no event any more.
  if (request.signal.aborted) events.close();
  request.signal.addEventListener("abort", () => events.close(), { once: true });
  try {
    const { rangeEnd } = target;
    await events.begin(startRevision, { key, rangeEnd: target.prefix ? rangeEnd : EMPTY_BYTES });
  } catch (error) {
    events.close();
    throw error;
  }
  return new Response(events.body(), {
    headers: { "content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no" },
  });
}

class EventLines {
  readonly #stream: WatchStream;
  readonly #heartbeatMs: number;
  #pending: Promise<WatchResponse | undefined> | undefined;
  #first = "";

  constructor(stream: WatchStream, heartbeatMs: number) {
    this.#stream = stream;
    this.#heartbeatMs = heartbeatMs;
  }

  /** Throws if the watch cannot be created. */
  async begin(startRevision: number, keys: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): Promise<void> {
    const create = watchCreateRequest({ ...keys, startRevision, progressNotify: true });
    this.#stream.request({ type: "create", create });
    const created = await this.#stream.next();
    if (created === undefined) throw errStopped;
    if (created.canceled) throw cancelError(created);
    // Position for a client that loses the connection before the first change.
    const seen = startRevision === 0 ? created.header.revision : startRevision - 1;
    this.#first = `: watching from revision ${seen + 1}\nid: ${seen}\n\n`;
  }

  body(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const text = this.#first === "" ? await this.#next() : this.#first;
          this.#first = "";
          if (text === undefined) controller.close();
          else controller.enqueue(encoder.encode(text));
        },
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    );
  }

  close(): void {
    this.#stream.close();
  }

  async #next(): Promise<string | undefined> {
    if (this.#pending === undefined) {
      this.#pending = this.#stream.next();
      // Nothing reads the pending response if the reader disconnects.
      this.#pending.catch(() => undefined);
    }
    let cancel = (): void => {};
    const silence = new Promise<"silence">((resolve) => {
      const timer = setTimeout(resolve, this.#heartbeatMs, "silence");
      cancel = () => clearTimeout(timer);
    });
    try {
      const response = await Promise.race([this.#pending, silence]);
      if (response === "silence") return ":\n\n";
      this.#pending = undefined;
      if (response?.canceled === true) return this.#end(cancelError(response), response.compactRevision);
      return response === undefined ? undefined : linesOf(response);
    } catch (error) {
      this.#pending = undefined;
      return this.#end(asEtcdError(error), 0);
    } finally {
      cancel();
    }
  }

  /** Writes the final message. Later responses of the closed stream are ignored. */
  #end(error: EtcdError, compactRevision: number): string {
    this.close();
    const body = plainErrorBody(error);
    if (compactRevision === 0) return message(body, "event: failed\n");
    return message({ ...body, compact_revision: compactRevision }, "event: compacted\n");
  }
}

function linesOf({ header, events }: WatchResponse): string {
  // A progress notification: all changes up to here were sent, so a resumed watch may start after it.
  if (events.length === 0) return `id: ${header.revision}\n\n`;
  return events
    .map((event, at) => {
      const revision = revisionOf(event);
      return message(plainEvent(event), revision === revisionOf(events[at + 1]) ? "" : `id: ${revision}\n`);
    })
    .join("");
}

function revisionOf(event: Event | undefined): number {
  return event?.kv?.modRevision ?? 0;
}

function message(data: Record<string, unknown>, fields: string): string {
  return `${fields}data: ${JSON.stringify(data)}\n\n`;
}

/** Converts the final response of a watch. */
function cancelError({ compactRevision, cancelReason }: WatchResponse): EtcdError {
  if (compactRevision > 0) return errCompacted;
  for (const code of Object.values(GrpcCode)) {
    const before = rpcErrorText(new EtcdError(code, ""));
    if (cancelReason.startsWith(before)) return new EtcdError(code, cancelReason.slice(before.length));
  }
  return new EtcdError(GrpcCode.Canceled, cancelReason);
}
