/** Field tables of the messages in lease.ts, with the numbers and names of etcd's .proto files. */
import {
  lease,
  leaseCheckpoint,
  leaseCheckpointRequest,
  leaseCheckpointResponse,
  leaseGrantRequest,
  leaseGrantResponse,
  leaseKeepAliveRequest,
  leaseKeepAliveResponse,
  leaseLeasesResponse,
  leaseRevokeRequest,
  leaseRevokeResponse,
  leaseStatus,
  leaseTimeToLiveRequest,
  leaseTimeToLiveResponse,
} from "../lease.ts";
import type {
  Lease,
  LeaseCheckpoint,
  LeaseCheckpointRequest,
  LeaseCheckpointResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseStatus,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from "../lease.ts";
import { header } from "./header-schema.ts";
import { always, bool, bytes, clampedInt, id, int, message, repeated, string } from "../../codec/schema.ts";
import type { Schema } from "../../codec/schema.ts";

export const leaseGrantRequestSchema: Schema<LeaseGrantRequest> = message(
  "etcdserverpb.LeaseGrantRequest",
  leaseGrantRequest,
  { ttl: clampedInt(1, "TTL"), id: id(2, "ID", "signed") },
);

export const leaseGrantResponseSchema: Schema<LeaseGrantResponse> = message(
  "etcdserverpb.LeaseGrantResponse",
  leaseGrantResponse,
  { header, id: id(2, "ID", "signed"), ttl: int(3, "TTL"), error: string(4, "error") },
);

export const leaseRevokeRequestSchema: Schema<LeaseRevokeRequest> = message(
  "etcdserverpb.LeaseRevokeRequest",
  leaseRevokeRequest,
  { id: id(1, "ID", "signed") },
);

export const leaseRevokeResponseSchema: Schema<LeaseRevokeResponse> = message(
  "etcdserverpb.LeaseRevokeResponse",
  leaseRevokeResponse,
  { header },
);

export const leaseCheckpointSchema: Schema<LeaseCheckpoint> = message("etcdserverpb.LeaseCheckpoint", leaseCheckpoint, {
  id: id(1, "ID", "signed"),
  remainingTtl: int(2, "remaining_TTL"),
});

export const leaseCheckpointRequestSchema: Schema<LeaseCheckpointRequest> = message(
  "etcdserverpb.LeaseCheckpointRequest",
  leaseCheckpointRequest,
  { checkpoints: repeated(always(1, "checkpoints", () => leaseCheckpointSchema)) },
);

export const leaseCheckpointResponseSchema: Schema<LeaseCheckpointResponse> = message(
  "etcdserverpb.LeaseCheckpointResponse",
  leaseCheckpointResponse,
  { header },
);

export const leaseKeepAliveRequestSchema: Schema<LeaseKeepAliveRequest> = message(
  "etcdserverpb.LeaseKeepAliveRequest",
  leaseKeepAliveRequest,
  { id: id(1, "ID", "signed") },
);

export const leaseKeepAliveResponseSchema: Schema<LeaseKeepAliveResponse> = message(
  "etcdserverpb.LeaseKeepAliveResponse",
  leaseKeepAliveResponse,
  { header, id: id(2, "ID", "signed"), ttl: int(3, "TTL") },
);

export const leaseTimeToLiveRequestSchema: Schema<LeaseTimeToLiveRequest> = message(
  "etcdserverpb.LeaseTimeToLiveRequest",
  leaseTimeToLiveRequest,
  { id: id(1, "ID", "signed"), keys: bool(2, "keys") },
);

export const leaseTimeToLiveResponseSchema: Schema<LeaseTimeToLiveResponse> = message(
  "etcdserverpb.LeaseTimeToLiveResponse",
  leaseTimeToLiveResponse,
  {
    header,
    id: id(2, "ID", "signed"),
    ttl: int(3, "TTL"),
    grantedTtl: int(4, "grantedTTL"),
    keys: repeated(bytes(5, "keys")),
  },
);

export const leaseLeasesRequestSchema: Schema<LeaseLeasesRequest> = message(
  "etcdserverpb.LeaseLeasesRequest",
  () => ({}),
  {},
);

export const leaseStatusSchema: Schema<LeaseStatus> = message("etcdserverpb.LeaseStatus", leaseStatus, {
  id: id(1, "ID", "signed"),
});

export const leaseLeasesResponseSchema: Schema<LeaseLeasesResponse> = message(
  "etcdserverpb.LeaseLeasesResponse",
  leaseLeasesResponse,
  { header, leases: repeated(always(2, "leases", () => leaseStatusSchema)) },
);

export const leaseSchema: Schema<Lease> = message("leasepb.Lease", lease, {
  id: id(1, "ID", "signed"),
  ttl: int(2, "TTL"),
  remainingTtl: int(3, "RemainingTTL"),
});
