/**
 * The services of a member behind HTTP, for the front: calls share some kept-alive connections, each stream of watches
 * has a WebSocket of its own.
 */
import { httpServices } from "../client/http-services.ts";
import type { Services } from "../member/services.ts";
import { agentFetch } from "./agent-fetch.ts";

export interface EndpointOptions {
  readonly endpoint: string;
  /** For a call with all its attempts. */
  readonly timeoutMs: number;
}

/** More calls than that at once wait for each other. */
const MAX_CONNECTIONS = 64;

/** Unlike a browser's, Node's WebSocket sends headers. */
type NodeWebSocket = new (
  url: string,
  options: { readonly protocols: string[]; readonly headers: Readonly<Record<string, string>> },
) => WebSocket;

export function endpointServices(options: EndpointOptions): Services {
  const shared = { ...options, fetch: agentFetch(MAX_CONNECTIONS) };
  const services = httpServices({ ...shared, WebSocket });
  const withLeader = httpServices({ ...shared, WebSocket: LeaderWebSocket });
  return {
    ...services,
    watch: { watch: (context) => (context.requireLeader ? withLeader : services).watch.watch(context) },
  };
}

/** Carries `hasleader`, for which the gateway has a header only. */
class LeaderWebSocket extends (WebSocket as unknown as NodeWebSocket) {
  constructor(url: string, protocols: string[] = []) {
    super(url, { protocols, headers: { "grpc-metadata-hasleader": "true" } });
  }
}
