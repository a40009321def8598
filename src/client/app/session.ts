/**
 * A lease that is kept alive until closed, and a signal that aborts when the lease is lost.
 *
 * The lease counts as lost when its time to live has passed since the last successful keep-alive was sent. The server
 * counts from a later moment, so a holder never outlasts the server's lease. A page that was frozen notices the passed
 * deadline when it resumes, before its other timers run.
 */
/// <reference lib="esnext.disposable" preserve="true" />
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { LeaseClient } from "../facade/lease.ts";
import { backoffMs, type BackoffTimer } from "../common/backoff.ts";
import { LeaseLostError } from "./errors.ts";
import { heeded } from "./heeded.ts";

export interface SessionHost {
  readonly lease: LeaseClient;
  readonly backoff: BackoffTimer;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

export interface SessionOptions {
  /** Time to live in seconds: after it the lease of a vanished holder ends. Default 15. */
  readonly ttl?: number | undefined;
  /** What the lease holds, for the text of the error that reports its loss. */
  readonly what: string;
  /** Stops opening it. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_TTL_SECONDS = 15;
const KEEP_ALIVES_PER_TTL = 3;
const RETRY_LIMIT_MS = 500;

export class Session {
  readonly id: string;
  readonly #host: SessionHost;
  readonly #what: string;
  readonly #lost: AbortController = new AbortController();
  readonly #over: AbortController = new AbortController();
  #deadlineMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(host: SessionHost, what: string, id: string, deadlineMs: number) {
    this.#host = host;
    this.#what = what;
    this.id = id;
    this.#deadlineMs = deadlineMs;
    this.#watchDeadline();
    host.closed.addEventListener("abort", () => void this.close(), { once: true, signal: this.#over.signal });
  }

  static async open(host: SessionHost, { ttl = DEFAULT_TTL_SECONDS, what, signal }: SessionOptions): Promise<Session> {
    const sentMs = performance.now();
    // A lease that is granted nevertheless ends by itself.
    const granted = await heeded(signal, () => host.lease.grant(ttl, { signal }));
    const session = new Session(host, what, granted.id, sentMs + granted.ttl * 1_000);
    void session.#keepAlive(granted.ttl);
    return session;
  }

  /** Aborts with LeaseLostError when the lease is lost, but not when it is closed. */
  get signal(): AbortSignal {
    if (performance.now() >= this.#deadlineMs) this.#lose("its time has passed");
    return this.#lost.signal;
  }

  /** Revokes the lease, which deletes all attached keys. Does not reject: the lease also expires by itself. */
  async close(): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#stop();
    try {
      await this.#host.lease.revoke(this.id);
    } catch {
      // The lease is gone, or the server is unreachable and the lease expires by itself.
    }
  }

  async #keepAlive(ttl: number): Promise<void> {
    const { lease, backoff } = this.#host;
    const over = this.#over.signal;
    let failures = 0;
    await backoff.sleep((ttl * 1_000) / KEEP_ALIVES_PER_TTL, over);
    while (!over.aborted) {
      const sentMs = performance.now();
      try {
        const renewed = await lease.keepAliveOnce(this.id);
        if (renewed.ttl <= 0) return this.#lose("the server has no such lease any more");
        failures = 0;
        this.#deadlineMs = sentMs + renewed.ttl * 1_000;
        this.#watchDeadline();
        await backoff.sleep((renewed.ttl * 1_000) / KEEP_ALIVES_PER_TTL, over);
      } catch (error) {
        if (!mayPass(error)) return this.#lose(error instanceof Error ? error.message : String(error));
        await backoff.sleep(backoffMs(failures++, RETRY_LIMIT_MS, backoff.random), over);
      }
    }
  }

  #watchDeadline(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    if (this.#over.signal.aborted) return;
    const leftMs = this.#deadlineMs - performance.now();
    this.#timer = setTimeout(() => this.#lose("no keep-alive was answered in its time"), Math.max(leftMs, 0));
  }

  #lose(why: string): void {
    if (this.#over.signal.aborted) return;
    this.#stop();
    this.#lost.abort(new LeaseLostError(`${this.#what} is lost: ${why}`));
  }

  #stop(): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer);
    this.#over.abort();
  }
}

function mayPass(error: unknown): boolean {
  if (!(error instanceof EtcdError)) return false;
  const { code } = error;
  return code === GrpcCode.Unavailable || code === GrpcCode.DeadlineExceeded || code === GrpcCode.ResourceExhausted;
}
