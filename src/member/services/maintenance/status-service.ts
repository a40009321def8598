/** What a member tells of itself in etcd's words. */
import { errNoLeader } from "../../../protocol/errors.ts";
import { downgradeInfo, statusResponse } from "../../../protocol/api/maintenance.ts";
import type { AlarmMember } from "../../../protocol/api/maintenance.ts";
import { SERVER_VERSION } from "../../../protocol/version.ts";
import type { Member } from "../../node/member.ts";
import { quotaBytes } from "../../apply/quota.ts";
import type { MaintenanceService } from "../../api/services.ts";

export function statusService(member: Member): Pick<MaintenanceService, "status"> {
  return {
    async status() {
      const raft = member.status();
      const { store, alarms, clusterVersion } = member.machine;
      const target = clusterVersion.downgradeTarget;
      const dbSize = member.sizeBytes;
      const noLeader = raft.leader === 0n ? [errNoLeader.message] : [];
      return statusResponse({
        header: member.header(store.revision),
        version: SERVER_VERSION,
        // Ours stays as it is; etcd rewrites its database for the version that the cluster keeps to.
        storageVersion: clusterVersion.version,
        dbSize,
        // The rows' own count goes by a flat cost for each, which a disk may undercut.
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

/** As Go prints the message, in which a zero is left out. */
function alarmText({ memberId, alarm }: AlarmMember): string {
  return memberId === 0n ? `alarm:${alarm}` : `memberID:${memberId}  alarm:${alarm}`;
}
