/** What a multiplexed connection counts against its caller (member/limits/caller-budget.ts). */
import type { CallContext } from "../../member/api/services.ts";
import type { Share } from "../../member/limits/caller-budget.ts";
import type { CallerLimits } from "../http/caller-limits.ts";

/** Each is absent if nothing is counted. */
export interface MuxShares {
  readonly socket: Share | undefined;
  /** Bytes of incomplete requests, of all streams of the connection. */
  readonly unfinished: Share | undefined;
  readonly unread: Share | undefined;
}

/** Returns undefined if the caller has too many sockets. */
export function muxShares(peer: CallContext, callers: CallerLimits | undefined): MuxShares | undefined {
  try {
    return {
      socket: callers?.take("sockets", peer),
      unfinished: callers?.take("unfinished_bytes", peer, 0),
      unread: callers?.take("unread_bytes", peer, 0),
    };
  } catch {
    return undefined;
  }
}
