/**
 * What the worker buffers for each caller before it calls a member: incomplete bodies. Counted for each cluster, so that
 * the callers of one take nothing from those of another, and for the isolate, whose memory they share. Members count what
 * reaches them (src/member/limits/callers.ts).
 */
import type { OpenShare } from "../../src/gateway/http/caller-limits.ts";
import { CallerBudget, type Share } from "../../src/member/limits/caller-budget.ts";
import { networkOf } from "../../src/member/limits/caller-key.ts";
import { limitsOf } from "../../src/member/options.ts";
import { errRequestTooManyRequests } from "../../src/protocol/errors.ts";

const { unfinishedBytes: total, unfinishedBytesPerCaller: perCaller } = limitsOf();
/** Half as much again as one cluster may take. What all clusters hold counts here, and no cluster is a caller. */
const ofIsolate = new CallerBudget({ total: total * 1.5, perCaller: total });

export class UnfinishedBodies {
  readonly #ofCluster: CallerBudget = new CallerBudget({ total, perCaller });

  of(address: string | undefined): OpenShare {
    return () => {
      const own = this.#ofCluster.take(address === undefined ? undefined : networkOf(address), 0);
      const shared = ofIsolate.take(undefined, 0);
      if (own === undefined || shared === undefined) throw errRequestTooManyRequests;
      return both(own, shared);
    };
  }
}

function both(own: Share, shared: Share): Share {
  return {
    grow(amount) {
      if (!own.grow(amount)) return false;
      if (shared.grow(amount)) return true;
      own.shrink(amount);
      return false;
    },
    shrink(amount) {
      own.shrink(amount);
      shared.shrink(amount);
    },
    release() {
      own.release();
      shared.release();
    },
  };
}
