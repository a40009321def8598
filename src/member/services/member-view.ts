/** What a member exposes of itself, and a message why it cannot serve. */
import type { RaftStatus } from "../../raft/ready.ts";
import type { Member } from "../node/member.ts";
import type { MemberView, MemberViewPeer } from "../api/services.ts";

export function memberView(member: Member): MemberView {
  const raft = member.status();
  const { store, membership } = member.machine;
  const problem = member.unavailable;
  const hasStopped = member.problem !== undefined;
  const { behind } = member;
  return {
    id: String(member.id),
    name: member.name,
    clusterId: String(member.clusterId),
    role: roleOf(raft, membership.has(member.id), hasStopped),
    term: raft.term,
    // What it knew of others when it stopped may have changed since.
    leader: hasStopped ? "0" : String(raft.leader),
    commit: raft.commit,
    applied: member.applied,
    lastIndex: raft.lastIndex,
    revision: store.revision,
    compactRevision: store.compactRevision,
    dbSizeBytes: member.sizeBytes,
    members: membership.members.map((peer): MemberViewPeer => {
      const invited = membership.guest(peer.id)?.role;
      const base = {
        ...{ id: String(peer.id), name: peer.name, learner: peer.isLearner },
        ...(invited === undefined ? {} : { invited }),
      };
      const progress = hasStopped ? undefined : raft.progress.get(peer.id);
      if (progress === undefined) return base;
      return { ...base, match: progress.match, active: peer.id === member.id || member.isActive(peer.id) };
    }),
    ...(behind > 0 && !hasStopped ? { behind } : {}),
    ...(problem === undefined ? {} : { problem }),
    ...(member.joinRefusal === undefined ? {} : { joinRefusal: member.joinRefusal }),
  };
}

function roleOf(raft: RaftStatus, belongs: boolean, hasStopped: boolean): MemberView["role"] {
  if (raft.isLearner || !belongs) return "learner";
  if (hasStopped) return "follower";
  if (raft.role === "leader" || raft.role === "follower") return raft.role;
  return "candidate";
}
