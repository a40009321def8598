/**
 * The services of a member behind HTTP, for the front: calls share kept-alive connections, each stream of watches has a
 * WebSocket of its own.
 */
import { httpServices } from "../client/http-services.ts";
import type { Services } from "../member/services.ts";

export interface EndpointOptions {
  readonly endpoint: string;
  /** For a call with all its attempts. */
  readonly timeoutMs: number;
}

/** Unlike a browser's, Node's WebSocket sends headers. */
type NodeWebSocket = new (
  url: string,
  options: { readonly protocols: string[]; readonly headers: Readonly<Record<string, string>> },
) => WebSocket;

export function endpointServices(options: EndpointOptions): Services {
  const services = httpServices({ ...options, WebSocket });
  const withLeader = httpServices({ ...options, WebSocket: LeaderWebSocket });
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
