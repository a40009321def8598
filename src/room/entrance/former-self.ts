/**
 * A profile whose store is gone comes back as a new member, beside the one that it was, which would go on counting as a
 * voter. If the profile still knows who it was, it removes that member as soon as it has been let in. If it lost that
 * as well, the autopilot takes the vote after a while.
 *
 * Only the profile itself can know that: nobody else runs a member with its store, since it holds the room's lock. Any
 * member may remove another one, so this gives nobody a right.
 */
import type { ClusterService } from "../../member/api/services.ts";
import type { Member } from "../../member/node/member.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";

/** The member that this profile was last. */
export interface FormerSelf {
  readonly clusterId: bigint;
  readonly memberId: bigint;
}

/** What the profile remembers outside the store. */
export interface ProfileMemory {
  get(): FormerSelf | undefined;
  set(self: FormerSelf): void;
}

const TRY_EVERY_MS = 500;
/** The autopilot is faster than many attempts. */
const ATTEMPTS_MAX = 40;

/** Removes `former` once `member` is connected. Ends when that is done, is not allowed, or has become pointless. */
export function removeFormerSelf(member: Member, cluster: ClusterService, former: FormerSelf): void {
  let attempts = 0;
  const again = (): void => {
    if (member.problem === undefined && ++attempts <= ATTEMPTS_MAX) member.clock.setTimer(TRY_EVERY_MS, attempt);
  };
  const attempt = (): void => {
    if (member.unavailable !== undefined) return again();
    if (!member.machine.membership.has(former.memberId)) return;
    cluster.memberRemove({ id: former.memberId }, { token: "", requireLeader: false }).catch((error: unknown) => {
      if (!isFinal(error)) again();
    });
  };
  attempt();
}

/** Where auth is enabled, members are an administrator's. */
function isFinal(error: unknown): boolean {
  return error instanceof EtcdError && (error.code === GrpcCode.PermissionDenied || error.code === GrpcCode.NotFound);
}
