/** What a member's object is called for, beside `fetch`, by the worker and by the other members' objects. */
import type { ErrorParts } from "../../src/gateway/http/errors.ts";
import type { CallContext } from "../../src/member/api/services.ts";
import type { ClientStep, RestoreAnswer, RestoreCall, StepAnswer } from "../member/restore.ts";
import type { BatchTarget } from "../calls/batched-calls.ts";

/** To frames of another member; `isBad` when they were none. */
export type FramesAnswer =
  | { readonly type: "batch"; readonly batch: Uint8Array }
  | { readonly type: "refused"; readonly isBad: boolean; readonly reason: string };

export interface MemberRpc extends Rpc.DurableObjectBranded, BatchTarget {
  /** Frames from another member (src/transport/http.ts), and what there is to say to it. */
  raft(batch: Uint8Array): Promise<FramesAnswer>;
  /** A step of a client's restore. */
  restore(step: ClientStep, context: CallContext): Promise<StepAnswer | ErrorParts>;
  /** Why the caller may not use this endpoint; undefined when it may. */
  refusal(context: CallContext): Promise<ErrorParts | undefined>;
  /** Why the caller may not restore a snapshot. */
  restoreRefusal(context: CallContext): Promise<StepAnswer | ErrorParts | undefined>;
  /** From another member, about a snapshot that is being restored; see restore.ts. */
  restoring(call: RestoreCall): Promise<RestoreAnswer>;
}
