/**
 * Watch over plain HTTP. Requests are the JSON messages of the body, read as they arrive. Responses are lines, sent as
 * they are read. Nothing is taken from the member before the reader has room for it, so a slow reader delays only its
 * own stream, in the member, which bounds it.
 *
 * A disconnected reader is noticed when the server reports it (`cancel`, or the request's signal), or else at the
 * second write after it (presence.ts). A silent stream writes progress responses (idle-probe.ts). A stream without any,
 * because it has no watch or an unsynced one, writes empty lines.
 */
import { decodeJson } from "../../protocol/codec/json-decode.ts";
import { encodeJson } from "../../protocol/codec/json-encode.ts";
import { watchRequestSchema, watchResponseSchema } from "../../protocol/api/schema/watch-schema.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import type { CallContext, WatchService, WatchStream } from "../../member/api/services.ts";
import { BodyMessages } from "../http/body-messages.ts";
import { type CallerLimits, unfinishedBytes } from "../http/caller-limits.ts";
import { JSON_TYPE, streamErrorResponse } from "../http/errors.ts";
import { ndjsonResponse, type NdjsonSource } from "../http/ndjson-response.ts";
import { IdleProbe } from "./idle-probe.ts";

export interface WatchLimits {
  /** Limit of a request, in bytes. */
  readonly maxMessageBytes: number;
  /** Silence in milliseconds after which the stream checks whether the reader is still connected. */
  readonly probeAfterMs: number;
  /** See RpcRouteOptions. */
  readonly callers?: CallerLimits | undefined;
}

export function watchLine(response: WatchResponse): string {
  return `{"result":${encodeJson(watchResponseSchema, response)}}\n`;
}

/** Waits for the first response, so that an early error has its own HTTP status. */
export async function watchOverHttp(
  service: WatchService,
  request: Request,
  context: CallContext,
  { maxMessageBytes, probeAfterMs, callers }: WatchLimits,
): Promise<Response> {
  const messages = new BodyMessages(request, maxMessageBytes, unfinishedBytes(callers, context));
  let call: HttpWatch | undefined;
  try {
    const message = await messages.next();
    // No watch was requested and none will be. etcd would wait for ever.
    if (message === undefined) return new Response("", { headers: { "content-type": JSON_TYPE } });
    const first = decodeJson(watchRequestSchema, message);
    call = new HttpWatch(new IdleProbe(service.watch(context), probeAfterMs), messages);
    call.begin(first);
  } catch (error) {
    call?.close();
    messages.cancel();
    return streamErrorResponse(error);
  }
  return ndjsonResponse(request.signal, call, probeAfterMs);
}

class HttpWatch implements NdjsonSource {
  readonly #stream: WatchStream;
  readonly #messages: BodyMessages;
  /** Why the stream failed; undefined if it simply ended. */
  #failure: unknown;
  #closed = false;

  constructor(stream: WatchStream, messages: BodyMessages) {
    this.#stream = stream;
    this.#messages = messages;
  }

  begin(first: WatchRequest): void {
    this.#stream.request(first);
    void this.#readRequests();
  }

  async next(): Promise<string | undefined> {
    const response = await this.#stream.next();
    if (response !== undefined) return watchLine(response);
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stream.close();
    this.#messages.cancel();
  }

  /** The end of the body does not end the stream: most clients can only send all their requests and then read. */
  async #readRequests(): Promise<void> {
    try {
      for (let message = await this.#messages.next(); message !== undefined; message = await this.#messages.next()) {
        this.#stream.request(decodeJson(watchRequestSchema, message));
      }
    } catch (error) {
      if (this.#closed) return;
      this.#failure = error;
      this.#stream.close();
    }
  }
}
