/**
 * One request and its answer, with a deadline, and with etcd's rule for trying again: what only reads is repeated when
 * the server says "unavailable" or cannot be reached; a write is repeated only if it surely was not sent, because it may
 * have been done although no answer came.
 */
import type { CallContext } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { responseError, connectionError, NotSentError, parseJson, statusError, timeoutError } from "./http-errors.ts";
import { backoffMs, SYSTEM_BACKOFF } from "../common/backoff.ts";
import type { BackoffTimer } from "../common/backoff.ts";

export interface HttpOptions {
  /** Where the server is, `http://host:port`, with a path (`/m/1`) where one member of several is meant. */
  readonly endpoint: string;
  /** Default: the platform's. */
  readonly fetch?: typeof fetch;
  /** Sent as `Authorization` when the call brings no token of its own. */
  readonly token?: string;
  /** For a whole call with all its attempts, and for the start of a watch. Default 10,000. */
  readonly timeoutMs?: number;
  /** How often a failed call that may be repeated is repeated. Default 4, which takes at most a second. */
  readonly retries?: number;
  /** For tests. */
  readonly pace?: BackoffTimer;
}

export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
  readonly context: CallContext;
  readonly isRead: boolean;
  /** The answer may take as long as it likes: somebody else's lock has to end first. */
  readonly isPatient?: boolean;
}

const RETRY_LIMIT_MS = 1000;

export class HttpCaller {
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly #fetch: typeof fetch;
  readonly #token: string;
  readonly #retries: number;
  readonly #pace: BackoffTimer;

  constructor(options: HttpOptions) {
    this.endpoint = checkEndpoint(options.endpoint);
    this.timeoutMs = options.timeoutMs ?? 10_000;
    // Not a bare reference: browsers refuse a fetch whose `this` is another object.
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#token = options.token ?? "";
    this.#retries = options.retries ?? 4;
    this.#pace = options.pace ?? SYSTEM_BACKOFF;
  }

  /** The body of a good answer. */
  async call(call: Call): Promise<string> {
    const deadlineMs = performance.now() + (call.isPatient === true ? Infinity : this.timeoutMs);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(call, deadlineMs - performance.now());
      } catch (error) {
        const pauseMs = backoffMs(attempt, RETRY_LIMIT_MS, this.#pace.random);
        const mayRepeat =
          attempt < this.#retries && (call.isRead ? isUnavailable(error) : error instanceof NotSentError);
        if (!mayRepeat || performance.now() + pauseMs >= deadlineMs) throw error;
        await this.#pace.sleep(pauseMs);
      }
    }
  }

  /** For answers that go on; the caller aborts. */
  open(call: Call, signal: AbortSignal): Promise<Response> {
    return this.#fetch(this.endpoint + call.path, {
      method: call.method,
      headers: this.#headers(call),
      signal,
      ...(call.body === undefined ? {} : { body: call.body }),
    });
  }

  tokenOf(context: CallContext): string {
    return context.token === "" ? this.#token : context.token;
  }

  async #attempt(call: Call, leftMs: number): Promise<string> {
    const abort = new AbortController();
    const timer = leftMs === Infinity ? undefined : setTimeout(() => abort.abort(), Math.max(leftMs, 0));
    const { signal } = call.context;
    try {
      const response = await this.open(
        call,
        signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]),
      );
      const text = await response.text();
      if (!response.ok) throw responseError(this.endpoint, response.status, text);
      // An answer that began before anybody knew how it would end tells an error in its body.
      const late = call.isPatient === true ? statusError(parseJson(text)) : undefined;
      if (late !== undefined) throw late;
      return text;
    } catch (error) {
      if (error instanceof EtcdError) throw error;
      if (signal?.aborted === true) throw new EtcdError(GrpcCode.Canceled, "the call was given up");
      throw abort.signal.aborted ? timeoutError(this.endpoint, this.timeoutMs) : connectionError(this.endpoint, error);
    } finally {
      clearTimeout(timer);
    }
  }

  #headers({ body, context }: Call): Record<string, string> {
    const token = this.tokenOf(context);
    return {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === "" ? {} : { authorization: token }),
      ...(context.requireLeader ? { "grpc-metadata-hasleader": "true" } : {}),
    };
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof EtcdError && error.code === GrpcCode.Unavailable;
}

function checkEndpoint(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new EtcdError(
      GrpcCode.InvalidArgument,
      `an endpoint is a URL such as http://localhost:8787, not "${endpoint}"`,
    );
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}
