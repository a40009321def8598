/**
 * Counts the requests and streams that each caller has under way, on every front, before anything of them is looked at.
 * Watch streams count themselves, when they are opened (watch-streams.ts).
 */
import { errRequestTooManyRequests } from "../protocol/errors.ts";
import { RPC_KINDS } from "../protocol/rpc-kinds.ts";
import type { AnyRpcKinds } from "../protocol/rpc-kinds.ts";
import type { RpcKind } from "../protocol/rpc.ts";
import type { Callers } from "./callers.ts";
import type { CallContext, Services } from "./services.ts";

type Method = (this: void, message: unknown, context: CallContext) => unknown;

export function limitedServices(services: Services, callers: Callers): Services {
  const all = Object.entries(services).map(([name, service]) => {
    const kinds = (RPC_KINDS as AnyRpcKinds)[name];
    if (kinds === undefined) return [name, service];
    const methods = Object.entries(service as Readonly<Record<string, Method>>);
    return [name, Object.fromEntries(methods.map(([key, method]) => [key, limited(key, kinds[key], method, callers)]))];
  });
  return Object.fromEntries(all) as Services;
}

function limited(name: string, kind: RpcKind | undefined, method: Method, callers: Callers): Method {
  // It stands on a watch stream, which counts.
  if (name === "observe") return method;
  if (kind === "serverStream") return (message, context) => iterated(message, context, method, callers);
  return (message, context) => {
    // A watch is opened without a message.
    if (context === undefined) return method(message, context);
    const share = callers.budgets.requests.take(callers.keyOf(context));
    if (share === undefined) return Promise.reject(errRequestTooManyRequests);
    const answer = method(message, context) as Promise<unknown>;
    // The caller gets the very promise that the service gave.
    answer.then(share.release, share.release);
    return answer;
  };
}

async function* iterated(
  message: unknown,
  context: CallContext,
  method: Method,
  callers: Callers,
): AsyncGenerator<unknown, void, undefined> {
  const share = callers.take("streams", context);
  try {
    yield* method(message, context) as AsyncIterable<unknown>;
  } finally {
    share.release();
  }
}
