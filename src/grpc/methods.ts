/**
 * The table of RPCs bound to a member's services. A method that the services do not have answers as a gRPC server
 * answers for a method that it does not know.
 */
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
} from "@grpc/grpc-js";
import type { CallContext, Services } from "../member/services.ts";
import { unserved } from "../member/unserved.ts";
import { RPCS, rpcPath } from "../protocol/rpc-table.ts";
import type { Rpc, RpcTable } from "../protocol/rpc-table.ts";
import { callContext } from "./call-context.ts";
import { deserializer, serializer } from "./codec.ts";
import { checkHealth, healthSource } from "./health.ts";
import { rangeSource } from "./range-stream.ts";
import { serviceError } from "./status.ts";
import { iterated } from "./streams.ts";
import type { OpenStreams, Source } from "./streams.ts";
import { beatSource, watchSource } from "./two-way.ts";

/** What a service may have of the methods in its part of the table. */
type UnaryService<Table> = {
  readonly [Name in keyof Table]?: Table[Name] extends Rpc<infer Request, infer Response>
    ? (request: Request, context: CallContext) => Promise<Response>
    : never;
};
type AnyUnary = (request: unknown, context: CallContext) => Promise<unknown>;

export function bindMethods(server: Server, services: Services, streams: OpenStreams): void {
  const { kv, lease, lock, election, auth, cluster, maintenance } = services;
  serveUnary<Omit<RpcTable["kv"], "rangeStream">>(server, RPCS.kv, kv);
  serveUnary<RpcTable["lease"]>(server, RPCS.lease, lease);
  serveUnary<RpcTable["auth"]>(server, RPCS.auth, auth);
  serveUnary<RpcTable["cluster"]>(server, RPCS.cluster, cluster);
  serveUnary<RpcTable["lock"]>(server, RPCS.lock, lock);
  serveUnary<Omit<RpcTable["election"], "observe">>(server, RPCS.election, election);
  serveUnary<Omit<RpcTable["maintenance"], "snapshot">>(server, RPCS.maintenance, maintenance);
  serveUnary<RpcTable["health"]>(server, RPCS.health, { check: checkHealth });

  serveDuplex(server, RPCS.watch.watch, streams, (call) => watchSource(services, call));
  serveDuplex(server, RPCS.lease.keepAlive, streams, (call) => beatSource(services, call));
  serveAnswers(server, RPCS.kv.rangeStream, streams, (request, context) => rangeSource(kv, request, context));
  serveAnswers(server, RPCS.election.observe, streams, (request, context) => election.observe(request, context));
  serveAnswers(server, RPCS.health.watch, streams, healthSource);
  serveAnswers(server, RPCS.maintenance.snapshot, streams, (request, context) =>
    iterated(maintenance.snapshot(request, context)),
  );
}

function serveUnary<Table extends object>(
  server: Server,
  table: { readonly [Name in keyof Table]: Table[Name] },
  service: UnaryService<Table>,
): void {
  const methods = service as Readonly<Record<string, AnyUnary | undefined>>;
  for (const [name, rpc] of Object.entries<Rpc<unknown, unknown>>(table as never)) {
    if (rpc.kind !== "unary") continue;
    const method = methods[name]?.bind(service);
    const handle: handleUnaryCall<unknown, unknown> = (call, answer) => {
      if (method === undefined) return answer(serviceError(unserved(rpc.service, rpc.method)));
      answered(call, method).then(
        (response) => answer(null, response),
        (error: unknown) => answer(serviceError(error)),
      );
    };
    server.register(rpcPath(rpc), handle, serializer(rpc.response), deserializer(rpc.request), "unary");
  }
}

/** A deadline that has passed is a caller who does not wait any more. */
async function answered(call: ServerUnaryCall<unknown, unknown>, method: AnyUnary): Promise<unknown> {
  const abort = new AbortController();
  call.on("cancelled", () => abort.abort());
  return method(call.request, callContext(call.metadata, abort.signal));
}

function serveAnswers<Request, Response>(
  server: Server,
  rpc: Rpc<Request, Response>,
  streams: OpenStreams,
  open: (request: Request, context: CallContext) => Source<Response>,
): void {
  const handle: handleServerStreamingCall<Request, Response> = (call: ServerWritableStream<Request, Response>) => {
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort());
    streams.serve(call, () => open(call.request, callContext(call.metadata, abort.signal)));
  };
  server.register(rpcPath(rpc), handle, serializer(rpc.response), deserializer(rpc.request), "serverStream");
}

function serveDuplex<Request, Response>(
  server: Server,
  rpc: Rpc<Request, Response>,
  streams: OpenStreams,
  open: (call: ServerDuplexStream<Request, Response>) => Source<Response>,
): void {
  const handle: handleBidiStreamingCall<Request, Response> = (call) => streams.serve(call, () => open(call));
  server.register(rpcPath(rpc), handle, serializer(rpc.response), deserializer(rpc.request), "bidi");
}
