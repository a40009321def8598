/**
 * A member behind HTTP and WebSockets, as `Services`: all of them at once. `connect` loads them by need
 * (http-client-services.ts).
 *
 * Two methods are not in etcd's JSON API. `inspect` reads `GET {endpoint}/quorate/status`; the client works without it.
 * `rangeStream` has no path in etcd's gateway.
 */
import type { MemberView, Services } from "../../member/api/services.ts";
import { AUTH_RPCS } from "../../protocol/api/rpc/auth-rpcs.ts";
import { CLUSTER_RPCS } from "../../protocol/api/rpc/cluster-rpcs.ts";
import { KV_RPCS } from "../../protocol/api/rpc/kv-rpcs.ts";
import { MAINTENANCE_RPCS } from "../../protocol/api/rpc/maintenance-rpcs.ts";
import { commonServices } from "./common-services.ts";
import type { HttpCaller } from "./http-call.ts";
import { unexpectedResponseError, parseJson } from "./http-errors.ts";
import { httpHealth } from "./http-health.ts";
import { served } from "./http-methods.ts";
import { NO_CONTEXT, transportOf } from "./http-transport.ts";
import type { HttpServicesOptions, Transport } from "./http-transport.ts";
import { streamedOverHttp } from "./http-streams.ts";

export interface HttpServices extends Services {
  /** Closes the shared WebSocket when what is under way has ended. */
  close(): void;
}

export function httpServices(options: HttpServicesOptions): HttpServices {
  const transport = transportOf(options);
  return { ...allServices(transport), close: () => transport.socket?.close() };
}

export function allServices(transport: Transport): Services {
  const { caller } = transport;
  return {
    ...commonServices(transport),
    kv: served(transport, "kv", KV_RPCS, streamedOverHttp),
    auth: served(transport, "auth", AUTH_RPCS),
    cluster: served(transport, "cluster", CLUSTER_RPCS),
    maintenance: served(transport, "maintenance", MAINTENANCE_RPCS, streamedOverHttp),
    health: httpHealth(caller),
    inspect: { view: () => viewOf(caller) },
  };
}

async function viewOf(caller: HttpCaller): Promise<MemberView> {
  const text = await caller.call({ method: "GET", path: "/quorate/status", context: NO_CONTEXT, isRead: true });
  const view = parseJson(text) as Partial<MemberView> | undefined;
  if (typeof view?.id !== "string" || !Array.isArray(view.members))
    throw unexpectedResponseError(caller.endpoint, text);
  return view as MemberView;
}
