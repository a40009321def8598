/** What the gRPC front serves: the services of an endpoint, and how the keep-alives of its leases travel. */
import type { Services } from "../member/api/services.ts";
import type { KeepAliveConnection } from "./keep-alive-stream.ts";

export interface ProxiedServices extends Services {
  /** Without it, each keep-alive is a call. */
  readonly keepAlives?: KeepAliveConnection;
}
