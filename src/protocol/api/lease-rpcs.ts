/** The methods of etcd's Lease service. */
import {
  leaseGrantRequestSchema,
  leaseGrantResponseSchema,
  leaseKeepAliveRequestSchema,
  leaseKeepAliveResponseSchema,
  leaseLeasesRequestSchema,
  leaseLeasesResponseSchema,
  leaseRevokeRequestSchema,
  leaseRevokeResponseSchema,
  leaseTimeToLiveRequestSchema,
  leaseTimeToLiveResponseSchema,
} from "./lease-schema.ts";
import type {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from "./lease.ts";
import { bidi, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface LeaseRpcs {
  readonly grant: Rpc<LeaseGrantRequest, LeaseGrantResponse>;
  readonly revoke: Rpc<LeaseRevokeRequest, LeaseRevokeResponse>;
  readonly keepAlive: Rpc<LeaseKeepAliveRequest, LeaseKeepAliveResponse, "bidi">;
  readonly timeToLive: Rpc<LeaseTimeToLiveRequest, LeaseTimeToLiveResponse>;
  readonly leases: Rpc<LeaseLeasesRequest, LeaseLeasesResponse>;
}

const SERVICE = "etcdserverpb.Lease";

export const LEASE_RPCS: LeaseRpcs = {
  grant: unary(SERVICE, "LeaseGrant", ["/v3/lease/grant"], leaseGrantRequestSchema, leaseGrantResponseSchema),
  revoke: unary(
    SERVICE,
    "LeaseRevoke",
    ["/v3/lease/revoke", "/v3/kv/lease/revoke"],
    leaseRevokeRequestSchema,
    leaseRevokeResponseSchema,
  ),
  keepAlive: bidi(
    SERVICE,
    "LeaseKeepAlive",
    ["/v3/lease/keepalive"],
    leaseKeepAliveRequestSchema,
    leaseKeepAliveResponseSchema,
    { isRead: true },
  ),
  timeToLive: unary(
    SERVICE,
    "LeaseTimeToLive",
    ["/v3/lease/timetolive", "/v3/kv/lease/timetolive"],
    leaseTimeToLiveRequestSchema,
    leaseTimeToLiveResponseSchema,
    { isRead: true },
  ),
  leases: unary(
    SERVICE,
    "LeaseLeases",
    ["/v3/lease/leases", "/v3/kv/lease/leases"],
    leaseLeasesRequestSchema,
    leaseLeasesResponseSchema,
    { isRead: true },
  ),
};
