/**
 * What a client calls: the methods of keys at once, all others when they are asked for, because every byte that a page
 * loads at its start delays it.
 */
import type { KvService, Services } from "../../member/api/services.ts";

export interface ClientServices {
  readonly kv: Omit<KvService, "rangeStream">;
  /** Loads what watches, leases, locks and elections need. Rejects with EtcdError. */
  readonly common: () => Promise<CommonServices>;
  /** Loads the rest. Rejects with EtcdError. */
  readonly all: () => Promise<Services>;
}

export type CommonServices = Pick<Services, "watch" | "lease" | "lock" | "election">;

/** Services that are there already count as loaded. */
export function clientServices(given: Services | ClientServices): ClientServices {
  if ("all" in given) return given;
  const loaded = async (): Promise<Services> => given;
  return { kv: given.kv, common: loaded, all: loaded };
}
