/** A member's status in etcd's form. */
import { errNoLeader } from "../../../protocol/errors.ts";
import { downgradeInfo, statusResponse } from "../../../protocol/api/maintenance.ts";
import type { AlarmMember } from "../../../protocol/api/maintenance.ts";
import { SERVER_VERSION } from "../../../protocol/version.ts";
import type { Member } from "../../node/member.ts";
import { confirmLeader } from "../../node/requests.ts";
import { quotaBytes } from "../../apply/quota.ts";
import type { MaintenanceService } from "../../api/services.ts";

export function statusService(member: Member): Pick<MaintenanceService, "status"> {
  return {
    async status() {
      await confirmLeader(member);
      const raft = member.status();
      const { store, alarms, clusterVersion } = member.machine;
      const target = clusterVersion.downgradeTarget;
      const dbSize = member.sizeBytes;
      const noLeader = raft.leader === 0n ? [errNoLeader.message] : [];
      return statusResponse({
        header: member.header(store.revision),
        version: SERVER_VERSION,
        // Our storage does not change. etcd rewrites its database for the cluster version.
        storageVersion: clusterVersion.version,
        dbSize,
        // The row count assumes a fixed cost per row, so it may exceed the size on disk.
        dbSizeInUse: Math.min(store.keys.sizeBytes, dbSize),
        dbSizeQuota: quotaBytes(member.settings.quotaBackendBytes),
        leader: raft.leader,
        raftIndex: raft.commit,
        raftTerm: raft.term,
        raftAppliedIndex: raft.applied,
        isLearner: raft.isLearner,
        errors: [...noLeader, ...alarms.list().map(alarmText)],
        downgradeInfo: downgradeInfo(target === undefined ? {} : { enabled: true, targetVersion: target }),
      });
    },
  };
}

/** Formats an alarm as Go does, without zero fields. */
function alarmText({ memberId, alarm }: AlarmMember): string {
  return memberId === 0n ? `alarm:${alarm}` : `memberID:${memberId}  alarm:${alarm}`;
}
