/**
 * A watch over plain HTTP: one POST whose answer never ends, one JSON object a line.
 *
 * HTTP/1.1 does not let us send while we read, so such a stream carries one watch, a cancel can only drop the whole
 * stream, and progress cannot be asked for. Whoever needs that, or more than the six connections that browsers allow
 * to one host, hands in a WebSocket constructor.
 */
import type { CallContext, WatchStream } from "../member/services.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { WatchRequest, WatchResponse } from "../protocol/watch.ts";
import type { HttpCaller } from "./http-call.ts";
import { answerError, connectionError } from "./http-errors.ts";
import { watchRequestText, watchResponseOf } from "./json-messages.ts";
import { LineReader } from "./line-reader.ts";

export class HttpWatchStream implements WatchStream {
  readonly #caller: HttpCaller;
  readonly #context: CallContext;
  readonly #abort: AbortController = new AbortController();
  #lines: Promise<LineReader> | undefined;

  constructor(caller: HttpCaller, context: CallContext) {
    this.#caller = caller;
    this.#context = context;
  }

  request(request: WatchRequest): void {
    if (request.type === "none") return;
    if (request.type === "cancel") return this.close();
    if (request.type === "progress") throw unimplemented("progress cannot be asked for");
    if (this.#lines !== undefined) throw unimplemented("a stream carries one watch");
    this.#lines = this.#open(watchRequestText(request));
    // A failure is told by next().
    this.#lines.catch(() => {});
  }

  async next(): Promise<WatchResponse | undefined> {
    if (this.#lines === undefined || this.#abort.signal.aborted) return undefined;
    try {
      const line = await (await this.#lines).next();
      return line === undefined ? undefined : watchResponseOf(this.#caller.endpoint, line);
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      this.close();
      throw error instanceof EtcdError ? error : connectionError(this.#caller.endpoint, error);
    }
  }

  close(): void {
    this.#abort.abort();
  }

  /** A server that takes the connection and says nothing counts as unreachable, so that the watch tries another time. */
  async #open(body: string): Promise<LineReader> {
    const { endpoint, timeoutMs } = this.#caller;
    const call = { method: "POST", path: "/v3/watch", body, context: this.#context, isRead: true } as const;
    const start = new AbortController();
    const timer = setTimeout(() => start.abort(), timeoutMs);
    try {
      const response = await this.#caller.open(call, AbortSignal.any([this.#abort.signal, start.signal]));
      if (!response.ok) throw answerError(endpoint, response.status, await response.text());
      if (response.body === null) throw new EtcdError(GrpcCode.Unavailable, `${endpoint} sent no watch stream`);
      return new LineReader(response.body);
    } catch (error) {
      if (!start.signal.aborted) throw error;
      throw new EtcdError(GrpcCode.Unavailable, `${endpoint} did not begin the watch within ${timeoutMs} ms`);
    } finally {
      clearTimeout(timer);
    }
  }
}

function unimplemented(what: string): EtcdError {
  return new EtcdError(GrpcCode.Unimplemented, `over plain HTTP ${what}; hand in a WebSocket constructor`);
}
