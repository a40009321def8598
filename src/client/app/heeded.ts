/** Calls above etcd's heed an AbortSignal as the platform's calls do: they reject with its reason, at once. */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** `run` hands the signal to the calls that it makes. They reject with Canceled when it aborts. */
export async function heeded<Result>(signal: AbortSignal | undefined, run: () => Promise<Result>): Promise<Result> {
  signal?.throwIfAborted();
  try {
    return await run();
  } catch (error) {
    if (error instanceof EtcdError && error.code === GrpcCode.Canceled) signal?.throwIfAborted();
    throw error;
  }
}
