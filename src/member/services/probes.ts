/** The checks behind `/livez` and `/readyz`, with etcd's names, order and texts. */
import { rangeRequest } from "../../protocol/api/kv.ts";
import type { Member } from "../node/member.ts";
import { checkLeader, checkServing, readIndex } from "../node/requests.ts";
import type { CallContext, ProbeResult } from "../api/services.ts";

/** Requires a leader, so that a probe fails at once instead of after a time-out. It still wakes a quiesced cluster. */
export const WITH_LEADER: CallContext = { token: "", requireLeader: true };

/** Throws if the check fails. */
type Check = (member: Member) => void | Promise<void>;

const CHECKS: Readonly<Record<string, Check>> = {
  data_corruption(member) {
    if (member.machine.alarms.has("CORRUPT")) throw new Error("alarm activated: CORRUPT");
  },
  serializable_read: readLocally,
  async linearizable_read(member) {
    checkLeader(member, WITH_LEADER);
    await readIndex(member);
    readLocally(member);
  },
  non_learner(member) {
    if (member.status().isLearner) throw new Error("not supported for learner");
  },
};

export async function probe(member: Member, names: readonly string[]): Promise<readonly ProbeResult[]> {
  const results: ProbeResult[] = [];
  for (const name of names) results.push({ name, failure: await failureOf(member, CHECKS[name]) });
  return results;
}

async function failureOf(member: Member, check: Check | undefined): Promise<string | undefined> {
  try {
    await check?.(member);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Verifies that reading works. etcd reads a key that cannot exist. */
export function readLocally(member: Member): void {
  checkServing(member);
  member.machine.store.range(rangeRequest({ limit: 1, keysOnly: true }));
}
