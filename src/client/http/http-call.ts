/**
 * A call with a deadline and with etcd's rule for retries, and one HTTP request with its response. Reads are retried when the
 * server responds "unavailable" or is unreachable. A write is retried only if it surely was not sent: otherwise it may
 * have been executed although no response arrived.
 */
import type { CallContext } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/etcd-error.ts";
import { responseError, connectionError, parseJson, statusError } from "./http-errors.ts";
import { canceledError, NotSentError, timeoutError } from "../common/transport-errors.ts";
import { backoffMs, SYSTEM_BACKOFF } from "../common/backoff.ts";
import type { BackoffTimer } from "../common/backoff.ts";

export interface HttpOptions {
  /** Address of the server: `http://host:port`, with a path (`/m/1`) to address one member of several. */
  readonly endpoint: string;
  /** Default: the platform's. */
  readonly fetch?: typeof fetch;
  /** Sent as `Authorization` if the call has no token of its own. */
  readonly token?: string;
  /** Limit for a call with all its attempts, and for the start of a watch, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number;
  /** Maximum number of retries of a call. Default 4, which takes at most a second. */
  readonly retries?: number;
  /** For tests. */
  readonly backoff?: BackoffTimer;
}

/** What decides how often a call is attempted, and for how long. */
export interface CallKind {
  readonly context: CallContext;
  readonly isRead: boolean;
  /** The response may take any time, such as that of a lock, which waits for another holder. */
  readonly isPatient?: boolean;
}

export interface Call extends CallKind {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
}

/** The time of an attempt. */
export interface AttemptLimit {
  /** Milliseconds that are left of `timeoutMs`; Infinity without a limit. */
  readonly leftMs: number;
  readonly timeoutMs: number;
}

const RETRY_LIMIT_MS = 1000;

export class HttpCaller {
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly #fetch: typeof fetch;
  readonly #token: string;
  readonly #retries: number;
  readonly #backoff: BackoffTimer;

  constructor(options: HttpOptions) {
    this.endpoint = checkEndpoint(options.endpoint);
    this.timeoutMs = options.timeoutMs ?? 10_000;
    // Not a bare reference: browsers reject a fetch whose `this` is another object.
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
    this.#token = options.token ?? "";
    this.#retries = options.retries ?? 4;
    this.#backoff = options.backoff ?? SYSTEM_BACKOFF;
  }

  /** Returns the body of a successful response. */
  call(call: Call): Promise<string> {
    return this.retried(call, (limit) => this.attempt(call, limit));
  }

  /** Attempts a call until it succeeds, may not be repeated, or its time has passed. */
  async retried<Result>(call: CallKind, attemptOnce: (limit: AttemptLimit) => Promise<Result>): Promise<Result> {
    const timeoutMs = call.context.timeoutMs ?? (call.isPatient === true ? Infinity : this.timeoutMs);
    const deadlineMs = performance.now() + timeoutMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await attemptOnce({ leftMs: deadlineMs - performance.now(), timeoutMs });
      } catch (error) {
        const pauseMs = backoffMs(attempt, RETRY_LIMIT_MS, this.#backoff.random);
        const mayRepeat =
          attempt < this.#retries && (call.isRead ? isUnavailable(error) : error instanceof NotSentError);
        if (!mayRepeat || performance.now() + pauseMs >= deadlineMs) throw error;
        await this.#backoff.sleep(pauseMs, call.context.signal);
        if (call.context.signal?.aborted === true) throw canceledError();
      }
    }
  }

  /** For streamed responses, which the caller aborts. */
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

  /** Makes one HTTP request. Returns the body of a successful response. */
  async attempt(call: Call, { leftMs, timeoutMs }: AttemptLimit): Promise<string> {
    const abort = new AbortController();
    const timer =
      leftMs === Infinity
        ? undefined
        : setTimeout(() => abort.abort(timeoutError(this.endpoint, timeoutMs)), Math.max(leftMs, 0));
    const { signal } = call.context;
    try {
      const response = await this.open(
        call,
        signal === undefined ? abort.signal : AbortSignal.any([abort.signal, signal]),
      );
      const text = await response.text();
      if (!response.ok) throw responseError(this.endpoint, response.status, text);
      // A response whose status was sent before the outcome was known has its error in the body.
      const late = call.isPatient === true ? statusError(parseJson(text)) : undefined;
      if (late !== undefined) throw late;
      return text;
    } catch (error) {
      if (error instanceof EtcdError) throw error;
      if (signal?.aborted === true) throw canceledError();
      throw abort.signal.reason ?? connectionError(this.endpoint, error);
    } finally {
      if (timer !== undefined) clearTimeout(timer);
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
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new EtcdError(
      GrpcCode.InvalidArgument,
      `an endpoint is a URL such as http://localhost:8787, not "${endpoint}"`,
    );
  }
  return (url.origin + url.pathname).replace(/\/+$/, "");
}
