/**
 * What `connect` needs of an endpoint: the methods of keys at once, those of watches, leases, locks and elections with the
 * first of them, and the messages of the others, which are more than half of etcd's API and seldom used, with theirs.
 */
import { loadedOnce } from "../../member/api/loaded-once.ts";
import { KV_RPCS } from "../../protocol/api/rpc/kv-rpcs.ts";
import type { ClientServices } from "../common/client-services.ts";
import { served, transportOf } from "./http-methods.ts";
import type { HttpServicesOptions } from "./http-methods.ts";

export interface HttpClientServices extends ClientServices {
  /** Closes the shared WebSocket when what is under way has ended. */
  close(): void;
}

export function httpClientServices(options: HttpServicesOptions): HttpClientServices {
  const transport = transportOf(options);
  return {
    kv: served(transport, "kv", KV_RPCS),
    common: loadedOnce(async () => (await import("./common-services.ts")).commonServices(transport)),
    all: loadedOnce(async () => (await import("./http-services.ts")).allServices(transport)),
    close: () => transport.socket?.close(),
  };
}
