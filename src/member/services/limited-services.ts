/**
 * Limits the requests and streams that each caller has in flight, on every API layer, before a request is read. Admits
 * short calls in fair turns: a caller that floods the member waits, and others hardly do. Watch streams count
 * themselves when they are opened (watch-streams.ts).
 */
import { errRequestTooManyRequests, errTimeout } from "../../protocol/errors.ts";
import { RPC_KINDS } from "../../protocol/api/rpc/rpc-kinds.ts";
import type { AnyRpcKinds } from "../../protocol/api/rpc/rpc-kinds.ts";
import type { RpcKind } from "../../protocol/api/rpc/rpc.ts";
import type { Callers } from "../limits/callers.ts";
import { FairGate } from "../limits/fair-gate.ts";
import type { Member } from "../node/member.ts";
import { RecentCallers } from "../limits/recent-callers.ts";
import type { CallContext, Services } from "../api/services.ts";

type Method = (this: void, message: unknown, context: CallContext) => unknown;

/** Services with short calls, which take fair turns. A lock or a snapshot may take any time. */
const SHORT: ReadonlySet<string> = new Set(["kv", "lease"]);

export function limitedServices(services: Services, member: Member): Services {
  const { callers, clock, settings } = member;
  const nowMs = (): number => clock.nowMs();
  const gate = new FairGate({
    recent: new RecentCallers(Infinity, nowMs),
    nowMs,
    timeoutMs: settings.requestTimeoutMs,
    late: errTimeout,
  });
  const all = Object.entries(services).map(([name, service]) => {
    const kinds = (RPC_KINDS as AnyRpcKinds)[name];
    if (kinds === undefined) return [name, service];
    const methods = Object.entries(service as Readonly<Record<string, Method>>);
    const gated = SHORT.has(name) ? gate : undefined;
    const entries = methods.map(([key, method]) => [key, limited(key, kinds[key], method, callers, gated)]);
    return [name, Object.fromEntries(entries)];
  });
  return Object.fromEntries(all) as Services;
}

function limited(
  name: string,
  kind: RpcKind | undefined,
  method: Method,
  callers: Callers,
  gate: FairGate | undefined,
): Method {
  // It uses a watch stream, which counts.
  if (name === "observe") return method;
  if (kind === "serverStream") return (message, context) => iterated(message, context, method, callers);
  return (message, context) => {
    // A watch is opened without a message.
    if (context === undefined) return method(message, context);
    const caller = callers.keyOf(context);
    const share = callers.budgets.requests.take(caller);
    if (share === undefined) return Promise.reject(errRequestTooManyRequests);
    const call = (): Promise<unknown> => method(message, context) as Promise<unknown>;
    const response = gate === undefined || caller === undefined ? call() : inTurn(gate, caller, call);
    // The caller gets the very promise that the service returned.
    response.then(share.release, share.release);
    return response;
  };
}

function inTurn(gate: FairGate, caller: string, call: () => Promise<unknown>): Promise<unknown> {
  const turn = gate.enter(caller);
  const work = (): Promise<unknown> => {
    const response = call();
    const leave = (): void => gate.leave(caller);
    response.then(leave, leave);
    return response;
  };
  return turn === undefined ? work() : turn.then(work);
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
