/**
 * Leases for applications: granted, kept alive in the background, and finally lost or stopped. Loaded with the first call.
 *
 *   const { id } = await client.lease.grant(30);
 *   const kept = client.lease.keepAlive(id);
 *   await client.kv.put("worker/1", "here", { lease: id });
 *   void kept.ended.then(({ reason }) => reason === "lost" && stopWorking());
 */
/// <reference lib="esnext.disposable" preserve="true" />
import type { LeaseService } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { count, headerOf, idOf, invalid } from "../common/convert.ts";
import type { Call, CallOptions } from "../common/call.ts";
import { backoffMs } from "../common/backoff.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import type { Header, Id } from "../common/types.ts";
import type { UnaryOf } from "./lazy-facade.ts";

/** Result of `lease.grant`. */
export interface LeaseGrant {
  readonly header: Header;
  readonly id: string;
  /** Time to live in seconds. The server may grant more than requested, as it has a minimum. */
  readonly ttl: number;
}

/** Result of one keep-alive. */
export interface KeepAliveResult {
  readonly header: Header;
  readonly id: string;
  /** New time to live in seconds; 0 if the lease does not exist any more. */
  readonly ttl: number;
}

/** Result of `lease.timeToLive`. */
export interface LeaseTimeToLive {
  readonly header: Header;
  readonly id: string;
  /** Remaining seconds; -1 if the lease does not exist. */
  readonly ttl: number;
  /** Time to live that was granted, in seconds. */
  readonly grantedTtl: number;
  /** Attached keys, if requested. */
  readonly keys: readonly Uint8Array[];
}

/** Options of `lease.keepAlive`. */
export interface KeepAliveOptions {
  /** Called for each successful keep-alive. */
  readonly onRenewed?: ((renewed: KeepAliveResult) => void) | undefined;
  /** Stops the keep-alives when aborted, as `stop()` does. */
  readonly signal?: AbortSignal | undefined;
}

/** Why the keep-alives ended. */
export interface KeptAliveEnd {
  /**
   * "stopped": by the caller or by `close()` of the client. "lost": the lease is gone at the server, or must be
   * considered gone.
   */
  /** The error of the last keep-alive of a lost lease, if there was one. */
  readonly reason: "stopped" | "lost";
  readonly error?: EtcdError;
}

/** A lease that is being kept alive, until stopped or lost. `await using` stops it. */
export interface KeptAlive extends AsyncDisposable {
  readonly id: string;
  /** Resolves when the keep-alives end. Never rejects. The caller must stop relying on a lease that is lost. */
  readonly ended: Promise<KeptAliveEnd>;
  /** Stops the keep-alives. The lease remains until its time to live has passed; `revoke` ends it at once. */
  stop(): void;
}

/** Leases, as in etcd's Lease service. Times are in seconds. */
export interface LeaseClient {
  /**
   * Grants a lease of `ttl` seconds. Without an id the server chooses one. Rejects with FailedPrecondition if the id is
   * in use, with OutOfRange if `ttl` is too large.
   */
  grant(ttl: number, options?: CallOptions & { readonly id?: Id | undefined }): Promise<LeaseGrant>;
  /** Ends the lease at once and deletes its keys, in one revision. Rejects with NotFound if it does not exist. */
  revoke(id: Id, options?: CallOptions): Promise<{ readonly header: Header }>;
  /** Renews the lease once. Returns `ttl` 0 if it does not exist. */
  keepAliveOnce(id: Id, options?: CallOptions): Promise<KeepAliveResult>;
  /** Renews the lease three times per time to live, from now on, until stopped or lost. */
  keepAlive(id: Id, options?: KeepAliveOptions): KeptAlive;
  /** Returns the remaining time. Returns `ttl` -1 if the lease does not exist. */
  timeToLive(id: Id, options?: CallOptions & { readonly keys?: boolean | undefined }): Promise<LeaseTimeToLive>;
  /** Returns the ids of all leases. */
  leases(options?: CallOptions): Promise<{ readonly header: Header; readonly ids: readonly string[] }>;
}

export interface LeaseClientHost {
  readonly lease: LeaseService;
  readonly call: Call;
  readonly backoff: BackoffTimer;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

/** What is asked once, without the keep-alives that go on. */
export function leaseCalls(host: LeaseClientHost): UnaryOf<LeaseClient> {
  const { lease, call } = host;
  return {
    async grant(ttl, options = {}) {
      if (ttl === undefined) throw invalid("a lease is granted for a number of seconds");
      const request = { id: idOf(options.id), ttl: count("ttl", ttl) };
      const granted = await call(options, (context) => lease.grant(request, context));
      return { header: headerOf(granted.header), id: granted.id.toString(), ttl: granted.ttl };
    },
    async revoke(id, options) {
      const { header } = await call(options, (context) => lease.revoke({ id: idOf(id) }, context));
      return { header: headerOf(header) };
    },
    keepAliveOnce: async (id, options) => renewOnce(host, idOf(id), options),
    async timeToLive(id, options = {}) {
      const request = { id: idOf(id), keys: options.keys === true };
      const found = await call(options, (context) => lease.timeToLive(request, context));
      const { header, ttl, grantedTtl, keys } = found;
      return { header: headerOf(header), id: found.id.toString(), ttl, grantedTtl, keys };
    },
    async leases(options) {
      const { header, leases } = await call(options, (context) => lease.leases({}, context));
      return { header: headerOf(header), ids: leases.map(({ id }) => id.toString()) };
    },
  };
}

async function renewOnce(
  { lease, call }: LeaseClientHost,
  id: bigint,
  options?: CallOptions,
): Promise<KeepAliveResult> {
  const { header, ttl } = await call(options, (context) => lease.keepAlive({ id }, context));
  return { header: headerOf(header), id: id.toString(), ttl };
}

const RENEWALS_PER_TTL = 3;
const RETRY_LIMIT_MS = 500;

/** Does not reject. */
export async function renewUntilStopped(
  host: LeaseClientHost,
  id: bigint,
  stopped: AbortSignal,
  onRenewed?: KeepAliveOptions["onRenewed"],
): Promise<KeptAliveEnd> {
  let failures = 0;
  // Before the first response the remaining time is unknown. A lost connection alone does not mean that the lease is
  // lost.
  let lostMs = Infinity;
  while (!stopped.aborted) {
    const sentMs = performance.now();
    try {
      const renewed = await renewOnce(host, id);
      if (renewed.ttl <= 0) return { reason: "lost" };
      onRenewed?.(renewed);
      failures = 0;
      lostMs = sentMs + renewed.ttl * 1_000;
      await host.backoff.sleep((renewed.ttl * 1_000) / RENEWALS_PER_TTL, stopped);
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (!mayPass(error) || performance.now() >= lostMs) return { reason: "lost", error };
      await host.backoff.sleep(backoffMs(failures++, RETRY_LIMIT_MS, host.backoff.random), stopped);
    }
  }
  return { reason: "stopped" };
}

function mayPass({ code }: EtcdError): boolean {
  return code === GrpcCode.Unavailable || code === GrpcCode.DeadlineExceeded || code === GrpcCode.ResourceExhausted;
}
