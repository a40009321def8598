/** `/health`, `/livez`, `/readyz` and `/metrics` of one member, with etcd's reasons. */
import { EtcdError } from "../../protocol/errors.ts";
import type { Member } from "../node/member.ts";
import { metricSamples } from "./metric-samples.ts";
import { probe, readLocally, WITH_LEADER } from "./probes.ts";
import { checkLeader, confirmLeader, readIndex } from "../node/requests.ts";
import { PROBES } from "../api/services.ts";
import type { HealthService } from "../api/services.ts";

export function healthService(member: Member): HealthService {
  return {
    ...healthChecks(member),
    metrics: () => metricSamples(member),
    leaderConfirmed: () => confirmLeader(member),
  };
}

export function healthChecks(member: Member): Omit<HealthService, "metrics"> {
  const { metrics } = member;
  return {
    async check(options) {
      const reason = await unhealthyReason(member, options);
      if (reason === undefined) metrics.health.succeeded += 1;
      else metrics.health.failed += 1;
      return reason;
    },
    async probe(kind, names = PROBES[kind]) {
      const results = await probe(member, names);
      for (const result of results) metrics.probed(kind, result);
      return results;
    },
    clusterVersion: () => member.machine.clusterVersion.version,
  };
}

async function unhealthyReason(
  member: Member,
  { serializable, exclude }: Parameters<HealthService["check"]>[0],
): Promise<string | undefined> {
  const raised = member.machine.alarms.list().find(({ alarm }) => !exclude.includes(String(alarm)));
  if (raised !== undefined) return typeof raised.alarm === "string" ? `ALARM ${raised.alarm}` : "ALARM UNKNOWN";
  try {
    if (!serializable) {
      checkLeader(member, WITH_LEADER);
      await readIndex(member);
    }
    readLocally(member);
    return undefined;
  } catch (error) {
    if (!(error instanceof EtcdError)) throw error;
    return !serializable && member.leader === 0n ? "RAFT NO LEADER" : `RANGE ERROR:${error.message}`;
  }
}
