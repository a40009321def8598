/**
 * The services of a member behind HTTP, for the proxy. Frequent short calls of all its clients share one WebSocket, many
 * to a message (client/http/shared-socket.ts); rare ones, and those that it does not take, share a few kept-alive
 * connections. Calls that wait and streams (watches, observations, snapshots, streamed ranges, locks, campaigns, frequent
 * keep-alives) share a few multiplexed connections of their own, so that no large event delays a put.
 */
import { httpServices } from "../client/http/http-services.ts";
import type { CallContext } from "../member/api/services.ts";
import { errStopped } from "../protocol/errors.ts";
import { RPCS } from "../protocol/api/rpc/rpc-table.ts";
import type { Rpc } from "../protocol/api/rpc/rpc.ts";
import { agentFetch } from "./agent-fetch.ts";
import { KeepAliveConnection } from "./keep-alive-stream.ts";
import { MuxPool } from "./mux-pool.ts";
import type { WebSocketConstructor } from "../client/common/web-socket-like.ts";
import type { MuxCall } from "../client/mux/mux-connection.ts";
import type { ProxiedServices } from "./proxied-services.ts";
import { platformWebSocket } from "./web-socket.ts";

export interface EndpointOptions {
  readonly endpoint: string;
  /** Limit for a call with all its attempts, in milliseconds. */
  readonly timeoutMs: number;
  /** Sent for clients that bring no token: the setup token of a closed endpoint. Default: none. */
  readonly token?: string;
  /** Default: Node's own, or that of the package ws. */
  readonly WebSocket?: WebSocketConstructor;
}

export interface EndpointServices extends ProxiedServices, AsyncDisposable {
  /** Closes the connections of the streams. */
  close(): void;
}

/** Further concurrent calls wait for a free connection. */
const MAX_CONNECTIONS = 64;

/** Returns an endpoint's services for `startGrpcProxy`. Sends nothing before the first call. The caller closes them. */
export function endpointServices(options: EndpointOptions): EndpointServices {
  const { endpoint, timeoutMs, token = "" } = options;
  const WebSocket = options.WebSocket ?? platformWebSocket();
  // Node reports each frame of HTTP/2 by itself: without it, each call would be a message of its own.
  const shared = { token, WebSocket, endpoint, timeoutMs, afterEvents: setImmediate };
  const pool = new MuxPool(shared);
  const services = httpServices({ ...shared, fetch: agentFetch(MAX_CONNECTIONS) });

  function opened<Request, Response, Kind extends "unary" | "serverStream">(
    rpc: Rpc<Request, Response, Kind>,
    request: Request,
    context: CallContext,
  ): MuxCall<Request, Response> {
    const stream = pool.open(rpc, context);
    stream.request(request);
    return stream;
  }

  async function firstResponse<Request, Response>(
    rpc: Rpc<Request, Response>,
    request: Request,
    context: CallContext,
  ): Promise<Response> {
    const stream = opened(rpc, request, context);
    try {
      const response = await stream.next();
      if (response === undefined) throw errStopped;
      return response;
    } finally {
      stream.close();
    }
  }

  async function* responses<Request, Response>(
    rpc: Rpc<Request, Response, "serverStream">,
    request: Request,
    context: CallContext,
  ): AsyncGenerator<Response> {
    const stream = opened(rpc, request, context);
    try {
      for (let part = await stream.next(); part !== undefined; part = await stream.next()) yield part;
    } finally {
      stream.close();
    }
  }

  const close = (): void => {
    pool.close();
    services.close();
  };
  const { kv, lock, election, maintenance } = services;
  return {
    ...services,
    close,
    [Symbol.asyncDispose]: async () => close(),
    keepAlives: new KeepAliveConnection((context) => pool.open(RPCS.lease.keepAlive, context)),
    kv: { ...kv, rangeStream: (request, context) => responses(RPCS.kv.rangeStream, request, context) },
    watch: { watch: (context) => pool.open(RPCS.watch.watch, context) },
    lock: { ...lock, lock: (request, context) => firstResponse(RPCS.lock.lock, request, context) },
    election: {
      ...election,
      campaign: (request, context) => firstResponse(RPCS.election.campaign, request, context),
      observe: (request, context) => opened(RPCS.election.observe, request, context),
    },
    maintenance: {
      ...maintenance,
      snapshot: (request, context) => responses(RPCS.maintenance.snapshot, request, context),
    },
  };
}
