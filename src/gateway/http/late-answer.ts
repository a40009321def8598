/**
 * The answer to a call that may wait for long: a lock that somebody else has, an election that somebody else has won.
 *
 * What comes soon is a plain answer. After that the answer begins as a stream of white space, which is legal before
 * JSON and finds out whether the caller is still there; the result is its end. The status was sent by then, so an error
 * that comes late is in the body only, in etcd's form: an object with a number under `code`, which no result has.
 */
import { errorParts, errorResponse, JSON_TYPE } from "./errors.ts";
import { CONFIRM_MS, PLAIN_ANSWER_WITHIN_MS, PROBE_AFTER_MS } from "./presence.ts";

export interface LateAnswerTimes {
  /** Default: see presence.ts; so have the others. */
  readonly plainWithinMs?: number;
  readonly probeAfterMs?: number;
  readonly confirmMs?: number;
}

/** The caller, as the call sees it: see CallContext. */
export interface Waiter {
  readonly signal: AbortSignal;
  readonly confirmWaiting: () => Promise<void>;
}

const WHITE_SPACE = "\n";
const encoder = new TextEncoder();

/** `call` gives the JSON of its result. Never rejects. */
export async function lateAnswer(
  callerSignal: AbortSignal,
  call: (waiter: Waiter) => Promise<string>,
  times: LateAnswerTimes = {},
): Promise<Response> {
  const answer = new LateAnswer(callerSignal, times);
  const result = call(answer.waiter);
  // It may be left behind when the caller goes.
  result.catch(() => undefined);
  try {
    const soon = await answer.orSilence(result, times.plainWithinMs ?? PLAIN_ANSWER_WITHIN_MS);
    if (soon !== undefined) return new Response(soon, { headers: { "content-type": JSON_TYPE } });
  } catch (error) {
    return errorResponse(error);
  }
  return answer.begin(result.catch((error: unknown) => errorParts(error).body));
}

class LateAnswer {
  readonly waiter: Waiter;
  readonly #gone: AbortController = new AbortController();
  readonly #probeAfterMs: number;
  readonly #confirmMs: number;
  #hasBegun = false;
  #endSilence: () => void = () => {};

  constructor(callerSignal: AbortSignal, times: LateAnswerTimes) {
    this.#probeAfterMs = times.probeAfterMs ?? PROBE_AFTER_MS;
    this.#confirmMs = times.confirmMs ?? CONFIRM_MS;
    callerSignal.addEventListener("abort", () => this.#gone.abort(), { once: true });
    // Who left while the request was read is not told of any more.
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
      // White space is written when it is taken, or it would tell nothing.
      { highWaterMark: 0 },
    );
    return new Response(body, { headers: { "content-type": JSON_TYPE } });
  }

  /** Undefined when there is no result by then. */
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

  /** Writes, and gives a reset the time to come back. A plain answer is written once, so nothing can be found out. */
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
