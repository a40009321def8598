/**
 * etcd's gRPC API, for clients that speak nothing else: `Services` behind a grpc-js server.
 *
 * Limits and keepalive are those of etcd's server, with one exception: grpc-js cannot disconnect clients that ping too
 * often.
 */
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from "@grpc/grpc-js";
import { bindMethods } from "./methods.ts";
import { OpenStreams } from "./streams.ts";
import type { ProxiedServices } from "./proxied-services.ts";

/** Options of `startGrpcProxy`. */
export interface GrpcProxyOptions {
  readonly services: ProxiedServices;
  /** `host:port`; port 0 selects a free port. */
  readonly listen: string;
  /** Without it connections are not encrypted. */
  readonly tls?: TlsFiles;
  /** Limit of a request in bytes, as etcd's --max-request-bytes. Default 1.5 MiB. The endpoint has its own limit. */
  readonly maxRequestBytes?: number;
}

/** All in PEM. */
export interface TlsFiles {
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  /** With it, only clients with a certificate of this authority are served. */
  readonly clientCa?: Uint8Array;
}

/** A gRPC front that is running. */
export interface GrpcProxy extends AsyncDisposable {
  readonly port: number;
  /** Ends streams, lets running calls finish, and cancels those that do not. */
  close(): Promise<void>;
}

/**
 * A client whose machine or network is gone does not reply to pings. Its watches, waiting locks and campaigns end
 * within the sum of both times. etcd only pings after two hours.
 */
export const KEEPALIVE_TIME_MS = 3_000;
export const KEEPALIVE_TIMEOUT_MS = 6_000;
const REQUEST_BYTES = 1.5 * 1024 * 1024;
/** Room that etcd adds to its request limit for the rest of the message. */
const AROUND_REQUEST_BYTES = 512 * 1024;
const CLOSE_AFTER_MS = 2000;

/** Starts the gRPC front. Resolves when it listens. Rejects if it cannot, or if the TLS files cannot be read. */
export async function startGrpcProxy(options: GrpcProxyOptions): Promise<GrpcProxy> {
  const { services, listen, tls, maxRequestBytes = REQUEST_BYTES } = options;
  // Errors report all failures; grpc-js would also write them to stderr.
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
  let closed: Promise<void> | undefined;
  const closeOnce = (): Promise<void> => (closed ??= close(server, streams));
  return { port, close: closeOnce, [Symbol.asyncDispose]: closeOnce };
}

/** grpc-js wraps the reasons of all addresses in a less specific sentence. */
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
