/** etcd's Lease service over one member. What only the leader knows is requested from the leader; see lessor.ts. */
import { leaseKeepAliveResponse, leaseTimeToLiveResponse } from "../../protocol/api/lease.ts";
import type { LeaseGrantResponse, LeaseRevokeResponse } from "../../protocol/api/lease.ts";
import type { TtlCallback } from "../background/lessor.ts";
import type { Member } from "../node/member.ts";
import { checkLeader, checkServing, propose, readIndex, withHeader } from "../node/requests.ts";
import type { LeaseService } from "../api/services.ts";

/** TTL of a lease that does not exist, in a TimeToLive response. */
const NO_LEASE_TTL = -1;

export function leaseService(member: Member): LeaseService {
  return {
    async grant({ id, ttl }, context) {
      checkLeader(member, context);
      const counted = member.callers.take("leases", context);
      const leaseGrant = {
        id: id === 0n ? member.newLeaseId() : id,
        // Applied here and not when the log is applied, so that members may differ in their election timeouts.
        ttl: Math.max(ttl, minTtlSeconds(member)),
      };
      try {
        const request = { type: "leaseGrant", leaseGrant } as const;
        const granted = await propose<LeaseGrantResponse>(member, request, context.caller, context);
        member.lessor.whenRevoked(leaseGrant.id, counted.release);
        return withHeader(member, granted);
      } catch (error) {
        counted.release();
        throw error;
      }
    },
    async revoke(request, context) {
      checkLeader(member, context);
      const leaseRevoke = { type: "leaseRevoke", leaseRevoke: request } as const;
      return withHeader(member, await propose<LeaseRevokeResponse>(member, leaseRevoke, context.caller, context));
    },
    async keepAlive({ id }, context) {
      checkLeader(member, context);
      // Taken before the renewal, so that a client that reads from this revision on sees the end of a lease that was
      // revoked by then.
      const header = member.header(member.machine.store.revision);
      const ttl = await seconds(member, (done) => member.lessor.renew(id, done));
      return leaseKeepAliveResponse({ header, id, ttl: ttl ?? 0 });
    },
    async timeToLive({ id, keys }, context) {
      checkLeader(member, context);
      const leader = member.leader;
      const ttl = await seconds(member, (done) => member.lessor.remaining(id, done));
      // The leader returns the TTL. Every member knows the keys when it is up to date, as the leader is now.
      if (leader !== member.id || member.leader !== member.id) await readIndex(member);
      const lease = ttl === undefined ? undefined : member.machine.leases.get(id);
      const header = member.header(member.machine.store.revision);
      if (ttl === undefined || lease === undefined) return leaseTimeToLiveResponse({ header, id, ttl: NO_LEASE_TTL });
      const attached = keys ? member.machine.leases.keysOf(id) : [];
      return leaseTimeToLiveResponse({ header, id, ttl, grantedTtl: lease.ttl, keys: attached });
    },
    async leases(_request, context) {
      checkLeader(member, context);
      const leases = member.lessor.ids().map((id) => ({ id }));
      return { header: member.header(member.machine.store.revision), leases };
    },
  };
}

/** etcd's minimum: one and a half election timeouts, in whole seconds. */
function minTtlSeconds(member: Member): number {
  const { electionTicks, tickMs } = member.settings;
  return Math.ceil((Math.floor((3 * electionTicks) / 2) * tickMs) / 1_000);
}

function seconds(member: Member, call: (done: TtlCallback) => void): Promise<number | undefined> {
  checkServing(member);
  return new Promise((resolve, reject) => {
    call((outcome) => (outcome.ok ? resolve(outcome.value) : reject(outcome.error)));
  });
}
