/**
 * Methods of services as calls to an endpoint, derived from the method table. Calls and watches share one WebSocket to a
 * Quorate (mux/); while that is not to be had, and with a real etcd, calls are etcd's JSON API over HTTP. Reads are
 * retried while the server is unavailable; writes only if they surely were not sent.
 */
import { iterableSource } from "../common/iterable-source.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import { EtcdError } from "../../protocol/etcd-error.ts";
import type { RpcTable } from "../../protocol/api/rpc/rpc-table.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import type { HttpCaller } from "./http-call.ts";
import type { streamedOverHttp } from "./http-streams.ts";
import { lineOf, requestText, responseOf } from "./json-messages.ts";
import type { Transport } from "./http-transport.ts";

type AnyRpc = Rpc<unknown, unknown, RpcKind>;
type AnyMethod = (message: unknown, context: CallContext) => unknown;
type StreamedOverHttp = typeof streamedOverHttp;

/** The compiler compares the table with the services in member/api/table-services.ts. */
export function served<Name extends keyof RpcTable>(
  transport: Transport,
  _name: Name,
  rpcs: RpcTable[Name],
  stream?: StreamedOverHttp,
): Services[Name] {
  const methods = Object.entries(rpcs as object as Readonly<Record<string, AnyRpc>>);
  return Object.fromEntries(
    methods.map(([name, rpc]) => [
      name,
      rpc.kind === "serverStream" ? streamed(transport, rpc, stream) : called(transport, rpc),
    ]),
  ) as object as Services[Name];
}

function streamed({ caller, socket }: Transport, rpc: AnyRpc, overHttp: StreamedOverHttp | undefined): AnyMethod {
  return (message, context) => {
    const stream = socket?.forCall(rpc.isPatient === true)?.open(rpc, named(caller, context));
    if (stream === undefined) return overHttp?.(caller, rpc, message, context);
    stream.request(message);
    return iterableSource(
      () => stream.next(),
      () => stream.close(),
    );
  };
}

function called({ caller, socket, onOutcome }: Transport, rpc: AnyRpc): AnyMethod {
  const { request, response, isRead = false, isPatient = false } = rpc;
  const [path = ""] = rpc.paths;
  // The bidirectional stream of keep-alives is used for single ones: the response is the first line of a stream.
  const read = rpc.kind === "bidi" ? lineOf : responseOf;
  return (message, context) =>
    caller.retried({ context, isRead, isPatient }, async (limit) => {
      const connection = socket?.forCall(isPatient);
      if (connection !== undefined) {
        return observed(connection.call(rpc, message, named(caller, context), limit), onOutcome);
      }
      const body = requestText(request, message);
      const call = { method: "POST", path, body, context, isRead, isPatient } as const;
      return read(response, caller.endpoint, await caller.attempt(call, limit));
    });
}

async function observed<Result>(call: Promise<Result>, onOutcome: Transport["onOutcome"]): Promise<Result> {
  try {
    const result = await call;
    onOutcome(undefined);
    return result;
  } catch (error) {
    if (error instanceof EtcdError) onOutcome(error);
    throw error;
  }
}

export function named(caller: HttpCaller, context: CallContext): CallContext {
  return { ...context, token: caller.tokenOf(context) };
}
