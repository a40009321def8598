/**
 * The tab's services before there is a member, and after: the page and the console have one client from the first
 * moment on, which answers with the reason as long as nobody is there to ask.
 *
 * Every method of every service is handed on as it is called, so nothing here has to change with them. Only those that
 * do not answer with a promise have an answer of their own.
 */
import type { CallContext, MemberView, Services } from "../../member/api/services.ts";
import { SYSTEM_BACKOFF } from "../../client/common/backoff.ts";
import { NotSentError } from "../../client/common/transport-errors.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

export interface SwitchableServices {
  readonly services: Services;
  /** From now on that member answers, or another tab (tabs/served-tab.ts). Calls that were not sent are repeated. */
  attach(services: Services): void;
  /** Nobody answers for now; `text` says why. */
  detach(text: string): void;
  /** Nobody answers for a moment, and calls wait for it to pass, up to a limit. */
  hold(text: string): void;
  /** Nobody will answer any more. */
  end(text: string): void;
  /** Resolves when no call about keys or leases is under way, or after so long. */
  settled(withinMs: number): Promise<void>;
}

/** As long as a member lets a call wait. */
const HOLD_MS = 7_000;
/** A tab that is served may lose several others while one call is under way. */
const REPEATS_MAX = 8;

type Method = (...parameters: readonly unknown[]) => unknown;
type AnyServices = Readonly<Record<string, Readonly<Record<string, Method>>>>;

/** `view` tells of the tab what its member alone does not know. */
export function switchableServices(view: (ofMember: MemberView | undefined) => MemberView): SwitchableServices {
  let target: Services | undefined;
  let reason = new EtcdError(GrpcCode.Unavailable, "this tab's member has not started yet");
  const underWay = new Set<Promise<unknown>>();
  /** Aborted when calls wait no longer. */
  let held: AbortController | undefined;
  const change = (next: Services | undefined, error: EtcdError | undefined): void => {
    target = next;
    reason = error ?? reason;
    held?.abort();
    held = undefined;
  };
  const call = (service: string, method: string, parameters: readonly unknown[], repeats = 0): unknown => {
    if (target === undefined) {
      if (held === undefined) return withoutMember(service, method, reason);
      const again = (): unknown => {
        if (target !== undefined) return call(service, method, parameters, repeats);
        return withoutMember(service, method, reason);
      };
      return heldCall(service, method, waited(held.signal, parameters[1]), again, () => reason);
    }
    const called = (target as unknown as AnyServices)[service]?.[method]?.(...parameters);
    if (!(called instanceof Promise)) return called;
    const answer = called.catch(repeat);
    if (service === "kv" || service === "lease") track(underWay, answer);
    return answer;

    function repeat(error: unknown): unknown {
      if (!(error instanceof NotSentError) || repeats === REPEATS_MAX) throw error;
      return call(service, method, parameters, repeats + 1);
    }
  };
  const inspect = { view: async () => view(await target?.inspect.view().catch(() => undefined)) };
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
    attach: (next) => change(next, undefined),
    detach: (text) => change(undefined, new EtcdError(GrpcCode.Unavailable, text)),
    hold: (text) => {
      const waiting = held ?? new AbortController();
      held = undefined;
      change(undefined, new EtcdError(GrpcCode.Unavailable, text));
      held = waiting;
    },
    end: (text) => change(undefined, new EtcdError(GrpcCode.FailedPrecondition, text)),
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

/** Until somebody answers, the caller gives up, or it has lasted too long. */
function waited(held: AbortSignal, context: unknown): Promise<void> {
  const { signal } = (context ?? {}) as Partial<CallContext>;
  return SYSTEM_BACKOFF.sleep(HOLD_MS, signal === undefined ? held : AbortSignal.any([held, signal]));
}

function heldCall(
  service: string,
  method: string,
  passed: Promise<void>,
  again: () => unknown,
  reason: () => EtcdError,
): unknown {
  switch (`${service}.${method}`) {
    case "watch.watch":
    case "election.observe": {
      const next = async (): Promise<never> => {
        await passed;
        throw reason();
      };
      return { request: () => {}, next, close: () => {} };
    }
    case "kv.rangeStream":
    case "maintenance.snapshot":
      return streamedLater(passed, again);
    case "health.metrics":
      return [];
    default:
      return passed.then(again);
  }
}

async function* streamedLater(passed: Promise<void>, again: () => unknown): AsyncGenerator {
  await passed;
  yield* again() as AsyncIterable<unknown>;
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

/** An object that has a property of every name but `then`: an object with that would be a promise to whoever awaits it. */
function everyName<Value>(valueOf: (name: string) => Value): Readonly<Record<string, Value>> {
  return new Proxy({}, { get: (_, name) => (typeof name === "string" && name !== "then" ? valueOf(name) : undefined) });
}
