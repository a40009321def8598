/** What a client of an endpoint is given, in the form that it is used in. */
import { EtcdError, GrpcCode } from "../../protocol/etcd-error.ts";
import type { WebSocketConstructor } from "../common/web-socket-like.ts";

/** The server decides which names there are; here only what would change the path is refused. */
export function clusterEndpoint(endpoint: string, cluster: string | undefined): string {
  if (cluster === undefined) return endpoint;
  if (!/^(?!\.+$)[\w.~-]{1,64}$/.test(cluster)) {
    throw new EtcdError(GrpcCode.InvalidArgument, `a cluster's name is 1 to 64 of a-zA-Z0-9._~-, not "${cluster}"`);
  }
  return `${endpoint.replace(/\/+$/, "")}/c/${cluster}`;
}

export function platformWebSocket(): WebSocketConstructor | undefined {
  return (globalThis as { readonly WebSocket?: WebSocketConstructor }).WebSocket;
}
