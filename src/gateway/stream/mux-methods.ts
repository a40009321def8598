/** The methods of a multiplexed connection, each as a stream of requests and responses. */
import { unreachable } from "../../base/assert.ts";
import type { Source } from "../../member/api/source.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import { servedRpcs } from "../../member/api/table-services.ts";
import type { AnyRpc, ServedRpc } from "../../member/api/table-services.ts";
import { rpcPath } from "../../protocol/api/rpc/rpc.ts";
import { RPCS } from "../../protocol/api/rpc/rpc-table.ts";
import { KeepAliveRequests } from "./lease-stream.ts";
import { SingleRequest } from "./server-stream.ts";
import type { BidiStream } from "./websocket.ts";

export interface MuxMethod {
  readonly rpc: AnyRpc;
  /** One request and one response. Such methods are the most frequent, and a stream costs more than the call. */
  readonly call?: (message: unknown, context: CallContext) => Promise<unknown>;
  readonly open?: (context: CallContext) => BidiStream<unknown, unknown>;
}

/** Keyed by path. */
export function muxMethods(services: Services): ReadonlyMap<string, MuxMethod> {
  const methods = new Map<string, MuxMethod>();
  for (const served of servedRpcs(services)) {
    const { rpc, method } = served;
    methods.set(
      rpcPath(rpc),
      rpc.kind === "unary"
        ? { rpc, call: method as NonNullable<MuxMethod["call"]> }
        : { rpc, open: (context) => opened(services, served, context) },
    );
  }
  return methods;
}

function opened(services: Services, { rpc, method }: ServedRpc, context: CallContext): BidiStream<unknown, unknown> {
  switch (rpc.kind) {
    case "unary":
    case "serverStream":
      return new SingleRequest(
        method as (message: unknown, named: CallContext) => AsyncIterable<unknown> | Source<unknown>,
        context,
      );
    case "bidi":
      return rpc === (RPCS.lease.keepAlive as AnyRpc)
        ? new KeepAliveRequests(services.lease, context)
        : services.watch.watch(context);
    default:
      return unreachable(rpc.kind);
  }
}
