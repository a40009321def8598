/**
 * Responds to a call that may wait for long: for a lock or an election that another client holds.
 *
 * A result within `plainWithinMs` is a plain response. After that the response begins as a stream of white space, which
 * is legal before JSON and reveals whether the caller is still connected. The result ends the stream. By then the
 * status was sent, so a late error is in the body only, in etcd's form: an object with a number under `code`, which no
 * result has.
 */
import { errorParts, errorResponse, JSON_TYPE } from "./errors.ts";
import { CONFIRM_MS, PLAIN_RESPONSE_WITHIN_MS, PROBE_AFTER_MS } from "./presence.ts";

export interface DelayedResponseTimes {
  /** Defaults of all three, in milliseconds: see presence.ts. */
  readonly plainWithinMs?: number;
  readonly probeAfterMs?: number;
  readonly confirmMs?: number;
}

/** The part of CallContext that concerns the waiting caller. */
export interface Waiter {
  readonly signal: AbortSignal;
  readonly confirmWaiting: () => Promise<void>;
}

const WHITE_SPACE = "\n";
const encoder = new TextEncoder();

/** `call` returns the JSON of its result. Never rejects. */
export async function delayedResponse(
  callerSignal: AbortSignal,
  call: (waiter: Waiter) => Promise<string>,
  times: DelayedResponseTimes = {},
): Promise<Response> {
  const delayed = new DelayedResponse(callerSignal, times);
  const result = call(delayed.waiter);
  // Nothing reads the result if the caller disconnects.
  result.catch(() => undefined);
  try {
    const soon = await delayed.orSilence(result, times.plainWithinMs ?? PLAIN_RESPONSE_WITHIN_MS);
    if (soon !== undefined) return new Response(soon, { headers: { "content-type": JSON_TYPE } });
  } catch (error) {
    return errorResponse(error);
  }
  return delayed.begin(result.catch((error: unknown) => errorParts(error).body));
}

class DelayedResponse {
  readonly waiter: Waiter;
  readonly #gone: AbortController = new AbortController();
  readonly #probeAfterMs: number;
  readonly #confirmMs: number;
  #hasBegun = false;
  #endSilence: () => void = () => {};

  constructor(callerSignal: AbortSignal, times: DelayedResponseTimes) {
    this.#probeAfterMs = times.probeAfterMs ?? PROBE_AFTER_MS;
    this.#confirmMs = times.confirmMs ?? CONFIRM_MS;
    callerSignal.addEventListener("abort", () => this.#gone.abort(), { once: true });
    // An abort before this point, while the request was read, fires no event any more.
    if (callerSignal.aborted) this.#gone.abort();
    this.waiter = { signal: this.#gone.signal, confirmWaiting: () => this.#confirm() };
  }

  begin(result: Promise<string>): Response {
    this.#hasBegun = true;
    let isFirst = true;
    let isCancelled = false;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const text = isFirst ? undefined : await this.orSilence(result, this.#probeAfterMs);
          isFirst = false;
          if (isCancelled) return;
          controller.enqueue(encoder.encode(text ?? WHITE_SPACE));
          if (text !== undefined) controller.close();
        },
        cancel: () => {
          isCancelled = true;
          this.#gone.abort();
        },
      },
      // White space is written only when the stream is read. Written ahead, it would reveal nothing.
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { "content-type": JSON_TYPE } });
  }

  /** Resolves to undefined if there is no result within `afterMs`. */
  async orSilence(result: Promise<string>, afterMs: number): Promise<string | undefined> {
    let stop = (): void => {};
    const silence = new Promise<undefined>((resolve) => {
      const timer = setTimeout(resolve, afterMs);
      this.#endSilence = () => resolve(undefined);
      stop = () => clearTimeout(timer);
    });
    try {
      return await Promise.race([result, silence]);
    } finally {
      stop();
      this.#endSilence = () => {};
    }
  }

  /**
   * Writes, and waits long enough for a reset to come back. A plain response is written once, so there is nothing to
   * confirm.
   */
  async #confirm(): Promise<void> {
    const { signal } = this.#gone;
    if (!this.#hasBegun || signal.aborted) return;
    this.#endSilence();
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, this.#confirmMs);
      signal.addEventListener("abort", done);
    });
  }
}
