/** One POST with a streamed response: NDJSON, as etcd's gateway streams. */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { CallContext } from "../../member/api/services.ts";
import type { HttpCaller } from "./http-call.ts";
import { connectionError, responseError, unexpectedResponseError } from "./http-errors.ts";
import { LineReader } from "./line-reader.ts";

export interface NdjsonRequest {
  readonly path: string;
  readonly body: string;
  readonly context: CallContext;
  /** What is requested, for the text of errors: "the watch". */
  readonly what: string;
  /** The response may begin at any time. Default false: a server that does not begin in time counts as unreachable. */
  readonly isPatient?: boolean;
}

export class HttpNdjson {
  readonly #caller: HttpCaller;
  readonly #request: NdjsonRequest;
  readonly #abort: AbortController = new AbortController();
  readonly #lines: Promise<LineReader>;

  constructor(caller: HttpCaller, request: NdjsonRequest) {
    this.#caller = caller;
    this.#request = request;
    this.#lines = this.#open();
    // next() reports the failure.
    this.#lines.catch(() => {});
  }

  get endpoint(): string {
    return this.#caller.endpoint;
  }

  /** Returns the next line; undefined at the end or after `close()`. */
  async next(): Promise<string | undefined> {
    if (this.#abort.signal.aborted) return undefined;
    try {
      return await (await this.#lines).next();
    } catch (error) {
      if (this.#abort.signal.aborted) return undefined;
      this.close();
      throw error instanceof EtcdError ? error : connectionError(this.endpoint, error);
    }
  }

  close(): void {
    this.#abort.abort();
  }

  async #open(): Promise<LineReader> {
    const { endpoint, timeoutMs } = this.#caller;
    const { path, body, context, what } = this.#request;
    const start = new AbortController();
    const late = new EtcdError(GrpcCode.Unavailable, `${endpoint} did not begin ${what} within ${timeoutMs} ms`);
    const timer = this.#request.isPatient === true ? undefined : setTimeout(() => start.abort(late), timeoutMs);
    try {
      const call = { method: "POST", path, body, context, isRead: true } as const;
      const response = await this.#caller.open(call, AbortSignal.any([this.#abort.signal, start.signal]));
      if (!response.ok) throw responseError(endpoint, response.status, await response.text());
      if (response.headers.get("content-type")?.includes("text/html") === true) {
        throw unexpectedResponseError(endpoint, await response.text());
      }
      if (response.body === null) throw new EtcdError(GrpcCode.Unavailable, `${endpoint} sent nothing of ${what}`);
      return new LineReader(response.body);
    } catch (error) {
      throw start.signal.aborted ? late : error;
    } finally {
      if (timer !== undefined) clearTimeout(timer);
    }
  }
}
