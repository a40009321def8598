/** Transfers leadership on request. Must be called on the leader; responds when the target leads. */
import { errBadLeaderTransferee, EtcdError, errNotLeader, GrpcCode } from "../../../protocol/errors.ts";
import { moveLeaderResponse } from "../../../protocol/api/maintenance.ts";
import type { MemberId } from "../../../protocol/peer/raft-message.ts";
import type { Member } from "../../node/member.ts";
import { checkLeader, checkServing, readIndex } from "../../node/requests.ts";
import type { CallContext, MaintenanceService } from "../../api/services.ts";

/** etcd waits as long as the caller does. Here the request times out, with etcd's error text for it. */
const errTookTooLong = new EtcdError(GrpcCode.Unknown, "etcdserver: request timed out, leader transfer took too long");

export function moveLeaderService(member: Member): Pick<MaintenanceService, "moveLeader"> {
  return {
    async moveLeader({ targetId }, context) {
      checkLeader(member, context);
      await wakened(member);
      if (member.leader !== member.id) throw errNotLeader;
      const target = member.machine.membership.get(targetId);
      if (target === undefined || target.isLearner) throw errBadLeaderTransferee;
      if (targetId !== member.id) {
        member.transferLeader(targetId);
        await untilLeads(member, targetId, context);
      }
      return moveLeaderResponse();
    },
  };
}

/** A member that was quiesced does not know the leader yet. */
async function wakened(member: Member): Promise<void> {
  if (member.leader !== 0n) return;
  member.wake();
  if (member.isWaking) await readIndex(member);
}

async function untilLeads(member: Member, target: MemberId, { signal }: CallContext): Promise<void> {
  const { clock } = member;
  const { requestTimeoutMs, tickMs } = member.settings;
  const untilMs = clock.nowMs() + requestTimeoutMs;
  while (member.leader !== target) {
    if (clock.nowMs() >= untilMs || signal?.aborted === true) throw errTookTooLong;
    await new Promise<void>((resolve) => {
      clock.setTimer(tickMs, resolve);
    });
    checkServing(member);
  }
}
