/** Leases and their keep-alives, whose code is loaded with the first call. */
import type { LeaseService } from "../../member/api/services.ts";
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { EtcdError } from "../../protocol/etcd-error.ts";
import { idOf } from "../common/convert.ts";
import { lazyFacade } from "./lazy-facade.ts";
import type { LeaseClient, LeaseClientHost, leaseCalls, renewUntilStopped } from "./lease.ts";

interface LeaseCode {
  readonly leaseCalls: typeof leaseCalls;
  readonly renewUntilStopped: typeof renewUntilStopped;
}

export interface LazyLeaseHost extends Omit<LeaseClientHost, "lease"> {
  readonly code: () => Promise<LeaseCode>;
  readonly lease: () => Promise<LeaseService>;
  /** Throws EtcdError (Canceled) if the client is closed. */
  readonly checkOpen: () => void;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

export function lazyLease(given: LazyLeaseHost): LeaseClient {
  const { checkOpen, closed } = given;
  const loaded = loadedOnce(async () => {
    const [code, lease] = await Promise.all([given.code(), given.lease()]);
    return { code, host: { ...given, lease } };
  });
  return {
    ...lazyFacade<LeaseClient>(
      { grant: 1, revoke: 1, keepAliveOnce: 1, timeToLive: 1, leases: 1 },
      async () => {
        const { code, host } = await loaded();
        return code.leaseCalls(host);
      },
      checkOpen,
    ),
    keepAlive(id, { signal, onRenewed } = {}) {
      checkOpen();
      const leaseId = idOf(id);
      const stopped = new AbortController();
      const over = AbortSignal.any([stopped.signal, closed, ...(signal === undefined ? [] : [signal])]);
      const stop = (): void => stopped.abort();
      const ended = loaded().then(
        ({ code, host }) => code.renewUntilStopped(host, leaseId, over, onRenewed),
        // Nobody keeps it alive.
        (error: EtcdError) => ({ reason: "lost", error }) as const,
      );
      return { id: leaseId.toString(), ended, stop, [Symbol.asyncDispose]: async () => stop() };
    },
  };
}
