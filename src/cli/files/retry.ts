/**
 * Trying again in a long job. Its puts are repeatable, because the same bytes under the same key twice are the same as
 * once; so it may do what the client must not. It gives up when nothing at all has succeeded for a while, in all jobs
 * together, which is why it is not a library: those count the attempts of one call.
 */
import { EtcdError, GrpcCode } from "../../client/client.ts";
import { backoffMs, SYSTEM_BACKOFF } from "../../client/common/backoff.ts";
import type { BackoffTimer } from "../../client/common/backoff.ts";

const PAUSE_LIMIT_MS = 1000;

/** Another key would fail too: the whole job ends. */
export class PermanentError extends Error {
  override readonly cause: EtcdError;

  constructor(cause: EtcdError) {
    super(cause.message);
    this.cause = cause;
  }
}

export class Retry {
  readonly #limitMs: number;
  readonly #backoff: BackoffTimer;
  readonly #nowMs: () => number;
  #successMs: number;

  constructor(limitMs: number, pace: BackoffTimer = SYSTEM_BACKOFF, nowMs: () => number = () => performance.now()) {
    this.#limitMs = limitMs;
    this.#backoff = pace;
    this.#nowMs = nowMs;
    this.#successMs = nowMs();
  }

  async run<Value>(attempt: () => Promise<Value>): Promise<Value> {
    for (let failures = 0; ; failures++) {
      try {
        const value = await attempt();
        this.#successMs = this.#nowMs();
        return value;
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error;
        if (isPermanent(error)) throw new PermanentError(error);
        if (!isTransient(error)) throw error;
        if (this.#nowMs() - this.#successMs >= this.#limitMs) throw new PermanentError(error);
        await this.#backoff.sleep(backoffMs(failures, PAUSE_LIMIT_MS, this.#backoff.random));
      }
    }
  }
}

function isPermanent({ code, message }: EtcdError): boolean {
  const isFull = code === GrpcCode.ResourceExhausted && !isOverload(message);
  return isFull || code === GrpcCode.PermissionDenied || code === GrpcCode.Unauthenticated;
}

function isTransient({ code, message }: EtcdError): boolean {
  return code === GrpcCode.Unavailable || code === GrpcCode.DeadlineExceeded || isOverload(message);
}

/** etcd sends this error with a wrong code. */
function isOverload(message: string): boolean {
  return message.includes("too many requests");
}
