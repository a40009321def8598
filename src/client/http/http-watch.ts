/**
 * A watch over plain HTTP: one POST whose NDJSON response does not end.
 *
 * HTTP/1.1 does not let a client send while it reads. So each stream has one watch, a cancel drops the whole stream,
 * and progress cannot be requested. A caller that needs these, or more than the six connections that browsers allow to
 * one host, passes a WebSocket constructor.
 */
import type { CallContext, WatchStream } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import type { HttpCaller } from "./http-call.ts";
import { HttpNdjson } from "./http-ndjson.ts";
import { watchRequestText, watchResponseOf } from "./watch-messages.ts";

export class HttpWatchStream implements WatchStream {
  readonly #caller: HttpCaller;
  readonly #context: CallContext;
  #lines: HttpNdjson | undefined;
  #closed = false;

  constructor(caller: HttpCaller, context: CallContext) {
    this.#caller = caller;
    this.#context = context;
  }

  request(request: WatchRequest): void {
    if (request.type === "none") return;
    if (request.type === "cancel") return this.close();
    if (request.type === "progress") throw unimplemented("progress cannot be asked for");
    if (this.#lines !== undefined) throw unimplemented("a stream carries one watch");
    if (this.#closed) return;
    const body = watchRequestText(request);
    this.#lines = new HttpNdjson(this.#caller, {
      path: "/v3/watch",
      body,
      context: this.#context,
      what: "the watch",
    });
  }

  async next(): Promise<WatchResponse | undefined> {
    const line = await this.#lines?.next();
    try {
      return line === undefined ? undefined : watchResponseOf(this.#caller.endpoint, line);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#lines?.close();
  }
}

function unimplemented(what: string): EtcdError {
  return new EtcdError(GrpcCode.Unimplemented, `over plain HTTP ${what}; hand in a WebSocket constructor`);
}
