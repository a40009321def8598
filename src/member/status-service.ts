/** What a member tells of itself in etcd's words. */
import { errNoLeader } from "../protocol/errors.ts";
import { statusResponse } from "../protocol/maintenance.ts";
import { SERVER_VERSION } from "../protocol/version.ts";
import type { Member } from "./member.ts";
import type { MaintenanceService } from "./services.ts";

/** etcd's storage version: the format of major and minor that clients look at. */
const STORAGE_VERSION = "3.7.0";

export function statusService(member: Member): Pick<MaintenanceService, "status"> {
  return {
    async status() {
      const raft = member.status();
      const errors = raft.leader === 0n ? [errNoLeader.message] : [];
      return statusResponse({
        header: member.header(member.machine.store.revision),
        version: SERVER_VERSION,
        storageVersion: STORAGE_VERSION,
        dbSize: member.sizeBytes,
        dbSizeInUse: member.machine.store.keys.sizeBytes,
        leader: raft.leader,
        raftIndex: raft.commit,
        raftTerm: raft.term,
        raftAppliedIndex: raft.applied,
        isLearner: raft.isLearner,
        errors,
      });
    },
  };
}
