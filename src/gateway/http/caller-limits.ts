/** What the API layers count per caller before they call a service: see member/limits/callers.ts. */
import type { Share } from "../../member/limits/caller-budget.ts";
import type { CallContext } from "../../member/api/services.ts";

export interface CallerLimits {
  /** Throws etcd's "too many requests" if the caller, or all callers in total, hold too much. */
  take(kind: "sockets" | "unfinished_bytes" | "unread_bytes", context: CallContext, amount?: number): Share;
}

/** Opens the share against which the bytes of a request count until it is complete. */
export type OpenShare = () => Share;

/** Returns undefined if nothing is counted. */
export function unfinishedBytes(callers: CallerLimits | undefined, context: CallContext): OpenShare | undefined {
  return callers === undefined ? undefined : () => callers.take("unfinished_bytes", context, 0);
}
