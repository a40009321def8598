/** What a member exposes of itself, and a message why it cannot serve. */
import type { RaftStatus } from "../../raft/ready.ts";
import type { Problem } from "../node/lifecycle.ts";
import type { Member } from "../node/member.ts";
import type { MemberView, MemberViewPeer } from "../api/services.ts";

export function memberView(member: Member): MemberView {
  const raft = member.status();
  const { store, membership } = member.machine;
  const problem = member.problem ?? problemOf(member, raft);
  return {
    id: String(member.id),
    name: member.name,
    clusterId: String(member.clusterId),
    role: roleOf(raft, membership.has(member.id)),
    term: raft.term,
    leader: String(raft.leader),
    commit: raft.commit,
    applied: member.applied,
    lastIndex: raft.lastIndex,
    revision: store.revision,
    compactRevision: store.compactRevision,
    dbSizeBytes: member.sizeBytes,
    members: membership.members.map((peer): MemberViewPeer => {
      const base = { id: String(peer.id), name: peer.name, learner: peer.isLearner };
      const progress = raft.progress.get(peer.id);
      if (progress === undefined) return base;
      return { ...base, match: progress.match, active: peer.id === member.id || member.isActive(peer.id) };
    }),
    ...(problem === undefined ? {} : { problem }),
    ...(member.joinRefusal === undefined ? {} : { joinRefusal: member.joinRefusal }),
  };
}

function roleOf(raft: RaftStatus, belongs: boolean): MemberView["role"] {
  if (raft.isLearner || !belongs) return "learner";
  if (raft.role === "leader" || raft.role === "follower") return raft.role;
  return "candidate";
}

function problemOf(member: Member, raft: RaftStatus): Problem | undefined {
  if (member.machine.membership.wasRemoved(member.id)) {
    return { code: "removed", text: "This member was removed from the cluster, and waits until the others know it." };
  }
  if (!member.machine.membership.has(member.id)) {
    return { code: "joining", text: "Waiting to be added to the cluster by its leader." };
  }
  if (raft.role === "leader" || raft.leader !== 0n) return undefined;
  const { voters } = raft.confState;
  const needed = Math.floor(voters.length / 2) + 1;
  const reachable = voters.filter((voter) => voter === member.id || member.isActive(voter)).length;
  if (reachable < needed && !member.leaderMonitor.isInGracePeriod) {
    const text =
      `No quorum: ${needed} of ${voters.length} voting members must be reachable, ${reachable} ` +
      `${reachable === 1 ? "is" : "are"}. Reads marked serializable still work; writes wait.`;
    return { code: "no-quorum", text };
  }
  return { code: "no-leader", text: "No leader yet: an election is under way." };
}
