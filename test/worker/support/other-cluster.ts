/** A second cluster in the same worker, as an application embeds one: below a prefix, and closed. */
import type { Quorate, QuorateOptions } from "../../../worker/options.ts";
import { quorate } from "../../../worker/quorate.ts";

export const SETUP_TOKEN = "the other cluster's setup token";
/** More than the platform takes in one message. */
const MAX_RESPONSE_BYTES = String(64 * 1024 * 1024);
export const OTHER: QuorateOptions = {
  cluster: "other",
  members: 1,
  prefix: "/other/",
  bindings: { members: "OTHER_MEMBERS" },
};

export const other: Quorate = quorate(OTHER);

export const OtherMember: Quorate["EdgeMember"] = closed(other.EdgeMember);

/** In the tests' own variables, everybody is let in. */
function closed(base: Quorate["EdgeMember"]): Quorate["EdgeMember"] {
  return class extends base {
    constructor(ctx: DurableObjectState, env: object) {
      super(ctx, { ...env, OPEN: "false", SETUP_TOKEN, MAX_RESPONSE_BYTES });
    }
  };
}
