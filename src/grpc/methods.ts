/** Binds the method table to a member's services. */
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
} from "@grpc/grpc-js";
import { unreachable } from "../base/assert.ts";
import { toSource } from "../member/api/source.ts";
import type { Source } from "../member/api/source.ts";
import type { CallContext } from "../member/api/services.ts";
import { servedRpcs } from "../member/api/table-services.ts";
import type { ServedRpc } from "../member/api/table-services.ts";
import { HEALTH_RPCS } from "../protocol/api/rpc/health-rpcs.ts";
import { rpcPath } from "../protocol/api/rpc/rpc.ts";
import type { Rpc, RpcKind } from "../protocol/api/rpc/rpc.ts";
import { RPCS } from "../protocol/api/rpc/rpc-table.ts";
import { callContext } from "./call-context.ts";
import { readable, requestDeserializer, serializer } from "./codec.ts";
import type { Encoded, Unreadable } from "./codec.ts";
import { checkHealth, healthSource } from "./health.ts";
import { serviceError } from "./status.ts";
import type { OpenStreams } from "./streams.ts";
import { keepAliveSource, watchSource } from "./bidi-streams.ts";
import type { ProxiedServices } from "./proxied-services.ts";

type Described<Request, Response> = Rpc<Request, Response, RpcKind>;

export function bindMethods(server: Server, services: ProxiedServices, streams: OpenStreams): void {
  for (const served of servedRpcs(services)) bind(server, served, streams);
  serveBidi(server, RPCS.watch.watch, streams, (call) => watchSource(services, call));
  serveBidi(server, RPCS.lease.keepAlive, streams, (call) => keepAliveSource(services, call));
  serveUnary(server, HEALTH_RPCS.check, checkHealth);
  serveServerStream(server, HEALTH_RPCS.watch, streams, healthSource);
}

function bind(server: Server, { rpc, method }: ServedRpc, streams: OpenStreams): void {
  switch (rpc.kind) {
    case "unary":
      return serveUnary(server, rpc, method as Unary<unknown, unknown>);
    case "serverStream":
      return serveServerStream(server, rpc, streams, method as ServerStreaming<unknown, unknown>);
    case "bidi":
      // Each bidirectional stream is bound separately.
      return;
    default:
      return unreachable(rpc.kind);
  }
}

type Unary<Request, Response> = (request: Request, context: CallContext) => Promise<Response>;
type ServerStreaming<Request, Response> = (
  request: Request,
  context: CallContext,
) => AsyncIterable<Response> | Source<Response>;

function serveUnary<Request, Response>(
  server: Server,
  rpc: Described<Request, Response>,
  method: Unary<Request, Response>,
): void {
  const handle: handleUnaryCall<Request | Unreadable, Response> = (call, callback) => {
    called(call, method).then(
      (response) => callback(null, response),
      (error: unknown) => callback(serviceError(error)),
    );
  };
  server.register(rpcPath(rpc), handle, serializer(rpc.response), requestDeserializer(rpc.request), "unary");
}

/** Like a cancelled call, a passed deadline means that the caller does not wait any more. */
async function called<Request, Response>(
  call: ServerUnaryCall<Request | Unreadable, Response>,
  method: Unary<Request, Response>,
): Promise<Response> {
  const abort = new AbortController();
  const cancel = (): void => abort.abort();
  call.on("cancelled", cancel);
  try {
    return await method(readable(call.request), callContext(call.metadata, abort.signal));
  } finally {
    // grpc-js reports each call as cancelled when its stream closes, and an abort costs an exception with its stack.
    call.off("cancelled", cancel);
  }
}

function serveServerStream<Request, Response>(
  server: Server,
  rpc: Described<Request, Response>,
  streams: OpenStreams,
  open: ServerStreaming<Request, Response>,
): void {
  const handle: handleServerStreamingCall<Request | Unreadable, Response> = (call) => {
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort());
    streams.serve(call, () => toSource(open(readable(call.request), callContext(call.metadata, abort.signal))));
  };
  server.register(rpcPath(rpc), handle, serializer(rpc.response), requestDeserializer(rpc.request), "serverStream");
}

function serveBidi<Request, Response>(
  server: Server,
  rpc: Described<Request, Response>,
  streams: OpenStreams,
  open: (call: ServerDuplexStream<Request | Unreadable, Response | Encoded>) => Source<Response | Encoded>,
): void {
  const handle: handleBidiStreamingCall<Request | Unreadable, Response | Encoded> = (call) =>
    streams.serve(call, () => open(call));
  server.register(rpcPath(rpc), handle, serializer(rpc.response), requestDeserializer(rpc.request), "bidi");
}
