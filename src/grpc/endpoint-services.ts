/**
 * The services of a member behind HTTP, for the front: short calls share some kept-alive connections, and whatever waits
 * or goes on (watches, observations, snapshots, streamed ranges, locks and campaigns, beats
 * of leases that come quickly) shares a few carriers.
 */
import { httpServices } from "../client/http/http-services.ts";
import type { CallContext } from "../member/api/services.ts";
import { errStopped } from "../protocol/errors.ts";
import { RPCS } from "../protocol/api/rpc-table.ts";
import type { Rpc } from "../protocol/api/rpc.ts";
import { agentFetch } from "./agent-fetch.ts";
import { KeepAliveConnection } from "./keep-alive-stream.ts";
import { MuxPool } from "./mux-client.ts";
import type { MuxCall, MuxSocketConstructor } from "./mux-client.ts";
import type { ProxiedServices } from "./proxied-services.ts";
import { platformWebSocket } from "./web-socket.ts";

export interface EndpointOptions {
  readonly endpoint: string;
  /** For a call with all its attempts. */
  readonly timeoutMs: number;
  /** Default: Node's own, or that of the package ws. */
  readonly WebSocket?: MuxSocketConstructor;
}

export interface EndpointServices extends ProxiedServices {
  /** Lets go of the connections on which streams were. */
  close(): void;
}

/** More calls than that at once wait for each other. */
const MAX_CONNECTIONS = 64;

export function endpointServices(options: EndpointOptions): EndpointServices {
  const { endpoint, timeoutMs } = options;
  const carriers = new MuxPool({ WebSocket: options.WebSocket ?? platformWebSocket(), endpoint, timeoutMs });
  const services = httpServices({ endpoint, timeoutMs, fetch: agentFetch(MAX_CONNECTIONS) });

  function asked<Request, Response, Kind extends "unary" | "serverStream">(
    rpc: Rpc<Request, Response, Kind>,
    request: Request,
    context: CallContext,
  ): MuxCall<Request, Response> {
    const stream = carriers.open(rpc, context);
    stream.request(request);
    return stream;
  }

  async function waited<Request, Response>(
    rpc: Rpc<Request, Response>,
    request: Request,
    context: CallContext,
  ): Promise<Response> {
    const stream = asked(rpc, request, context);
    try {
      const response = await stream.next();
      if (response === undefined) throw errStopped;
      return response;
    } finally {
      stream.close();
    }
  }

  async function* answers<Request, Response>(
    rpc: Rpc<Request, Response, "serverStream">,
    request: Request,
    context: CallContext,
  ): AsyncGenerator<Response> {
    const stream = asked(rpc, request, context);
    try {
      for (let part = await stream.next(); part !== undefined; part = await stream.next()) yield part;
    } finally {
      stream.close();
    }
  }

  const { kv, lock, election, maintenance } = services;
  return {
    ...services,
    close: () => carriers.close(),
    keepAlives: new KeepAliveConnection((context) => carriers.open(RPCS.lease.keepAlive, context)),
    kv: { ...kv, rangeStream: (request, context) => answers(RPCS.kv.rangeStream, request, context) },
    watch: { watch: (context) => carriers.open(RPCS.watch.watch, context) },
    lock: { ...lock, lock: (request, context) => waited(RPCS.lock.lock, request, context) },
    election: {
      ...election,
      campaign: (request, context) => waited(RPCS.election.campaign, request, context),
      observe: (request, context) => asked(RPCS.election.observe, request, context),
    },
    maintenance: {
      ...maintenance,
      snapshot: (request, context) => answers(RPCS.maintenance.snapshot, request, context),
    },
  };
}
