/**
 * A watch as server-sent events, for `EventSource` and `curl -N`. One message per change; its id is the revision, and
 * only the last change of a revision carries it, so that whoever comes back with `Last-Event-ID` misses none and sees
 * none of a revision twice unless it saw half of it.
 *
 * The member is asked for the next response only when the reader has taken the last one. A reader that waits for long
 * gets an empty comment, which keeps proxies from hanging up and finds out that the reader is gone; no member hears of
 * it, so a cluster with silent watchers sleeps on.
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
  // A watch says that its start is compacted only after it has begun; a status says it so that EventSource gives up.
  if (startRevision > 0) {
    const probe = rangeRequest({ key, revision: startRevision, countOnly: true, serializable: true });
    await kv.range(probe, context).catch((error: unknown) => {
      if (asEtcdError(error).message !== errFutureRev.message) throw error;
    });
  }
  const events = new EventLines(watch.watch(context), heartbeatMs);
  // Who left while the start was looked up is not told of any more.
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

  /** Throws what keeps the watch from beginning. */
  async begin(startRevision: number, keys: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array }): Promise<void> {
    const create = watchCreateRequest({ ...keys, startRevision, progressNotify: true });
    this.#stream.request({ type: "create", create });
    const created = await this.#stream.next();
    if (created === undefined) throw errStopped;
    if (created.canceled) throw cancelError(created);
    // Whoever loses the connection before the first change comes back to here.
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
      // It may be left behind when the reader goes.
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

  /** The last words; what comes from a closed stream after them is its end. */
  #end(error: EtcdError, compactRevision: number): string {
    this.close();
    const body = plainErrorBody(error);
    if (compactRevision === 0) return message(body, "event: failed\n");
    return message({ ...body, compact_revision: compactRevision }, "event: compacted\n");
  }
}

function linesOf({ header, events }: WatchResponse): string {
  // A progress notice: all up to here was seen, and a resumed watch may begin after it.
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

/** From what a watch says when it ends. */
function cancelError({ compactRevision, cancelReason }: WatchResponse): EtcdError {
  if (compactRevision > 0) return errCompacted;
  for (const code of Object.values(GrpcCode)) {
    const before = rpcErrorText(new EtcdError(code, ""));
    if (cancelReason.startsWith(before)) return new EtcdError(code, cancelReason.slice(before.length));
  }
  return new EtcdError(GrpcCode.Canceled, cancelReason);
}
