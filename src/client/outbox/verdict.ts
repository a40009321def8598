/** How a queued write ends. */
import type { KeyValue } from "../common/types.ts";

/** What became of a queued write. It is final. */
export type OutboxVerdict =
  /** The write is in the cluster's history, once, at this revision. */
  | { readonly type: "committed"; readonly revision: number }
  /** The write was not executed and never will be. */
  | {
      readonly type: "refused";
      /**
       * What stood there instead: the keys that the condition names, at `revision`. Undefined if nothing was compared, or
       * if that revision was compacted before this client could ask.
       */
      readonly found: readonly KeyValue[] | undefined;
      readonly revision: number;
      readonly reason: string;
    }
  /** The write will never be sent again. */
  | {
      readonly type: "expired";
      /** True if it was sent and nobody can tell any more whether it was executed. It was then executed once at most. */
      readonly mayBeCommitted: boolean;
      readonly reason: string;
    };
