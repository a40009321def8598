/** The methods of etcd's Lease service. */
import * as schemas from "../schema/lease-schema.ts";
import type * as messages from "../lease.ts";
import { bidi, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface LeaseRpcs {
  readonly grant: Rpc<messages.LeaseGrantRequest, messages.LeaseGrantResponse>;
  readonly revoke: Rpc<messages.LeaseRevokeRequest, messages.LeaseRevokeResponse>;
  readonly keepAlive: Rpc<messages.LeaseKeepAliveRequest, messages.LeaseKeepAliveResponse, "bidi">;
  readonly timeToLive: Rpc<messages.LeaseTimeToLiveRequest, messages.LeaseTimeToLiveResponse>;
  readonly leases: Rpc<messages.LeaseLeasesRequest, messages.LeaseLeasesResponse>;
}

const SERVICE = "etcdserverpb.Lease";

export const LEASE_RPCS: LeaseRpcs = {
  grant: unary(
    SERVICE,
    "LeaseGrant",
    ["/v3/lease/grant"],
    schemas.leaseGrantRequestSchema,
    schemas.leaseGrantResponseSchema,
  ),
  revoke: unary(
    SERVICE,
    "LeaseRevoke",
    ["/v3/lease/revoke", "/v3/kv/lease/revoke"],
    schemas.leaseRevokeRequestSchema,
    schemas.leaseRevokeResponseSchema,
  ),
  keepAlive: bidi(
    SERVICE,
    "LeaseKeepAlive",
    ["/v3/lease/keepalive"],
    schemas.leaseKeepAliveRequestSchema,
    schemas.leaseKeepAliveResponseSchema,
    { isRead: true },
  ),
  timeToLive: unary(
    SERVICE,
    "LeaseTimeToLive",
    ["/v3/lease/timetolive", "/v3/kv/lease/timetolive"],
    schemas.leaseTimeToLiveRequestSchema,
    schemas.leaseTimeToLiveResponseSchema,
    { isRead: true },
  ),
  leases: unary(
    SERVICE,
    "LeaseLeases",
    ["/v3/lease/leases", "/v3/kv/lease/leases"],
    schemas.leaseLeasesRequestSchema,
    schemas.leaseLeasesResponseSchema,
    { isRead: true },
  ),
};
