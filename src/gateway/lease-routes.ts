/** The paths of leases, locks and elections. */
import {
  campaignRequestSchema,
  campaignResponseSchema,
  leaderRequestSchema,
  leaderResponseSchema,
  proclaimRequestSchema,
  proclaimResponseSchema,
  resignRequestSchema,
  resignResponseSchema,
} from "../protocol/election-schema.ts";
import {
  leaseGrantRequestSchema,
  leaseGrantResponseSchema,
  leaseLeasesRequestSchema,
  leaseLeasesResponseSchema,
  leaseRevokeRequestSchema,
  leaseRevokeResponseSchema,
  leaseTimeToLiveRequestSchema,
  leaseTimeToLiveResponseSchema,
} from "../protocol/lease-schema.ts";
import {
  lockRequestSchema,
  lockResponseSchema,
  unlockRequestSchema,
  unlockResponseSchema,
} from "../protocol/lock-schema.ts";
import type { Services } from "../member/services.ts";
import type { ServeUnary } from "./unary.ts";

export function serveLeases({ lease }: Services, unary: ServeUnary): void {
  unary("/v3/lease/grant", leaseGrantRequestSchema, leaseGrantResponseSchema, (message, context) =>
    lease.grant(message, context),
  );
  // Three of them have a second path, from before they moved.
  for (const prefix of ["/v3/lease", "/v3/kv/lease"]) {
    unary(`${prefix}/revoke`, leaseRevokeRequestSchema, leaseRevokeResponseSchema, (message, context) =>
      lease.revoke(message, context),
    );
    unary(`${prefix}/timetolive`, leaseTimeToLiveRequestSchema, leaseTimeToLiveResponseSchema, (message, context) =>
      lease.timeToLive(message, context),
    );
    unary(`${prefix}/leases`, leaseLeasesRequestSchema, leaseLeasesResponseSchema, (message, context) =>
      lease.leases(message, context),
    );
  }
}

export function serveLocksAndElections({ lock, election }: Services, unary: ServeUnary): void {
  unary("/v3/lock/lock", lockRequestSchema, lockResponseSchema, (message, context, signal) =>
    lock.lock(message, { ...context, signal }),
  );
  unary("/v3/lock/unlock", unlockRequestSchema, unlockResponseSchema, (message, context) =>
    lock.unlock(message, context),
  );
  unary("/v3/election/campaign", campaignRequestSchema, campaignResponseSchema, (message, context, signal) =>
    election.campaign(message, { ...context, signal }),
  );
  unary("/v3/election/proclaim", proclaimRequestSchema, proclaimResponseSchema, (message, context) =>
    election.proclaim(message, context),
  );
  unary("/v3/election/leader", leaderRequestSchema, leaderResponseSchema, (message, context) =>
    election.leader(message, context),
  );
  unary("/v3/election/resign", resignRequestSchema, resignResponseSchema, (message, context) =>
    election.resign(message, context),
  );
}
