/**
 * What the worker buffers for each caller before it calls a member: incomplete bodies. Counted per isolate. Members
 * count what reaches them (src/member/limits/callers.ts).
 */
import type { OpenShare } from "../../src/gateway/http/caller-limits.ts";
import { CallerBudget } from "../../src/member/limits/caller-budget.ts";
import { networkOf } from "../../src/member/limits/caller-key.ts";
import { limitsOf } from "../../src/member/options.ts";
import { errRequestTooManyRequests } from "../../src/protocol/errors.ts";

const { unfinishedBytes, unfinishedBytesPerCaller } = limitsOf();
const unfinished = new CallerBudget({ total: unfinishedBytes, perCaller: unfinishedBytesPerCaller });

export function unfinishedOf(address: string | undefined): OpenShare {
  return () => {
    const share = unfinished.take(address === undefined ? undefined : networkOf(address), 0);
    if (share === undefined) throw errRequestTooManyRequests;
    return share;
  };
}
