/** How each of etcd's calls is made: while the client is open, until it is given up or its time has passed. */
import type { CallContext } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/etcd-error.ts";
import { invalid } from "./convert.ts";
import { canceledError } from "./transport-errors.ts";

/** Options of every call. */
export interface CallOptions {
  /** Gives the call up when aborted: it rejects with Canceled at once. A write may be executed nevertheless. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Time in milliseconds, after which the call rejects with DeadlineExceeded. A write may be executed nevertheless.
   * Default: that of the client; none for calls that wait for others, such as those of locks.
   */
  readonly timeoutMs?: number | undefined;
}

/** Makes a call in the client's context. Rejects with Canceled once the client is closed. */
export type Call = <Result>(
  options: CallOptions | undefined,
  run: (context: CallContext) => Promise<Result>,
) => Promise<Result>;

export function callIn(context: CallContext, checkOpen: () => void): Call {
  return async (options, run) => {
    checkOpen();
    const { signal, timeoutMs } = options ?? {};
    return signal === undefined && timeoutMs === undefined ? run(context) : bounded(context, signal, timeoutMs, run);
  };
}

/** It ends for its caller at once, also where the service does not heed the signal. */
async function bounded<Result>(
  context: CallContext,
  signal: AbortSignal | undefined,
  timeoutMs: number | undefined,
  run: (context: CallContext) => Promise<Result>,
): Promise<Result> {
  if (timeoutMs !== undefined && !(timeoutMs >= 0)) {
    throw invalid(`timeoutMs is a number of milliseconds, not ${String(timeoutMs)}`);
  }
  if (signal?.aborted === true) throw canceledError();
  const abort = new AbortController();
  let onAbort: () => void = () => {};
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ended = new Promise<never>((_, reject) => {
    const end = (error: EtcdError): void => {
      reject(error);
      abort.abort();
    };
    onAbort = () => end(canceledError());
    signal?.addEventListener("abort", onAbort, { once: true });
    if (timeoutMs === undefined || timeoutMs > LONGEST_TIMER_MS) return;
    const late = new EtcdError(GrpcCode.DeadlineExceeded, `the call was not answered within ${timeoutMs} ms`);
    timer = setTimeout(() => end(late), timeoutMs);
  });
  try {
    return await Promise.race([run({ ...context, signal: abort.signal, timeoutMs }), ended]);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    if (timer !== undefined) clearTimeout(timer);
  }
}

/** Timers take 31 bits; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
