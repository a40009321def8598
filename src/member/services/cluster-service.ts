/** etcd's Cluster service over one member: lists and changes the members. */
import { memberListResponse, memberPromoteResponse, memberRemoveResponse } from "../../protocol/api/cluster.ts";
import { memberAddResponse, memberUpdateResponse } from "../../protocol/api/cluster.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { MemberChangeAnswer } from "../../protocol/peer/member-change-schema.ts";
import type { Authorizer } from "./authorizer.ts";
import type { ChangeCallback } from "../membership/cluster-changes.ts";
import type { Member } from "../node/member.ts";
import { checkPeerUrls, parsePeerUrls } from "../membership/peer-urls.ts";
import { checkLeader, readIndex } from "../node/requests.ts";
import type { CallContext, ClusterService } from "../api/services.ts";

/**
 * The interceptor calls it with an authorized caller. Only MemberAdd, which validates its URLs first, calls `access`
 * itself.
 */
export function clusterService(member: Member, access: Authorizer): ClusterService {
  const { changes } = member;
  return {
    async memberAdd(request, context) {
      checkLeader(member, context);
      const peerUrls = parsePeerUrls(request.peerUrls);
      await access.requireRoot(context);
      const { isLearner } = request;
      const { memberId, members } = await changed(member, context, (done) => changes.add(peerUrls, isLearner, done));
      const added = { id: memberId, name: "", peerUrls, clientUrls: [], isLearner };
      return memberAddResponse({ header: member.header(0), member: added, members });
    },
    async memberRemove({ id }, context) {
      const { members } = await changed(member, context, (done) => changes.remove(id, done));
      return memberRemoveResponse({ header: member.header(0), members });
    },
    async memberUpdate({ id, peerUrls }, context) {
      // Stored unchanged, as in etcd. Refused where etcd would crash on them.
      if (member.machine.membership.members.some((known) => known.id === id)) checkPeerUrls(peerUrls);
      const { members } = await changed(member, context, (done) => changes.update(id, peerUrls, done));
      return memberUpdateResponse({ header: member.header(0), members });
    },
    async memberList(request, context) {
      checkLeader(member, context);
      if (request.linearizable) await readIndex(member);
      return memberListResponse({ header: member.header(0), members: member.machine.membership.members });
    },
    async memberPromote({ id }, context) {
      const { members } = await changed(member, context, (done) => changes.promote(id, done));
      return memberPromoteResponse({ header: member.header(0), members });
    },
  };
}

function changed(
  member: Member,
  context: CallContext,
  change: (done: ChangeCallback) => void,
): Promise<MemberChangeAnswer> {
  checkLeader(member, context);
  return new Promise((resolve, reject: (error: EtcdError) => void) => {
    change((outcome) => {
      if (outcome.ok) resolve(outcome.value);
      else reject(outcome.error);
    });
  });
}
