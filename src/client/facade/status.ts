/** `client.status()`. Loaded with the first call. */
import type { CallContext, MemberView, MemberViewPeer, Services } from "../../member/api/services.ts";
import type { Member } from "../../protocol/api/cluster.ts";
import type { StatusResponse } from "../../protocol/api/maintenance.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** etcd has no call with all that `inspect` of our members returns. For an etcd it is assembled from two calls. */
export async function statusOf(services: Services, context: CallContext): Promise<MemberView> {
  try {
    return await services.inspect.view();
  } catch (error) {
    const isUnknown =
      error instanceof EtcdError && (error.code === GrpcCode.NotFound || error.code === GrpcCode.Unimplemented);
    if (!isUnknown) throw error;
  }
  const [status, { members }] = await Promise.all([
    services.maintenance.status({}, context),
    services.cluster.memberList({ linearizable: false }, context),
  ]);
  return viewOf(status, members);
}

function viewOf(status: StatusResponse, members: readonly Member[]): MemberView {
  const { header, leader } = status;
  const self = members.find(({ id }) => id === header.memberId);
  const follows = status.isLearner ? "learner" : "follower";
  return {
    id: header.memberId.toString(),
    name: self?.name ?? "",
    clusterId: header.clusterId.toString(),
    role: leader !== 0n && leader === header.memberId ? "leader" : follows,
    term: status.raftTerm,
    leader: leader.toString(),
    commit: status.raftIndex,
    applied: status.raftAppliedIndex,
    lastIndex: status.raftIndex,
    revision: header.revision,
    // etcd reports it only in the error of a call below it.
    compactRevision: 0,
    dbSizeBytes: status.dbSize,
    members: members.map(({ id, name, isLearner }): MemberViewPeer => ({
      id: id.toString(),
      name,
      learner: isLearner,
    })),
    ...(leader === 0n ? { problem: { code: "no-leader", text: status.errors.join("; ") || "no leader" } } : {}),
  };
}
