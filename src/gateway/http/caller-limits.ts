/** What fronts count for their callers before a service is asked: see member/limits/callers.ts. */
import type { Share } from "../../member/limits/caller-budget.ts";
import type { CallContext } from "../../member/api/services.ts";

export interface CallerLimits {
  /** Throws etcd's "too many requests" when the caller, or all together, hold too much. */
  take(kind: "sockets" | "unfinished_bytes", context: CallContext, amount?: number): Share;
}

/** Where the bytes of a request count until it is whole. */
export type OpenShare = () => Share;

/** Undefined where nobody counts. */
export function unfinishedBytes(callers: CallerLimits | undefined, context: CallContext): OpenShare | undefined {
  return callers === undefined ? undefined : () => callers.take("unfinished_bytes", context, 0);
}
