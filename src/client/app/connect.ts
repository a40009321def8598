/** Connects an application to an endpoint: Quorate's, or etcd's JSON gateway. */
import type { User } from "../facade/authenticated.ts";
import { type ApplicationClient, applicationClient } from "./application-client.ts";
import { Connection } from "./connection.ts";
import { createClient } from "../client.ts";
import { clusterEndpoint, platformWebSocket } from "../http/endpoint.ts";
import { httpClientServices } from "../http/http-client-services.ts";
import { SYSTEM_BACKOFF } from "../common/backoff.ts";
import type { OutboxOptions } from "../outbox/outbox-types.ts";
import type { WebSocketConstructor } from "../common/web-socket-like.ts";

/** Options of `connect()`. Only `endpoint` is needed. */
export interface ConnectOptions {
  /** `https://host:port`, with a path (`/m/1`) to address one member of several. */
  readonly endpoint: string;
  /** Name of one of the endpoint's clusters, which lie under `/c/NAME/`. Default: the endpoint's own. */
  readonly cluster?: string | undefined;
  /**
   * The user in whose name calls are made. The client authenticates before its first call, and again when its token has
   * expired.
   */
  readonly user?: User | undefined;
  /** A token that was issued elsewhere. Ignored when `user` is given. */
  readonly token?: string | undefined;
  /** Makes a member without a leader reject calls and end watches at once. Default false. */
  readonly requireLeader?: boolean | undefined;
  /** Limit for a call with all its retries, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Closes the client when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Default: the platform's. */
  readonly fetch?: typeof fetch | undefined;
  /**
   * For the one WebSocket that calls and watches share. Default: the platform's. Without one, with `false`, and where
   * it is refused, calls are HTTP requests, and all watches share one HTTP response.
   */
  readonly WebSocket?: WebSocketConstructor | false | undefined;
  /** Settings of `client.outbox`. */
  readonly outbox?: OutboxOptions | undefined;
}

/**
 * Returns a client of the endpoint. Sends no request before the first call. The caller closes the client, with
 * `close()` or `await using`.
 *
 * Throws EtcdError (InvalidArgument) when `endpoint` is not an http or https URL.
 */
export function connect(options: ConnectOptions): ApplicationClient {
  const { user, token = "", requireLeader = false, timeoutMs, signal } = options;
  const endpoint = clusterEndpoint(options.endpoint, options.cluster);
  const WebSocket = options.WebSocket ?? platformWebSocket();
  const connection = new Connection();
  // Not a bare reference: browsers reject a fetch whose `this` is another object.
  const send = options.fetch ?? ((input, init) => fetch(input, init));
  const services = httpClientServices({
    endpoint,
    token: user === undefined ? token : "",
    fetch: connection.observeFetch(send),
    onOutcome: connection.observeOutcome,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(WebSocket === undefined || WebSocket === false ? {} : { WebSocket: connection.observeWebSocket(WebSocket) }),
  });
  const client = applicationClient(createClient(services, { user, requireLeader }), {
    backoff: SYSTEM_BACKOFF,
    connection,
    // Nobody's writes are sent in the name of somebody else.
    place: user === undefined ? endpoint : `${endpoint}@${user.name}`,
    outbox: options.outbox,
    onClose: () => services.close(),
  });
  if (signal?.aborted === true) void client.close();
  else signal?.addEventListener("abort", () => void client.close(), { once: true });
  return client;
}
