/**
 * What `connect` needs of an endpoint: the methods of keys at once, those of txns, watches, leases, locks and elections with
 * the first of them, and the messages of the others, which are more than half of etcd's API and seldom used, with theirs.
 */
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { ClientServices } from "../common/client-services.ts";
import { httpKv } from "./http-kv.ts";
import { transportOf } from "./http-transport.ts";
import type { HttpServicesOptions } from "./http-transport.ts";

export interface HttpClientServices extends ClientServices {
  /** Closes the shared WebSocket when what is under way has ended. */
  close(): void;
}

export function httpClientServices(options: HttpServicesOptions): HttpClientServices {
  const transport = transportOf(options);
  const common = loadedOnce(() => import("./common-services.ts"));
  return {
    kv: httpKv(
      transport,
      loadedOnce(async () => (await common()).kvService(transport)),
    ),
    common: loadedOnce(async () => (await common()).commonServices(transport)),
    all: loadedOnce(async () => {
      const code = await import("./http-services.ts");
      return code.allServices(transport);
    }),
    close: () => transport.socket?.close(),
  };
}
