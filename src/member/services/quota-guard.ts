/**
 * Enforces the space quota before all other checks, as in etcd. The first request that does not fit raises NOSPACE
 * through the log. From then on all members refuse (alarm-store.ts).
 */
import { errNoSpace } from "../../protocol/errors.ts";
import type { Member } from "../node/member.ts";
import { LEASE_COST, putCost, Quota, txnCost } from "../apply/quota.ts";
import type { KvService, LeaseService } from "../api/services.ts";

export function withQuota(
  member: Member,
  services: { readonly kv: KvService; readonly lease: LeaseService },
): { readonly kv: KvService; readonly lease: LeaseService } {
  const quota = new Quota(member.settings.quotaBackendBytes, () => member.sizeBytes);
  const refuse = async (): Promise<never> => {
    await raiseNoSpace(member);
    throw errNoSpace;
  };
  const { kv, lease } = services;
  return {
    kv: {
      ...kv,
      async put(request, context) {
        if (!quota.admits(putCost(request))) await refuse();
        return kv.put(request, context);
      },
      async txn(request, context) {
        if (!quota.admits(txnCost(request))) await refuse();
        return kv.txn(request, context);
      },
    },
    lease: {
      ...lease,
      async grant(request, context) {
        if (!quota.admits(LEASE_COST)) await refuse();
        return lease.grant(request, context);
      },
    },
  };
}

/** Raises the alarm. Resolves also if that fails: the request is refused either way. */
function raiseNoSpace(member: Member): Promise<void> {
  const alarm = { memberId: member.id, alarm: "NOSPACE" } as const;
  if (member.machine.alarms.isRaised(alarm)) return Promise.resolve();
  return new Promise((resolve) => {
    member.write({ type: "alarm", alarm: { action: "ACTIVATE", ...alarm } }, () => resolve());
  });
}
