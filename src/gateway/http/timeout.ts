/** The deadline of a call: gRPC's own header, which etcd's gateway accepts over HTTP too. */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };
/** The longest delay of a timer, about 24 days. */
const TIMER_MAX_MS = 0x7fff_ffff;

const errTimeUp: EtcdError = new EtcdError(GrpcCode.DeadlineExceeded, "context deadline exceeded");

/** Returns undefined without the header. */
export function timeoutMsOf(headers: Headers): number | undefined {
  const text = headers.get("grpc-timeout");
  if (text === null || text === "") return undefined;
  if (text.length < 2) throw new EtcdError(GrpcCode.InvalidArgument, `invalid grpc-timeout: ${text}`);
  const unitMs = UNIT_MS[text.slice(-1)];
  const amount = text.slice(0, -1);
  if (unitMs === undefined || !/^[+-]?[0-9]+$/.test(amount)) {
    throw new EtcdError(GrpcCode.InvalidArgument, `invalid grpc-timeout: ${text}`);
  }
  return Number(amount) * unitMs;
}

/**
 * Resolves with the call's result, or rejects when its time is up; `signal` then aborts, so that the call stops
 * waiting.
 */
export async function within<T>(
  timeoutMs: number,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (timeoutMs <= 0) throw errTimeUp;
  const over = new AbortController();
  let stop = (): void => {};
  const timeUp = new Promise<never>((_, reject) => {
    const timer = setTimeout(
      () => {
        over.abort();
        reject(errTimeUp);
      },
      Math.min(timeoutMs, TIMER_MAX_MS),
    );
    stop = () => clearTimeout(timer);
  });
  try {
    return await Promise.race([call(AbortSignal.any([signal, over.signal])), timeUp]);
  } finally {
    stop();
  }
}
