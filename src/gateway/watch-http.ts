/**
 * Watch over plain HTTP: requests are the JSON messages of the body, as they come; responses are lines, as they are
 * read. Nothing is taken from the member before the reader has room for it, so a slow reader holds back its own stream
 * only, in the member, where it is bounded.
 *
 * A reader that is gone is noticed by the server when it tells us (`cancel`, or the request's signal), or else at the
 * second write after it, which probed-watch.ts sees to.
 */
import { decodeJson } from "../protocol/json-decode.ts";
import { encodeJson } from "../protocol/json-encode.ts";
import { watchRequestSchema, watchResponseSchema } from "../protocol/watch-schema.ts";
import type { WatchResponse } from "../protocol/watch.ts";
import type { CallContext, WatchService, WatchStream } from "../member/services.ts";
import { BodyMessages } from "./body-messages.ts";
import { type CallerLimits, unfinishedBytes } from "./caller-limits.ts";
import { JSON_TYPE, streamErrorLine, streamErrorResponse } from "./errors.ts";
import { ProbedWatch } from "./probed-watch.ts";

export interface WatchLimits {
  /** One request. */
  readonly maxMessageBytes: number;
  /** Silence after which it is found out whether the reader is still there. */
  readonly probeAfterMs: number;
  /** See RpcRouteOptions. */
  readonly callers?: CallerLimits | undefined;
}

const encoder = new TextEncoder();

export function watchLine(response: WatchResponse): string {
  return `{"result":${encodeJson(watchResponseSchema, response)}}\n`;
}

/** Answers once the first response is there, so that an error before it still has an HTTP status of its own. */
export async function watchOverHttp(
  service: WatchService,
  request: Request,
  context: CallContext,
  limits: WatchLimits,
): Promise<Response> {
  const messages = new BodyMessages(request, limits.maxMessageBytes, unfinishedBytes(limits.callers, context));
  let call: HttpWatch | undefined;
  try {
    const message = await messages.next();
    // Nobody asks for anything and nobody will: etcd would wait for ever.
    if (message === undefined) return new Response("", { headers: { "content-type": JSON_TYPE } });
    const first = decodeJson(watchRequestSchema, message);
    call = new HttpWatch(new ProbedWatch(service.watch(context), limits.probeAfterMs), messages);
    request.signal.addEventListener("abort", () => call?.close(), { once: true });
    call.stream.request(first);
    return await call.respond();
  } catch (error) {
    call?.close();
    messages.cancel();
    return streamErrorResponse(error);
  }
}

class HttpWatch {
  readonly stream: WatchStream;
  readonly #messages: BodyMessages;
  /** Why the stream ended, if not because it was over. */
  #failure: unknown;
  #closed = false;

  constructor(stream: WatchStream, messages: BodyMessages) {
    this.stream = stream;
    this.#messages = messages;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stream.close();
    this.#messages.cancel();
  }

  async respond(): Promise<Response> {
    void this.#readRequests();
    let first = await this.stream.next();
    if (first === undefined && this.#failure !== undefined) throw this.#failure;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const response = first ?? (await this.#nextOrFailure());
          first = undefined;
          if (response !== undefined) {
            controller.enqueue(encoder.encode(watchLine(response)));
            return;
          }
          if (this.#failure !== undefined) controller.enqueue(encoder.encode(streamErrorLine(this.#failure)));
          this.close();
          controller.close();
        },
        cancel: () => this.close(),
      },
      // Nothing is pulled from the member for a reader that has not asked.
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { "content-type": JSON_TYPE } });
  }

  async #nextOrFailure(): Promise<WatchResponse | undefined> {
    try {
      return await this.stream.next();
    } catch (error) {
      this.#failure = error;
      return undefined;
    }
  }

  /** The end of the body ends nothing: most clients can only send all they want to ask, and then read. */
  async #readRequests(): Promise<void> {
    try {
      for (let message = await this.#messages.next(); message !== undefined; message = await this.#messages.next()) {
        this.stream.request(decodeJson(watchRequestSchema, message));
      }
    } catch (error) {
      if (this.#closed) return;
      this.#failure = error;
      this.stream.close();
    }
  }
}
