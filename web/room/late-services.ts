/**
 * The tab's services before there is a member, and after: the page and the console have one client from the first
 * moment on, which answers with the reason as long as nobody is there to ask.
 */
import type { MemberView, Services, WatchStream } from "../../src/member/services.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";

export interface LateServices {
  readonly services: Services;
  /** From now on that member answers. */
  attach(services: Services): void;
  /** Nobody answers for now; `text` says why. */
  detach(text: string): void;
  /** Nobody will answer any more. */
  end(text: string): void;
}

/** `view` tells of the tab what its member alone does not know. */
export function lateServices(view: (ofMember: MemberView | undefined) => MemberView): LateServices {
  let target: Services | undefined;
  let reason = new EtcdError(GrpcCode.Unavailable, "this tab's member has not started yet");
  const now = (): Services => {
    if (target === undefined) throw reason;
    return target;
  };
  return {
    services: {
      kv: {
        range: async (request, context) => now().kv.range(request, context),
        put: async (request, context) => now().kv.put(request, context),
        deleteRange: async (request, context) => now().kv.deleteRange(request, context),
        txn: async (request, context) => now().kv.txn(request, context),
        compact: async (request, context) => now().kv.compact(request, context),
      },
      watch: { watch: (context) => target?.watch.watch(context) ?? brokenStream(reason) },
      cluster: { memberList: async (request, context) => now().cluster.memberList(request, context) },
      maintenance: { status: async (context) => now().maintenance.status(context) },
      health: {
        check: async (what) => (target === undefined ? reason.message : target.health.check(what)),
        metrics: () => target?.health.metrics() ?? [],
      },
      inspect: { view: async () => view(await target?.inspect.view()) },
    },
    attach: (services) => {
      target = services;
    },
    detach: (text) => {
      target = undefined;
      reason = new EtcdError(GrpcCode.Unavailable, text);
    },
    end: (text) => {
      target = undefined;
      reason = new EtcdError(GrpcCode.FailedPrecondition, text);
    },
  };
}

/** The client tries again where the reason is one that passes. */
function brokenStream(reason: EtcdError): WatchStream {
  return { request: () => {}, next: () => Promise.reject(reason), close: () => {} };
}
