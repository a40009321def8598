/** What a member's object is called for, beside `fetch`, by the worker and by the other members' objects. */
import type { ClientStep, RestoreAnswer, RestoreCall, StepAnswer } from "./restore.ts";
import type { AskedTogether } from "./together.ts";

/** To frames of another member; `isBad` when they were none. */
export type FramesAnswer =
  | { readonly type: "batch"; readonly batch: Uint8Array }
  | { readonly type: "refused"; readonly isBad: boolean; readonly reason: string };

export interface MemberRpc extends Rpc.DurableObjectBranded, AskedTogether {
  /** Frames from another member (src/transport/http.ts), and what there is to say to it. */
  raft(batch: Uint8Array): Promise<FramesAnswer>;
  /** A step of a client's restore. */
  restore(step: ClientStep): Promise<StepAnswer>;
  /** From another member, about a snapshot that is being restored; see restore.ts. */
  restoring(call: RestoreCall): Promise<RestoreAnswer>;
}
