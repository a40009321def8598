/** What the gRPC proxy serves: the services of an endpoint, and how its keep-alives are transported. */
import type { Services } from "../member/api/services.ts";
import type { KeepAliveConnection } from "./keep-alive-stream.ts";

export interface ProxiedServices extends Services {
  /** Without it, each keep-alive is a unary call. */
  readonly keepAlives?: KeepAliveConnection;
}
