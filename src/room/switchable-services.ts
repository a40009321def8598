/**
 * The tab's services before there is a member, and after: the page and the console have one client from the first
 * moment on, which answers with the reason as long as nobody is there to ask.
 *
 * Every method of every service is handed on as it is called, so nothing here has to change with them. Only those that
 * do not answer with a promise have an answer of their own.
 */
import type { MemberView, Services } from "../member/api/services.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";

export interface SwitchableServices {
  readonly services: Services;
  /** From now on that member answers. */
  attach(services: Services): void;
  /** Nobody answers for now; `text` says why. */
  detach(text: string): void;
  /** Nobody will answer any more. */
  end(text: string): void;
  /** Resolves when no call about keys or leases is under way, or after so long. */
  settled(withinMs: number): Promise<void>;
}

type Method = (...parameters: readonly unknown[]) => unknown;
type AnyServices = Readonly<Record<string, Readonly<Record<string, Method>>>>;

/** `view` tells of the tab what its member alone does not know. */
export function switchableServices(view: (ofMember: MemberView | undefined) => MemberView): SwitchableServices {
  let target: Services | undefined;
  let reason = new EtcdError(GrpcCode.Unavailable, "this tab's member has not started yet");
  const underWay = new Set<Promise<unknown>>();
  const call = (service: string, method: string, parameters: readonly unknown[]): unknown => {
    if (target === undefined) return withoutMember(service, method, reason);
    const answer = (target as unknown as AnyServices)[service]?.[method]?.(...parameters);
    if ((service === "kv" || service === "lease") && answer instanceof Promise) track(underWay, answer);
    return answer;
  };
  const inspect = { view: async () => view(await target?.inspect.view()) };
  const services = everyName((service) =>
    service === "inspect"
      ? inspect
      : everyName(
          (method): Method =>
            (...parameters) =>
              call(service, method, parameters),
        ),
  );
  return {
    services: services as unknown as Services,
    attach: (next) => {
      target = next;
    },
    detach: (text) => {
      target = undefined;
      reason = new EtcdError(GrpcCode.Unavailable, text);
    },
    end: (text) => {
      target = undefined;
      reason = new EtcdError(GrpcCode.FailedPrecondition, text);
    },
    async settled(withinMs) {
      const limit = new Promise<void>((resolve) => setTimeout(resolve, withinMs));
      await Promise.race([limit, Promise.allSettled(underWay)]);
    },
  };
}

function track(underWay: Set<Promise<unknown>>, call: Promise<unknown>): void {
  const forget = (): void => void underWay.delete(call);
  underWay.add(call);
  call.then(forget, forget);
}

function withoutMember(service: string, method: string, reason: EtcdError): unknown {
  switch (`${service}.${method}`) {
    case "watch.watch":
    case "election.observe":
      // The client opens another where the reason is one that passes.
      return { request: () => {}, next: () => Promise.reject(reason), close: () => {} };
    case "kv.rangeStream":
    case "maintenance.snapshot":
      return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(reason) }) };
    case "health.metrics":
      return [];
    case "health.check":
      return Promise.resolve(reason.message);
    default:
      return Promise.reject(reason);
  }
}

/** An object that has a property of every name. */
function everyName<Value>(valueOf: (name: string) => Value): Readonly<Record<string, Value>> {
  return new Proxy({}, { get: (_, name) => (typeof name === "string" ? valueOf(name) : undefined) });
}
