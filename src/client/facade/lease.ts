/**
 * Leases as an application uses them: granted, kept alive in the background, and lost at some time or given back.
 *
 *   const { id } = await client.lease.grant(30);
 *   const kept = client.lease.keepAlive(id);
 *   await client.kv.put("worker/1", "here", { lease: id });
 *   void kept.ended.then(({ reason }) => reason === "lost" && stopWorking());
 */
import type { CallContext, LeaseService } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { count, headerOf, idOf, invalid } from "../common/convert.ts";
import { backoffMs } from "../common/backoff.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import type { Header, Id } from "../common/types.ts";

export interface LeaseGrant {
  readonly header: Header;
  readonly id: string;
  /** Seconds; a server raises what is too short for it. */
  readonly ttl: number;
}

export interface KeepAliveResult {
  readonly header: Header;
  readonly id: string;
  /** Seconds that the lease has again; 0 when there is no such lease any more. */
  readonly ttl: number;
}

export interface LeaseTimeToLive {
  readonly header: Header;
  readonly id: string;
  /** Seconds left; -1 when there is no such lease. */
  readonly ttl: number;
  readonly grantedTtl: number;
  /** The keys that hang on it, when they were asked for. */
  readonly keys: readonly Uint8Array[];
}

export interface KeepAliveOptions {
  /** Told of each beat that the server has answered. */
  readonly onRenewed?: ((beat: KeepAliveResult) => void) | undefined;
  /** Stops, as `stop()` does. */
  readonly signal?: AbortSignal | undefined;
}

export interface KeptAliveEnd {
  /** Stopped by us; or lost: it is gone at the server, or must be taken for gone. */
  readonly reason: "stopped" | "lost";
  readonly error?: EtcdError;
}

export interface KeptAlive {
  readonly id: string;
  /** Never rejects. */
  readonly ended: Promise<KeptAliveEnd>;
  /** No more beats; the lease lives on until its time is over. `revoke` ends it at once. */
  stop(): void;
}

export interface LeaseClient {
  /** `ttl` in seconds. Without an id the server chooses one. */
  grant(ttl: number, options?: { readonly id?: Id | undefined }): Promise<LeaseGrant>;
  /** Ends it now, and its keys with it, in one revision. */
  revoke(id: Id): Promise<{ readonly header: Header }>;
  keepAliveOnce(id: Id): Promise<KeepAliveResult>;
  /** Three beats in each time to live, from now on, until it is stopped or lost. */
  keepAlive(id: Id, options?: KeepAliveOptions): KeptAlive;
  timeToLive(id: Id, options?: { readonly keys?: boolean | undefined }): Promise<LeaseTimeToLive>;
  leases(): Promise<{ readonly header: Header; readonly ids: readonly string[] }>;
}

export interface LeaseClientHost {
  readonly lease: LeaseService;
  readonly context: CallContext;
  readonly backoff: BackoffTimer;
  /** Throws when the client is closed. */
  readonly checkOpen: () => void;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

export function leaseClient(host: LeaseClientHost): LeaseClient {
  const { lease, context, checkOpen } = host;
  return {
    async grant(ttl, options = {}) {
      checkOpen();
      if (ttl === undefined) throw invalid("a lease is granted for a number of seconds");
      const granted = await lease.grant({ id: idOf(options.id), ttl: count("ttl", ttl) }, context);
      return { header: headerOf(granted.header), id: granted.id.toString(), ttl: granted.ttl };
    },
    async revoke(id) {
      checkOpen();
      const { header } = await lease.revoke({ id: idOf(id) }, context);
      return { header: headerOf(header) };
    },
    async keepAliveOnce(id) {
      checkOpen();
      return renewOnce(host, idOf(id));
    },
    keepAlive(id, options = {}) {
      checkOpen();
      return keepAlive(host, idOf(id), options);
    },
    async timeToLive(id, options = {}) {
      checkOpen();
      const found = await lease.timeToLive({ id: idOf(id), keys: options.keys === true }, context);
      const { header, ttl, grantedTtl, keys } = found;
      return { header: headerOf(header), id: found.id.toString(), ttl, grantedTtl, keys };
    },
    async leases() {
      checkOpen();
      const { header, leases } = await lease.leases({}, context);
      return { header: headerOf(header), ids: leases.map(({ id }) => id.toString()) };
    },
  };
}

async function renewOnce({ lease, context }: LeaseClientHost, id: bigint): Promise<KeepAliveResult> {
  const { header, ttl } = await lease.keepAlive({ id }, context);
  return { header: headerOf(header), id: id.toString(), ttl };
}

const RENEWALS_PER_TTL = 3;
const RETRY_LIMIT_MS = 500;

function keepAlive(host: LeaseClientHost, id: bigint, options: KeepAliveOptions): KeptAlive {
  const stopped = new AbortController();
  const signals = [stopped.signal, host.closed, ...(options.signal === undefined ? [] : [options.signal])];
  return {
    id: id.toString(),
    ended: renewUntilStopped(host, id, AbortSignal.any(signals), options.onRenewed),
    stop: () => stopped.abort(),
  };
}

async function renewUntilStopped(
  host: LeaseClientHost,
  id: bigint,
  stopped: AbortSignal,
  onRenewed: KeepAliveOptions["onRenewed"],
): Promise<KeptAliveEnd> {
  let failures = 0;
  // Before the first answer nobody knows how long it has; a lost connection is no reason to call it lost.
  let lostMs = Infinity;
  while (!stopped.aborted) {
    const sentMs = performance.now();
    try {
      const answer = await renewOnce(host, id);
      if (answer.ttl <= 0) return { reason: "lost" };
      onRenewed?.(answer);
      failures = 0;
      lostMs = sentMs + answer.ttl * 1_000;
      await host.backoff.sleep((answer.ttl * 1_000) / RENEWALS_PER_TTL, stopped);
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
