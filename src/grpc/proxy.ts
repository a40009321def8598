/**
 * etcd's gRPC, for clients that speak nothing else: `Services` behind a grpc-js server.
 *
 * Limits and keep-alive are those of etcd's server, but for one: grpc-js cannot punish clients that ping too often.
 */
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import { bindMethods } from "./methods.ts";
import { OpenStreams } from "./streams.ts";
import type { ProxiedServices } from "./proxied-services.ts";

export interface GrpcProxyOptions {
  readonly services: ProxiedServices;
  /** `host:port`; port 0 takes a free one. */
  readonly listen: string;
  /** Without it everything goes in the clear. */
  readonly tls?: TlsFiles;
  /** etcd's --max-request-bytes; default 1.5 MiB. The endpoint has a limit of its own. */
  readonly maxRequestBytes?: number;
}

/** In PEM. */
export interface TlsFiles {
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  /** With it, only clients that it vouches for are served. */
  readonly clientCa?: Uint8Array;
}

export interface GrpcProxy {
  readonly port: number;
  /** Ends streams, lets calls finish that are under way, and cuts those off that do not. */
  close(): Promise<void>;
}

/**
 * A client whose machine or network is gone answers no ping; its watches, its waiting locks and campaigns end within
 * the sum of both. etcd asks after two hours only.
 */
export const KEEPALIVE_TIME_MS = 3_000;
export const KEEPALIVE_TIMEOUT_MS = 6_000;
const REQUEST_BYTES = 1.5 * 1024 * 1024;
/** What etcd leaves around a request for the rest of its message. */
const AROUND_REQUEST_BYTES = 512 * 1024;
const CLOSE_AFTER_MS = 2000;

export async function startGrpcProxy(options: GrpcProxyOptions): Promise<GrpcProxy> {
  const { services, listen, tls, maxRequestBytes = REQUEST_BYTES } = options;
  // What goes wrong is told by errors; grpc-js would also write it to stderr.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    "grpc.max_receive_message_length": maxRequestBytes + AROUND_REQUEST_BYTES,
    "grpc.max_send_message_length": -1,
    "grpc.keepalive_time_ms": KEEPALIVE_TIME_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
  });
  const streams = new OpenStreams();
  bindMethods(server, services, streams);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(listen, credentialsOf(tls), (error, bound) =>
      error === null ? resolve(bound) : reject(bindError(error)),
    );
  });
  return { port, close: () => close(server, streams) };
}

/** grpc-js wraps the reasons of all addresses in a sentence that says less. */
function bindError(error: Error): Error {
  const [, reason] = /errors: \[(.*)\]$/.exec(error.message) ?? [];
  return reason === undefined ? error : new Error(reason);
}

function credentialsOf(tls: TlsFiles | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.cert) };
  const clientCa = tls.clientCa === undefined ? null : Buffer.from(tls.clientCa);
  return ServerCredentials.createSsl(clientCa, [pair], clientCa !== null);
}

async function close(server: Server, streams: OpenStreams): Promise<void> {
  streams.closeAll();
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => {
      server.forceShutdown();
      resolve();
    }, CLOSE_AFTER_MS);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
