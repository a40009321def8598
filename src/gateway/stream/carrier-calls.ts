/** The methods that a carrier carries, each as a stream of requests and answers. */
import { unreachable } from "../../base/assert.ts";
import type { Pulled } from "../../member/api/pulled.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import { servedRpcs } from "../../member/api/table-services.ts";
import type { AnyRpc, ServedRpc } from "../../member/api/table-services.ts";
import { rpcPath } from "../../protocol/api/rpc.ts";
import { RPCS } from "../../protocol/api/rpc-table.ts";
import { Beats } from "./lease-stream.ts";
import { OneRequest } from "./server-stream.ts";
import type { DuplexStream } from "./websocket.ts";

export interface CarriedMethod {
  readonly rpc: AnyRpc;
  open(context: CallContext): DuplexStream<unknown, unknown>;
}

/** By their path. */
export function carriedMethods(services: Services): ReadonlyMap<string, CarriedMethod> {
  const methods = new Map<string, CarriedMethod>();
  for (const served of servedRpcs(services)) {
    methods.set(rpcPath(served.rpc), { rpc: served.rpc, open: (context) => opened(services, served, context) });
  }
  return methods;
}

function opened(services: Services, { rpc, method }: ServedRpc, context: CallContext): DuplexStream<unknown, unknown> {
  switch (rpc.kind) {
    case "unary":
      return new OneRequest(async function* (message: unknown, named: CallContext) {
        yield await method(message, named);
      }, context);
    case "serverStream":
      return new OneRequest(
        method as (message: unknown, named: CallContext) => AsyncIterable<unknown> | Pulled<unknown>,
        context,
      );
    case "duplex":
      return rpc === (RPCS.lease.keepAlive as AnyRpc)
        ? new Beats(services.lease, context)
        : services.watch.watch(context);
    default:
      return unreachable(rpc.kind);
  }
}
