/**
 * What the only voter of a configuration knows without a campaign. Nobody else can lead, so every entry that it has durably
 * is committed, or will be as soon as it leads. That is of use to a member that will never write again, and so never lead.
 * A change of the configuration may end that, and is the last entry of one step.
 */
import type { Core } from "./core.ts";

/** Commits its durable log up to the next change of the configuration. Returns whether anything is committed by that. */
export function commitAlone(core: Core): boolean {
  const { conf, id, log, config } = core;
  const isAlone = conf.voters.length === 1 && conf.voters[0] === id && conf.votersOutgoing.length === 0;
  if (!isAlone || log.applied < log.committed || log.durableIndex <= log.committed) return false;
  const entries = log.entries(log.committed + 1, log.durableIndex + 1, config.maxApplyBytes);
  const change = entries.findIndex(({ type }) => type === "conf-change");
  return log.commitTo(log.committed + (change < 0 ? entries.length : change + 1));
}
